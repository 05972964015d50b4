"""The page as a file: complete, closed to the network, small, and safe whatever the results hold."""

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st
from report_frames import suite_frame, tried_frame

from moebench.errors import BadInput
from moebench.papers import results as published
from moebench.reports import style
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.test_time import settings
from moebench.reports.dashboard import build, charts
from moebench.reports.dashboard import data as payload

QUESTION = "Does quality keep rising as experts are added?"
HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' & {{data}} ${1} \\u003c",
    "נתב " + "x" * 300,
)


class Page(HTMLParser):
    """Elements, their attributes and texts, as a browser's parser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.texts.append("")
        self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts[-1] += data

    def text_of(self, tag: str, **attributes: str) -> str:
        for (name, has), text in zip(self.elements, self.texts, strict=True):
            if name == tag and attributes.items() <= has.items():
                return text
        raise AssertionError(f"no {tag} with {attributes}")

    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(self.text_of("script", id="data"))))
        return data


@pytest.fixture(scope="module")
def page() -> str:
    return build.build(Results.from_frame(suite_frame()), "scaling-experts", QUESTION)


def test_question_answer_and_circumstances_stand_at_the_top(page: str) -> None:
    before = page[: page.index("<main>")]
    for text in (
        QUESTION,
        "accuracy rises with each doubling",
        "16 of 17 completed",
        "jax 0.10.2",
        "2025-01-02",
        "cpu (Xeon)",
    ):
        assert text in before
    assert "<title>scaling-experts · moebench</title>" in page


def test_the_data_are_there_once_and_by_columns(page: str) -> None:
    data = Page(page).data()
    cells = data["cells"]
    assert len(cells["accuracy"]) == 17
    assert cells["router"]["of"] == ["dense", "tokens-choice", "bpr", "experts-choice", "soft"]
    # The place of soft[experts=16], the last row, in that list.
    assert cells["router"]["at"][-1] == 4
    failed = [cells["label"]["of"][at] for at in cells["label"]["at"]].index("bpr[experts=16]")
    assert cells["accuracy"][failed] is None
    # 16 good cells with 10 steps each; the loads of 4 routers: 2 blocks of 2, 4, 8 and 16 experts, one cell failed.
    assert len(data["curves"]["step"]) == 160
    assert len(data["load"]["load"]) == 4 * 2 * (2 + 4 + 8 + 16) - 2 * 16


def test_the_page_knows_for_each_cell_from_which_it_is_told_apart_as_the_table_does(page: str) -> None:
    data = Page(page).data()
    apart, column = data["apart"]["accuracy"], data["cells"]["rank_group"]
    rank_group = [column["of"][at] if at >= 0 else None for at in column["at"]]
    best = rank_group.index("best")
    # The best is shown to be better than every cell that stands below it, and than no other.
    assert apart[best] == [place for place, stands in enumerate(rank_group) if stands == "worse"]
    assert all(best not in others for others in apart)
    # The quality of these cells is the loss turned round, so the same differences are shown.
    assert data["apart"]["eval_loss"] == apart


def test_times_under_a_flag_are_counted_at_the_top_and_the_flags_explained(page: str) -> None:
    assert "1 of 16 cells flagged (noisy 1)" in page[: page.index("<main>")]
    assert Page(page).data()["flags"] == {"noisy": "an interval is wider than ± 10% of its median"}


def test_only_scripts_of_the_page_itself_can_run_and_nothing_can_be_loaded(page: str) -> None:
    parsed = Page(page)
    policy = next(has["content"] for tag, has in parsed.elements if tag == "meta" and "http-equiv" in has)
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.split("style-src")[0]
    scripts = [
        text
        for (tag, has), text in zip(parsed.elements, parsed.texts, strict=True)
        if tag == "script" and "type" not in has
    ]
    assert len(scripts) == 2
    for script in scripts:
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy
    sources = [has for _, has in parsed.elements if {"src", "href", "srcset", "action"} & set(has)]
    assert all(str(has.get("href")).startswith("#") for has in sources)


def test_nothing_in_the_results_becomes_markup(page: str) -> None:
    frame = suite_frame()
    routers = ("tokens-choice", "bpr", "experts-choice", "soft")
    frame["router"] = frame["router"].replace(dict(zip(routers, HOSTILE, strict=True)))
    for column in ("model", "data", "device_kind", "hostname", "cpu", "suite", "status_reason", "cell_id"):
        frame[column] = frame[column].fillna("").astype(str) + HOSTILE[0] + HOSTILE[1] + HOSTILE[2]
    hostile, plain = Page(build.build(Results.from_frame(frame), HOSTILE[0], HOSTILE[1])), Page(page)
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]
    assert hostile.text_of("title") == f"{HOSTILE[0]} · moebench"
    assert set(HOSTILE) <= set(hostile.data()["routers"])


@given(st.text(max_size=40))
def test_any_text_survives_its_way_through_a_script_element(text: str) -> None:
    carried = payload.packed({"a": text})
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", carried)
    assert json.loads(gzip.decompress(base64.b64decode(carried))) == {"a": text}


def test_numbers_keep_six_digits_unless_they_are_whole_and_what_is_missing_is_null() -> None:
    frame = pd.DataFrame(
        {
            "number": [1.23456789, np.nan, np.inf, 3.0, 12345678.0],
            "text": pd.Series(["a", None, "b", "a", "a"], dtype="str"),
            "empty": [np.nan] * 5,
            "lists": [["x", "y"], [], [], ["z"], []],
        }
    )
    assert payload.columns(frame) == {
        "number": [1.23457, None, None, 3, 12345678],
        "text": {"of": ["a", "b"], "at": [0, -1, 1, 0, 0]},
        "lists": ["x, y", "", "", "z", ""],
    }


def test_the_drift_of_the_samples_by_hand() -> None:
    frame = suite_frame(seeds=1)
    frame = frame[frame["router"] == "dense"].reset_index(drop=True)
    frame["train_step_s_samples"] = [[1.0, 1.0, 1.0, 1.2, 1.2, 1.2, 1.5, 1.5, 1.5]]
    frame["train_step_s"], frame["train_step_s_ci_low"], frame["train_step_s_ci_high"] = 1.2, 1.08, 1.32
    timing = payload.timing(Results.from_frame(frame)).iloc[0]
    # Thirds of three samples: (1.5 − 1.0) / 1.2; half of 1.32 − 1.08 over 1.2.
    assert (timing["samples"], timing["drift"], timing["half_width"]) == pytest.approx((9, 0.5 / 1.2, 0.1))


def test_a_page_of_sixty_cells_is_small_enough_for_mail() -> None:
    devices = ("cpu", "NVIDIA H200", "NVIDIA A100", "TPU v5")
    frame = pd.concat([suite_frame(device=device) for device in devices], ignore_index=True)
    frame["curve_step"] = [list(range(10, 501, 10))] * len(frame)
    frame["curve_loss"] = [np.geomspace(2.3, 0.01, 50).tolist()] * len(frame)
    frame["curve_accuracy"] = [np.linspace(0.1, 0.98765, 50).tolist()] * len(frame)
    page = build.build(Results.from_frame(frame), "scaling-experts", QUESTION)
    assert len(page.encode()) <= 1_100_000


@pytest.mark.parametrize("name", ["pareto", "scaling", "curves", "load", "parts", "speed"])
def test_every_chart_is_drawn_by_vega_in_the_routers_colours(name: str) -> None:
    routers = ["dense", "soft", HOSTILE[0]]
    specification = charts.specifications(routers)[name]
    title = "Title <b>"
    replace = {
        "title": title,
        "axis": title,
        "labels": "format(datum.value, '~s')",
        "values": "[2, 4]",
        "low": 0,
        "high": 2,
    }
    text = re.sub(r'"@\w+\.(\w+)"', lambda match: json.dumps(replace[match[1]]), json.dumps(specification))
    row = {
        "router": "soft",
        "label": "soft",
        "experts": 4,
        "path": "a",
        "group": "a",
        "fill": 0.5,
        "name": "4",
        "x": 2,
        "y": 1,
        "x_low": 1.9,
        "x_high": 2.1,
        "y_low": 0.9,
        "y_high": 1.1,
        "strength": 1,
        "low": 0.9,
        "high": 1.1,
        "source": "a paper",
        "line": "soft · 2",
        "from": 0,
        "to": 0.5,
        "load": 1.5,
        "part": "router",
        "order": 0,
        "flops": 3,
    }
    rows = [row, {**row, "x": 4, "y": 2, "router": HOSTILE[0], "label": HOSTILE[0]}]
    sets = ("points", "front", "dense", "budget", "one", "published")
    sized = {**json.loads(text), "width": 400, "datasets": dict.fromkeys(sets, rows), "config": charts.CONFIG}
    svg = vl_convert.vegalite_to_svg(sized)
    assert "<script" not in svg
    if name in ("pareto", "scaling", "curves", "speed"):
        assert style.style_of("soft").color in svg
        assert style.style_of(HOSTILE[0]).color in svg
    if name == "parts":
        assert style.PARTS["router"] in svg


def test_a_page_of_very_many_cells_carries_what_it_shows_and_says_what_it_leaves_out() -> None:
    one = suite_frame(seeds=2)
    many = pd.concat(
        [one.assign(model=f"m{n}", cell_id=one["cell_id"] + str(n)) for n in range(payload.LARGE // 17 + 1)],
        ignore_index=True,
    )
    data = Page(build.build(Results.from_frame(many), "many")).data()
    assert len(data["cells"]["accuracy"]) == 612
    assert {"label", "train_step_s_ci_low", "flops_router", "rank_group"} <= set(data["cells"])
    assert not {"cell_id", "config", "drift"} & set(data["cells"])
    assert data["curves"] == data["load"] == data["slopes"] == data["fronts"] == {}
    # What a chart or table offers is there.
    offered = {each["column"] for use in ("costs", "qualities", "scaled", "table") for each in data["quantities"][use]}
    assert offered <= set(data["cells"])
    assert [note[:12] for note in data["notes"]] == ["Of 612 cells", "The probabil"]


def test_what_papers_printed_is_there_with_its_source() -> None:
    results = published.results()
    # The points of Figure 6: 39 of Experts Choice, 40 of Soft MoE, 38 of Tokens Choice.
    assert results["source"].value_counts().to_dict()["arXiv 2308.00951, Figure 6"] == 117
    best = results.set_index("label").loc["Soft MoE H/14 128E, 2 M steps"]
    assert best["source"] == "arXiv 2308.00951, Table 8"
    assert (best["accuracy"], best["params"], best["flops_forward_per_image"]) == pytest.approx(
        (0.842, 27.3e9, 284.6e9)
    )
    assert set(results["router"]) == {"dense", "soft", "experts-choice", "tokens-choice"}
    assert results["label"].is_unique


def test_a_page_without_one_good_cell_says_why() -> None:
    frame = suite_frame()
    frame["status"], frame["status_reason"] = "crashed", "exit code 9"
    for column in ("accuracy", "flops_forward_per_image", "train_step_s", "curve_step", "expert_load"):
        frame[column] = None
    page = Page(build.build(Results.from_frame(frame), "scaling-experts"))
    assert page.data()["curves"] == {}
    assert page.data()["cells"]["status_reason"]["of"] == ["exit code 9"]
    with pytest.raises(BadInput, match="no rows"):
        build.build(Results.from_frame(frame.iloc[:0]), "scaling-experts")


def test_a_page_of_trained_models_in_other_settings_carries_them_with_their_intervals() -> None:
    data = Page(build.build(Results.from_frame(tried_frame()), "tried", QUESTION)).data()
    # 7 sparse cells that ended well, each in 4 settings.
    assert len(data["tried"]["accuracy"]) == 28
    expected = settings(Results.from_frame(tried_frame()), "accuracy")
    assert data["tried"]["accuracy_ci_low"] == pytest.approx(expected["accuracy_low"].tolist(), rel=1e-3)
    # Offered is what some setting has, by its name and meaning.
    costs = {of["column"]: of["meaning"] for of in data["quantities"]["tried_costs"]}
    assert set(costs) == {"flops_forward_per_image", "infer_vs_trained", "capacity_factor"}
    assert "over that of the trained setting on the same batch" in costs["infer_vs_trained"]
    assert [of["column"] for of in data["quantities"]["tried_qualities"]] == ["accuracy"]
    assert Page(build.build(Results.from_frame(suite_frame()), "none tried", QUESTION)).data()["tried"] == {}


def test_beside_the_accuracy_stands_what_was_measured() -> None:
    assert (
        Page(build.build(Results.from_frame(suite_frame()), "timed", QUESTION)).data()["second"]
        == "train_step_vs_dense"
    )
    untimed = suite_frame()
    for name in ("train_step_s", "train_step_vs_dense"):
        untimed[name] = np.nan
    assert Page(build.build(Results.from_frame(untimed), "untimed", QUESTION)).data()["second"] == "dropped_tokens"


def test_the_first_axis_is_what_the_suite_varies() -> None:
    frame = suite_frame(failed=())
    routed = frame["router"] != "dense"
    frame.loc[routed, "capacity_factor"], frame.loc[routed, "experts"] = frame["experts"] / 8, 4
    inputs = Page(build.build(Results.from_frame(frame), "capacity", QUESTION)).data()["quantities"]["inputs"]
    assert inputs[0]["column"] == "capacity_factor"
