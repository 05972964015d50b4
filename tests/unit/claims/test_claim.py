"""What a suite file may claim, and what is refused with file, line and key."""

from pathlib import Path
from typing import Any

import pytest
from claim_frames import claim

from moebench.claims.claim import check_cells, parse_claim, selects, values_of
from moebench.errors import BadInput
from moebench.spec.cell_spec import CellSpec
from moebench.spec.yaml_source import parse
from moebench.suites.suite_file import validate

BETTER = {"better": {"router": "soft"}, "than": {"router": "dense"}}
GRID = [
    CellSpec(router="dense"),
    CellSpec(router="soft", options={"experts": 2}),
    CellSpec(router="soft", options={"experts": 4}, test_time=({"slots_per_expert": 1}, {"slots_per_expert": 2})),
]


def test_a_claim_knows_its_kind_and_its_defaults() -> None:
    found = parse_claim(claim(**BETTER))
    assert (found.kind, found.subject, found.on, found.printed) == ("better", {"router": "soft"}, "accuracy", None)
    assert found.cost == ("flops_forward_per_image", 0.03)
    assert found.higher_is_better
    assert not parse_claim(claim(**BETTER, on="eval_loss")).higher_is_better


@pytest.mark.parametrize(
    ("at", "cost"),
    [
        ("equal flops_forward_per_image (±3 %)", ("flops_forward_per_image", 0.03)),
        ("equal flops_train_total (± 12.5%)", ("flops_train_total", 0.125)),
        ("equal params", ("params", 0.03)),
        ("any cost", None),
    ],
)
def test_the_cost_at_which_cells_are_compared(at: str, cost: object) -> None:
    assert parse_claim(claim(**BETTER, at=at)).cost == pytest.approx(cost) if cost is None else cost
    assert parse_claim(claim(**BETTER, at=at)).cost == cost
    # A time is a cost itself.
    assert parse_claim(claim(**BETTER, on="train_step_vs_dense")).cost is None


@pytest.mark.parametrize(
    ("values", "key", "message"),
    [
        (["soft"], None, "a claim should be a mapping with the keys says, source and what is claimed"),
        ({"says": "x"}, None, "the key 'source' is missing"),
        (claim(), None, "exactly one of the keys better, rising, .*, and it has none"),
        (claim(**BETTER, rising={"router": "soft"}), None, "and it has better and rising"),
        (claim(betterr={"router": "soft"}), "betterr", "did you mean 'better'"),
        (claim(better={"router": "soft"}), "better", "the key 'than' is missing, which a claim with 'better' needs"),
        (claim(rising={"router": "soft"}), "rising", "the key 'over' is missing"),
        (claim(no_loss={"router": "soft"}, than={"router": "dense"}), "no_loss", "the key 'beyond' is missing"),
        (claim(**BETTER, over="experts"), "over", "'over' has no meaning in a claim with 'better'"),
        (claim(better={}, than={"router": "dense"}), "better", "'better' is empty; name cells"),
        (claim(**BETTER, on="accurracy"), "on", "did you mean 'accuracy'"),
        (claim(**BETTER, at="same cost"), "at", "'at' should be 'equal flops_forward_per_image .*' or 'any cost'"),
        (claim(**BETTER, at="equal flop_forward_per_image"), "at", "did you mean 'flops_forward_per_image'"),
        (claim(no_loss={"router": "soft"}, than={"router": "dense"}, beyond=-0.1), "beyond", "-0.1"),
        (claim(better="soft", than={"router": "dense"}), "better", "should be a mapping"),
    ],
)
def test_what_is_no_claim_is_refused_in_a_sentence(values: Any, key: str | None, message: str) -> None:
    with pytest.raises(BadInput, match=message) as refused:
        parse_claim(values)
    assert refused.value.key == key


@pytest.mark.parametrize(
    ("values", "key", "message"),
    [
        ({"better": {"router": "soft", "expert": 2}, "than": {"router": "dense"}}, "better", "did you mean 'experts'"),
        ({"better": {"router": "soft", "experts": 8}, "than": {"router": "dense"}}, "better", "names no cell of"),
        ({"better": {"router": "soft"}, "than": {"router": "bpr"}}, "than", r"names no cell .* \{router: bpr\}"),
        (
            {"better": {"router": "soft", "experts": 2}, "than": {"router": "soft", "experts": 2}},
            "than",
            "besides those",
        ),
        ({"rising": {"router": "soft"}, "over": "experts"}, "rising", "too few values of experts: 2, 4; at least 3"),
        ({"rising": {"router": "soft"}, "over": "model"}, "over", "key or column of numbers, and 'model' is none"),
        ({"diverges_first": {"router": "soft"}, "than": {"router": "dense"}}, "diverges_first", "of learning_rate: "),
        ({"rising": {"router": "soft"}, "over": "expert"}, "over", "did you mean 'experts'"),
    ],
)
def test_claims_of_cells_that_the_grid_lacks(values: dict[str, Any], key: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as refused:
        check_cells(parse_claim(claim(**values)), GRID)
    assert refused.value.key == key


def test_cells_of_the_grid_and_their_settings_after_training_can_be_named() -> None:
    for values in (
        BETTER,
        {"rising": {"router": "soft"}, "over": "slots_per_image"},
        {"better": {"router": "soft", "experts": [2, 4]}, "than": {"router": "dense"}},
        {"no_loss": {"test_slots_per_expert": 1}, "than": {"test_slots_per_expert": 2}, "beyond": 0.01},
    ):
        check_cells(parse_claim(claim(**values)), GRID)
    # The trained setting, in which the slots follow from the experts, and two others.
    assert [each.get("test_slots_per_expert") for each in values_of(GRID[2])] == [None, 1, 2]


def test_selections() -> None:
    values = {"router": "soft", "experts": 4, "total_slots": frozenset({"tokens", 16.0})}
    assert selects({"router": "soft", "experts": [2, 4]}, values)
    assert selects({"total_slots": "tokens"}, values)
    assert selects({"total_slots": 16}, values)
    assert not selects({"router": "soft", "experts": 8}, values)
    assert selects({"pretrain_data": None}, values)
    assert not selects({"top_k": 1}, values)


SUITE = """
name: mine
question: Is it?
claims:
  - {says: Soft wins, source: mine, better: {router: soft}, than: {router: dense}}
  - says: More is better
    source: mine
    rising: {router: soft}
    over: %s
profiles: {cpu: {seeds: [0, 1]}}
cells: [{router: dense}, {router: soft, experts: [2, 4, 8]}]
"""


def test_a_suite_has_claims() -> None:
    suite = validate(parse(SUITE % "experts", Path("mine.yaml")))
    assert [claim.kind for claim in suite.claims] == ["better", "rising"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SUITE % "expert", "^mine.yaml:9: unknown key to go over 'expert': did you mean 'experts'"),
        ((SUITE % "experts").replace("router: soft}, than", "router: bpr}, than"), "^mine.yaml:5: 'better' names no"),
        ((SUITE % "experts").replace("says: More is better", "says: Soft wins"), "^mine.yaml:6: .* occurs twice here"),
        ((SUITE % "experts").replace("rising:", "riseing:"), "^mine.yaml:8: .*did you mean 'rising'"),
        ((SUITE % "experts").replace("    source: mine\n", ""), "^mine.yaml:6: the key 'source' is missing"),
    ],
)
def test_a_mistake_in_a_claim_has_a_line(text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        validate(parse(text, Path("mine.yaml")))
