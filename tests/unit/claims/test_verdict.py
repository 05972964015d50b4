"""Verdicts on claims, against numbers worked by hand."""

import json

import numpy as np
import pandas as pd
import pytest
from claim_frames import cell, claim, right, table
from scipy.stats import t as student

from moebench.claims.claim import parse_claim
from moebench.claims.verdict import Verdict, judge, step_levels

DENSE = cell("dense", (0.90, 0.92, 0.91))
SOFT = cell("soft", (0.94, 0.95, 0.96), experts=4)
"""Seed by seed 0.04, 0.03 and 0.05 above dense."""
BETTER = {"better": {"router": "soft"}, "than": {"router": "dense"}}


def verdict(frame: pd.DataFrame, **values: object) -> Verdict:
    (found,) = judge(frame, [parse_claim(claim(**values))])
    assert len(found.text.split()) <= 25
    return found


def test_better_by_hand() -> None:
    found = verdict(table(DENSE, SOFT), **BETTER)
    # 0.04 with an error of 0.01 / √3: t = 6.93 of 2 freedoms, p = 0.0202, and ± 4.3027 errors.
    assert (found.verdict, found.pairs, found.seeds, found.images) == ("shown", 1, 3, 0)
    assert tuple(found.effect) == pytest.approx((0.04, 0.04 - 0.02484, 0.04 + 0.02484), abs=1e-5)
    assert (found.p_value, found.p_corrected) == pytest.approx((0.0202, 0.0202), abs=1e-4)
    assert found.text == "Shown: +4.0 [+1.5, +6.5] points."
    assert found.method == "difference of cells paired by seed and test image"


def test_a_seed_counts_once_in_however_many_sizes() -> None:
    # The same three differences at three sizes are three differences: t = 6.93 of 2 freedoms, not of 6.
    sizes = ("pico/4", "nano/4", "mu/4")
    frames = [
        cell(router, values, model=model)
        for model in sizes
        for router, values in (("dense", (0.90, 0.92, 0.91)), ("soft", (0.94, 0.95, 0.96)))
    ]
    found = verdict(table(*frames), **BETTER)
    assert (found.pairs, found.seeds, found.p_value) == (3, 3, pytest.approx(0.0202, abs=1e-4))


def test_pairs_that_lack_different_seeds_are_averaged() -> None:
    frames = []
    for lacking, weight in enumerate(("a", "b", "c")):
        for router, values in (("dense", (0.90, 0.91, 0.905, 0.90)), ("soft", (0.96, 0.97, 0.965, 0.96))):
            whole = cell(router, values, weight=weight)
            frames.append(whole[whole["seed"] != lacking])
    found = verdict(table(*frames), **BETTER)
    # Each pair has three of four seeds, and no seed but the last is in all pairs.
    assert (found.verdict, found.pairs, found.seeds, found.effect.value) == ("shown", 3, 3, pytest.approx(0.06))


def test_intervals_of_shares_stay_within_100_points() -> None:
    # Seed by seed 0.1 and 0.5 above dense: t of one freedom is 12.7, and the error 0.2.
    found = verdict(table(cell("dense", (0.4, 0.4)), cell("soft", (0.5, 0.9), experts=4)), **BETTER)
    assert tuple(found.effect) == pytest.approx((0.3, -1.0, 1.0))


def tuned(frame: pd.DataFrame, chosen: float, grid: list[float]) -> pd.DataFrame:
    """The cell with a learning rate that was chosen from a grid, and another one given to its pre-training."""
    config = json.loads(frame["config"].iloc[0]) | {"tune": {"learning_rate": grid}, "learning_rate": chosen / 2}
    values = json.dumps({"learning_rate": chosen})
    return frame.assign(config=json.dumps(config), learning_rate=chosen, tuned=values)


def test_cells_tuned_on_one_grid_match_whatever_rates_were_chosen() -> None:
    grid = [1e-3, 1e-2]
    dense, soft = tuned(DENSE, 1e-3, grid), tuned(SOFT, 1e-2, grid)
    assert verdict(table(dense, soft), **BETTER).verdict == "shown"
    # Another budget of tuning, or none, is another experiment.
    for other in (tuned(SOFT, 1e-2, [*grid, 1e-1]), SOFT):
        found = verdict(table(dense, other), **BETTER)
        assert (found.verdict, found.pairs) == ("undecided", 0)


def test_a_widened_dense_model_matches_if_the_claim_names_its_width() -> None:
    plain, wide, soft = (each.assign(mlp_ratio=ratio) for each, ratio in ((DENSE, 4.0), (DENSE, 10.0), (SOFT, 4.0)))
    wide = wide.assign(cell_id="wide", accuracy=wide["accuracy"] + 0.1)
    assert verdict(table(plain, wide, soft), **BETTER).effect.value == pytest.approx(0.04)
    widths = {"better": {"router": "soft", "mlp_ratio": 4}, "than": {"router": "dense", "mlp_ratio": 10}}
    assert verdict(table(plain, wide, soft), **widths).effect.value == pytest.approx(-0.06)


def test_the_reverse_is_contradicted() -> None:
    found = verdict(table(DENSE, SOFT), better={"router": "dense"}, than={"router": "soft"})
    assert (found.verdict, found.text) == ("contradicted", "Contradicted: -4.0 [-6.5, -1.5] points.")
    # Of a loss less is better.
    losses = table(DENSE, SOFT).assign(eval_loss=lambda frame: 1 - frame["accuracy"])
    assert verdict(losses, **BETTER, on="eval_loss").verdict == "shown"
    assert verdict(losses, **BETTER, on="eval_loss").text == "Shown: -0.04 [-0.0648, -0.0152] nats."


def test_an_undecided_claim_says_what_would_have_been_found() -> None:
    found = verdict(table(DENSE, cell("soft", (0.90, 0.95, 0.91), experts=4)), **BETTER)
    assert found.verdict == "undecided"
    assert found.effect.low < 0 < found.effect.high
    assert found.text.endswith(f"; {100 * found.detectable:.1f} points would have been found with 80 % power.")


def test_verdicts_are_corrected_for_all_claims_of_the_suite() -> None:
    frame = table(DENSE, SOFT, cell("bpr", (0.90, 0.93, 0.91), experts=4))
    terms = [
        BETTER,
        {"better": {"router": "bpr"}, "than": {"router": "dense"}},
        {"better": {"router": "soft"}, "than": {"router": "bpr"}},
    ]
    found = judge(frame, [parse_claim(claim(**values, source=f"{n}")) for n, values in enumerate(terms)])
    p_values = np.array([each.p_value for each in found])
    # Holm: the smallest of three times 3, the next times 2.
    assert found[0].p_corrected == pytest.approx(3 * p_values.min())
    assert {each.claims for each in found} == {3}
    for each in found:
        # The interval excludes 0 exactly if the claim is decided.
        assert (each.effect.low > 0 or each.effect.high < 0) == (each.verdict != "undecided")


def test_levels_of_holms_steps() -> None:
    # 0.001 < 0.05 / 3; then 0.02 < 0.05 / 2; then 0.04 < 0.05. At the first that is not, all the rest stay.
    assert step_levels(np.array([0.02, 0.001, 0.04])) == pytest.approx([0.025, 0.05 / 3, 0.05])
    assert step_levels(np.array([0.03, 0.001, 0.04])) == pytest.approx([0.025, 0.05 / 3, 0.025])
    assert step_levels(np.array([np.nan, 0.2, 0.03])) == pytest.approx([np.nan, 0.025, 0.025], nan_ok=True)


def test_cells_are_pooled_over_pairs_that_match() -> None:
    frame = table(
        *(cell("soft", np.array((0.94, 0.95, 0.96)) + n / 100, experts=n) for n in (2, 4)),
        *(cell("bpr", (0.90, 0.92, 0.91), experts=n) for n in (2, 4, 8)),
        cell("bpr", (0.1, 0.1, 0.1), experts=4, learning_rate=1.0),
    )
    found = verdict(frame, better={"router": "soft"}, than={"router": "bpr"})
    # Two pairs of as many experts at one learning rate: 0.04 apart and 2 or 4 points more.
    assert found.pairs == 2
    assert found.effect.value == pytest.approx(0.04 + 0.03)


def test_no_cell_is_left_out_because_of_its_host() -> None:
    dense, two, four = (
        each.assign(cpu="x", hostname="h1")
        for each in (DENSE, cell("soft", (0.94, 0.95, 0.96), experts=2), cell("soft", (0.80, 0.81, 0.82), experts=4))
    )
    # 4 points above and 10 below: 3 points below on average, wherever the cells ran.
    reverse = {"better": {"router": "dense"}, "than": {"router": "soft"}}
    for host in ("h1", "h2"):
        frame = table(dense, two, four.assign(hostname=host))
        found = verdict(frame, **BETTER)
        assert (found.verdict, found.pairs, found.effect.value) == ("contradicted", 2, pytest.approx(-0.03))
        assert verdict(frame, **reverse).effect.value == pytest.approx(0.03)
    # A router with more options than another has more settings in common with the dense model, and leaves it in.
    bpr = cell("bpr", (0.80, 0.81, 0.82), experts=4, group_images=8)
    wide = cell("dense", (0.90, 0.92, 0.91), group_images=8)
    assert verdict(table(wide, two, bpr), better={"router": "dense"}, than={"router": ["soft", "bpr"]}).pairs == 2


def test_of_cells_with_equal_settings_the_one_on_the_same_host_is_compared() -> None:
    near, far = (
        cell("dense", [value] * 3).assign(hostname=host, cell_id=host) for value, host in ((0.9, "a"), (0, "b"))
    )
    soft = cell("soft", (0.94, 0.95, 0.96), experts=4).assign(hostname=["b", "a", "a"])
    # Two of the three seeds ran on host a; the order of the rows does not matter.
    for order in ([0, 1, 2], [2, 0, 1]):
        frame = table(far, near.assign(hostname=["a", "a", "b"]), soft.iloc[order])
        found = verdict(frame, **BETTER)
        assert (found.pairs, found.effect.value) == (1, pytest.approx(0.05))
        assert verdict(frame[::-1], **BETTER).effect == found.effect


def test_a_cell_is_not_compared_with_itself() -> None:
    two, four = cell("soft", (0.90, 0.92, 0.91), experts=2), cell("soft", (0.94, 0.95, 0.96), experts=4)
    terms = {"better": {"router": "soft", "experts": 4}, "than": {"router": "soft", "experts": [2, 4]}}
    found = verdict(table(two, four), **terms)
    assert found.pairs == 1
    assert found.effect.value == pytest.approx(0.04)
    nobody = verdict(table(four), **terms)
    assert nobody.text == "Undecided: 'than' names no cell besides those of 'better'."


def test_a_key_that_nobody_gave_can_be_named_by_null() -> None:
    # The row of the first cell has slots_per_expert 1, which followed from the images and experts.
    dense = cell("dense", (0.90, 0.92, 0.91)).assign(slots_per_expert=1.0)
    soft = cell("soft", (0.94, 0.95, 0.96), slots_per_expert=1)
    found = verdict(
        table(dense, soft), better={"router": "soft"}, than={"router": ["dense", "soft"], "slots_per_expert": None}
    )
    assert found.pairs == 1


def test_cells_of_unequal_cost_are_not_compared() -> None:
    dear = cell("soft", (0.94, 0.95, 0.96), experts=4, flops=1.031e6)
    assert verdict(table(DENSE, dear), **BETTER).text == (
        "Undecided: cells of unequal cost, at least 1.03 times the flops_forward_per_image."
    )
    assert verdict(table(DENSE, dear), **BETTER, at="equal flops_forward_per_image (±5 %)").verdict == "shown"
    assert verdict(table(DENSE, dear), **BETTER, at="any cost").verdict == "shown"
    equal = cell("soft", (0.94, 0.95, 0.96), experts=8, flops=1.03e6)
    assert verdict(table(DENSE, dear, equal), **BETTER).pairs == 1
    unknown = table(DENSE, dear).assign(flops_forward_per_image=np.nan)
    assert "the flops_forward_per_image of the cells is unknown" in verdict(unknown, **BETTER).text


def test_a_bound_is_written_with_as_many_digits_as_show_its_side_of_the_boundary() -> None:
    # The difference has an error of 0.01 / √3 and 2 degrees of freedom: t = 4.3027 reaches 0.024842.
    for gain, low in ((0.025, "+0.02"), (0.0248, "-0.004")):
        soft = cell("soft", [value + gain - 0.04 for value in (0.94, 0.95, 0.96)], experts=4)
        assert f" [{low}, " in verdict(table(DENSE, soft), **BETTER).text


def test_a_loss_beyond_a_limit() -> None:
    terms = {"no_loss": {"router": "soft"}, "than": {"router": "dense"}}
    # 0.04 better: a loss of 0.01 is 0.05 away, t = 8.66.
    found = verdict(table(DENSE, SOFT), **terms, beyond=0.01)
    assert found.verdict == "shown"
    assert found.p_value == pytest.approx(2 * student.sf(0.05 / (0.01 / 3**0.5), 2))
    assert found.text.endswith("so that a loss beyond 1.0 points is excluded.")
    worse = cell("soft", (0.80, 0.81, 0.82), experts=4)
    assert verdict(table(DENSE, worse), **terms, beyond=0.01).text.endswith(", a loss beyond 1.0 points.")
    near = cell("soft", (0.89, 0.92, 0.90), experts=4)
    assert verdict(table(DENSE, near), **terms, beyond=0.01).verdict == "undecided"


def test_images_are_paired_where_they_are_known() -> None:
    ours, theirs = right(0.97), right(0.97)
    theirs[:, :30] = False
    frames = [
        cell(router, images.mean(axis=1), **settings).assign(
            image_correct=pd.Series(list(images), dtype=object), test_set="t"
        )
        for router, images, settings in (("soft", ours, {"experts": 4}), ("dense", theirs, {}))
    ]
    found = verdict(table(*frames), **BETTER)
    assert (found.verdict, found.images) == ("shown", 400)
    frames[0]["test_set"] = "u"
    assert verdict(table(*frames), **BETTER).text.startswith("Undecided: the cells were evaluated on different test")


def _levels(router: str, key: str, values: dict[float, float], **settings: object) -> list[pd.DataFrame]:
    moves = np.array([[1, -1, 0], [0, 1, -1], [-1, 0, 1], [0, 0, 0]]) * 0.001
    return [
        cell(router, value + moves[n % 4], **{key: level}, **settings)
        for n, (level, value) in enumerate(values.items())
    ]


def test_rising_over_an_input() -> None:
    terms = {"rising": {"router": "soft"}, "over": "experts"}
    rising = table(DENSE, *_levels("soft", "experts", {2: 0.90, 4: 0.92, 8: 0.94, 16: 0.96}))
    found = verdict(rising, **terms)
    assert (found.verdict, found.effect.value) == ("shown", pytest.approx(0.02))
    assert found.text.startswith("Shown: +2.0 [")
    assert found.text.endswith("points per doubling of experts.")
    falling = table(DENSE, *_levels("soft", "experts", {2: 0.96, 4: 0.94, 8: 0.92, 16: 0.90}))
    assert verdict(falling, **terms).verdict == "contradicted"
    bent = table(DENSE, *_levels("soft", "experts", {2: 0.90, 4: 0.99, 8: 0.90, 16: 0.99}))
    assert verdict(bent, **terms).verdict == "undecided"
    few = table(DENSE, *_levels("soft", "experts", {2: 0.90, 4: 0.92}))
    assert verdict(few, **terms).text == "Undecided: there are no cells at 3 levels of experts."


def test_seeds_that_failed_are_named() -> None:
    dense = cell("dense", (0.90, 0.91, 0.905, 0.90, 0.91))
    statuses = ["ok", "ok", "diverged", "diverged", "diverged"]
    lost = {"accuracy": [0.95, 0.96, *[np.nan] * 3]}
    soft = cell("soft", [0.9] * 5, experts=2).assign(status=statuses, **lost)
    # The two seeds that are left are 5 points better; the three others learned nothing.
    found = verdict(table(dense, soft), **BETTER)
    assert (found.verdict, found.p_value < 0.05) == ("undecided", True)
    assert found.text == "Undecided: +5.0 [+3.2, +6.8] points, but 3 seeds of the better side diverged."
    reverse = {"better": {"router": "dense"}, "than": {"router": "soft"}}
    assert verdict(table(dense, soft), **reverse).text.endswith("but 3 seeds of the better side diverged.")
    # Of a loss less is better, and the claim that nothing is lost is one of better quality as well.
    losses = table(dense, soft).assign(eval_loss=lambda frame: 1 - frame["accuracy"])
    assert verdict(losses, **BETTER, on="eval_loss").verdict == "undecided"
    no_loss = {"no_loss": BETTER["better"], "than": BETTER["than"], "beyond": 0.01}
    assert verdict(table(dense, soft), **no_loss).text.endswith("but 3 seeds of the better side diverged.")
    # Divergence on the worse side makes it no better.
    worse = soft.assign(accuracy=[0.85, 0.86, *[np.nan] * 3])
    assert verdict(table(dense, worse), **BETTER).text == (
        "Contradicted: -5.0 [-6.8, -3.2] points; without 3 diverged seeds."
    )
    # Other failures say nothing about quality.
    full = soft.assign(status=["ok", "ok", "oom", "timeout", "timeout"])
    assert verdict(table(dense, full), **BETTER).text == (
        "Shown: +5.0 [+3.2, +6.8] points; without 1 oom and 2 timeout seeds."
    )


def test_a_training_that_failed_counts_once_in_many_settings() -> None:
    whole = cell("bpr", (0.90, 0.92, 0.91, 0.92, 0.9), experts=4, top_k=2)
    config = json.dumps({**json.loads(whole["config"].iloc[0]), "top_k": 2, "test_time": [{"top_k": 1}]})
    tried = [
        [
            {"setting": setting, "accuracy": value - lost, "flops_forward_per_image": 1e6}
            for setting, lost in (("{}", 0.0), ('{"top_k": 1}', 0.02 + 0.001 * (seed % 2)))
        ]
        for seed, value in enumerate(whole["accuracy"])
    ]
    whole = whole.assign(config=config, test_time=tried)
    terms = {"better": {"router": "bpr", "test_top_k": 2}, "than": {"router": "bpr", "test_top_k": 1}}
    assert verdict(table(whole), **terms).verdict == "shown"
    lost = whole.assign(status=[*["ok"] * 4, "diverged"])
    found = verdict(table(lost), **terms)
    assert (found.verdict, found.seeds) == ("undecided", 4)
    assert found.text.endswith("points, but 1 seed of the better side diverged.")


def test_a_cell_whose_seeds_all_diverged_is_not_forgotten() -> None:
    lost = cell("soft", [np.nan] * 3, experts=8).assign(status="diverged")
    assert verdict(table(DENSE, SOFT, lost), **BETTER).text.endswith("but 3 seeds of the better side diverged.")
    rising = {"rising": {"router": "soft"}, "over": "experts"}
    levels = _levels("soft", "experts", {2: 0.90, 4: 0.92, 8: 0.94, 16: 0.96})
    for experts, word in ((32, "undecided"), (1, "shown")):
        lost = cell("soft", [np.nan] * 3, experts=experts).assign(status="diverged")
        assert verdict(table(*levels, lost), **rising).verdict == word


def test_falling_slower() -> None:
    terms = {"falls_slower": {"router": "bpr"}, "than": {"router": "tokens-choice"}, "over": "capacity_factor"}
    # From C = 1 down to 1/8 bpr loses 3 points, one each halving, and tokens-choice 9.
    bpr = {0.125: 0.90, 0.25: 0.91, 0.5: 0.92, 1.0: 0.93}
    plain = {0.125: 0.84, 0.25: 0.87, 0.5: 0.90, 1.0: 0.93}
    frame = table(
        *_levels("bpr", "capacity_factor", bpr, experts=4),
        *_levels("tokens-choice", "capacity_factor", plain, experts=4),
    )
    found = verdict(frame, **terms)
    assert (found.verdict, found.effect.value) == ("shown", pytest.approx(0.01 - 0.03))
    swapped = verdict(frame, falls_slower=terms["than"], than=terms["falls_slower"], over="capacity_factor")
    assert swapped.verdict == "contradicted"
    # Of a loss that rises where C falls the slower rise is the better one as well.
    losses = frame.assign(eval_loss=lambda rows: 1 - rows["accuracy"])
    assert verdict(losses, **terms, on="eval_loss").verdict == "shown"


def _diverging(
    router: str, first: list[float], rates: tuple[float, ...] = (0.1, 0.3, 1.0), **settings: object
) -> list[pd.DataFrame]:
    """Cells at three rates whose seeds diverge from these rates on."""
    frames = []
    for rate in rates:
        frame = cell(router, [0.9] * len(first), learning_rate=rate, **settings)
        frames.append(frame.assign(status=["diverged" if rate >= lowest else "ok" for lowest in first]))
    return frames


def test_diverging_first() -> None:
    terms = {"diverges_first": {"router": "soft"}, "than": {"router": "dense"}}
    apart = table(*_diverging("soft", [0.1] * 4, experts=4), *_diverging("dense", [1.0, 1.0, np.inf, np.inf]))
    found = verdict(apart, **terms)
    # Of 70 ways to choose four seeds of eight, 2 set them so far apart.
    assert (found.verdict, found.p_value) == ("shown", pytest.approx(2 / 70))
    assert found.text == "Shown: the median seed diverges at 0.1, those of the others never."
    assert verdict(apart, diverges_first={"router": "dense"}, than={"router": "soft"}).verdict == "contradicted"
    three = table(*_diverging("soft", [0.1] * 3, experts=4), *_diverging("dense", [1.0] * 3))
    assert verdict(three, **terms).text.endswith("and 3 seeds a side are too few.")
    alike = table(*_diverging("soft", [0.3] * 4, experts=4), *_diverging("dense", [0.3] * 4))
    assert verdict(alike, **terms).p_value == 1


def test_divergence_is_compared_at_the_rates_of_both_sides() -> None:
    terms = {"diverges_first": {"router": "soft"}, "than": {"router": "dense"}}
    rates = (0.003, 0.03, 0.3, 1.0, 3.0)
    dense, soft = (
        _diverging(router, [1.0] * 5, rates, **more) for router, more in (("dense", {}), ("soft", {"experts": 8}))
    )
    never = "Undecided: the median seed diverges never, those of the others never"
    middle = "Undecided: the median seed diverges at 3, those of the others at 3; learning rate 1 is missing."
    for frames, text in [
        ([*dense, *soft], "Undecided: the median seed diverges at 1, those of the others at 1."),
        # An interrupted run, a limit of time, one seed beyond the memory.
        ([*dense, *soft[:2]], f"{never}; learning rates 0.3, 1 and 3 are missing."),
        ([*dense, *soft[:3], soft[3].assign(status="timeout"), soft[4]], middle),
        ([*dense[:3], dense[3].assign(status=["oom", *["diverged"] * 4]), dense[4], *soft], middle),
        (
            [*dense, soft[0], soft[1].assign(status=["crashed", *["ok"] * 4])],
            "Undecided: too few learning rates have results of every seed on both sides; "
            "learning rates 0.03, 0.3 and 2 more are missing.",
        ),
        # Of a configuration that guesses at all rates but the missing ones nobody knows whether it was too slow.
        (
            [*dense, *(each.assign(train_loss=2.4) for each in soft[:2])],
            "Undecided: too few learning rates have results of every seed on both sides; "
            "learning rates 0.3, 1 and 3 are missing.",
        ),
    ]:
        found = verdict(table(*frames), **terms)
        assert (found.verdict, found.text) == ("undecided", text)
    # Rates that both sides have decide: of 252 ways to choose five seeds of ten, 2 set them so far apart.
    early = _diverging("soft", [0.003] * 5, rates[:2], experts=8)
    found = verdict(table(*dense, *early), **terms)
    assert (found.verdict, found.p_value) == ("shown", pytest.approx(2 / 252))


def test_a_dense_model_that_several_cells_are_compared_with_counts_once() -> None:
    terms = {"diverges_first": {"router": "soft"}, "than": {"router": "dense"}}
    soft = [frame for experts in (2, 4, 8, 16) for frame in _diverging("soft", [0.1] * 3, experts=experts)]
    found = verdict(table(*soft, *_diverging("dense", [1.0] * 3)), **terms)
    # Three seeds a side are divided in 20 ways, whatever the number of pairs.
    assert (found.verdict, found.pairs, found.p_value) == ("undecided", 4, pytest.approx(2 / 20))
    assert found.text.endswith("and 3 seeds a side are too few.")


def test_times_include_the_scatter_between_timings() -> None:
    def timed(router: str, ratio: float, **settings: object) -> pd.DataFrame:
        columns = {"train_step_vs_dense": ratio, "train_step_vs_dense_ci_low": 0.99 * ratio}
        return cell(router, (0.9, 0.9), **settings).assign(**columns, train_step_vs_dense_ci_high=ratio / 0.99)

    frame = table(timed("dense", 1.0), timed("soft", 1.1, experts=4))
    found = verdict(frame, **BETTER, on="train_step_vs_dense")
    # 1 % within the timing, as a 95 % interval, and 1 % as a deviation between timings.
    error = np.hypot(-np.log(0.99) / 1.959964, 0.01)
    assert found.effect.high == pytest.approx(1.1 * np.exp(1.959964 * error) - 1, rel=1e-4)
    assert (found.verdict, found.effect.value) == ("contradicted", pytest.approx(0.1))
    assert found.text.startswith("Contradicted: +10.0 [")
    close = table(timed("dense", 1.0), timed("soft", 1.015, experts=4))
    assert verdict(close, **BETTER, on="train_step_vs_dense").verdict == "undecided"


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (table(DENSE), "there are no results of the cells of 'better'"),
        (table(SOFT), "there are no results of the cells of 'than'"),
        (table(DENSE, SOFT.assign(status="oom", accuracy=np.nan)), "no two cells share two seeds"),
        (table(DENSE, SOFT.assign(seed=[5, 6, 7])), "no two cells share two seeds"),
        (table(DENSE, cell("soft", (0.9, 0.9), experts=4, data="fractals-10")), "no two cells differ in router alone"),
    ],
)
def test_what_rows_cannot_say(frame: pd.DataFrame, reason: str) -> None:
    found = verdict(frame, **BETTER)
    assert (found.verdict, found.text) == ("undecided", f"Undecided: {reason}.")
    assert np.isnan(found.p_value)


def test_devices_are_judged_apart() -> None:
    frame = pd.concat([table(DENSE, SOFT), table(DENSE, SOFT).assign(device_kind="H200")])
    assert [each.device_kind for each in judge(frame, [parse_claim(claim(**BETTER))])] == ["cpu", "H200"]
