"""The page as a file: complete, closed to the network, small, and safe whatever the results hold."""

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import ValidationError
from report_frames import suite_frame, tried_frame

from moebench.errors import BadInput
from moebench.papers import results as published
from moebench.reports import offline_page, style
from moebench.reports.analysis.cells import Results
from moebench.reports.analysis.test_time import settings
from moebench.reports.dashboard import build, charts, forest, packing, tries, vega
from moebench.reports.dashboard import data as page_data
from moebench.reports.quantities import written, written_interval

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

    def data(self, name: str = "data-0") -> dict[str, Any]:
        data: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(self.text_of("script", id=name))))
        return data


def built(frame: pd.DataFrame, name: str = "scaling-experts", question: str = QUESTION) -> str:
    return build.build([build.SuiteResults(name, question, Results.from_frame(frame))])


def texts_of(data: dict[str, Any], key: str) -> list[str | None]:
    """The texts of a column, out of distinct texts and their positions."""
    column = data["texts"][key]
    return [column["of"][at] if at >= 0 else None for at in column["at"]]


def of_routers(*names: str) -> pd.DataFrame:
    """The cells of some routers, all of which ended well: five for dense and another router."""
    frame = suite_frame(failed=())
    return frame[frame["router"].isin(names)].copy()


@pytest.fixture(scope="module")
def page() -> str:
    return built(suite_frame(), "scaling-experts", QUESTION)


def test_question_answer_and_circumstances_stand_at_the_top(page: str) -> None:
    before = page[: page.index("<main")]
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
    assert len(data["loads"]["load"]) == 4 * 2 * (2 + 4 + 8 + 16) - 2 * 16


def test_the_page_knows_for_each_cell_than_which_it_is_better_as_the_table_does(page: str) -> None:
    data = Page(page).data()
    better, ranks = data["better"]["accuracy"], texts_of(data, "rank")
    best = ranks.index("highest")
    # The best is shown to be better than every cell that is lower, and than no other.
    assert better[best] == [place for place, rank in enumerate(ranks) if rank == "lower"]
    assert all(best not in others for others in better)
    # The quality of these cells is the loss turned round, so the same differences are shown.
    assert data["better"]["eval_loss"] == better


def test_numbers_are_texts_made_in_python(page: str) -> None:
    data = Page(page).data()
    cells = Results.from_frame(suite_frame()).cells
    place = cells["label"].tolist().index("soft[experts=2]")
    # 0.030 s · 1.3 · (1 + 0.02 · √2), timed under a flag; its bounds are 0.98 and 1.03 times that.
    assert texts_of(data, "train_step_s")[place] == "~40.1 ms [39.3, 41.3]"
    assert texts_of(data, "accuracy")[place] == written_interval(
        *cells.loc[place, ["accuracy", "accuracy_ci_low", "accuracy_ci_high"]], kind="share"
    )
    for name, kind in (("flops_train_total", "FLOPs"), ("params", "count")):
        assert texts_of(data, name)[place] == written(cells.loc[place, name], kind)


def test_bounds_of_shares_end_at_100_percent() -> None:
    frame = of_routers("dense", "soft")
    frame["accuracy"] = frame["accuracy"].where(
        frame["router"] != "soft", 0.999 - 0.004 * frame["seed"] * (1 - frame["experts"] % 3)
    )
    assert max(Page(built(frame)).data()["cells"]["accuracy_ci_high"]) == 1


def test_tables_name_their_cells_and_fields(page: str) -> None:
    tables = Page(page).data()["tables"]
    assert list(tables) == ["main", "slopes", "health", "timing", "failed", "environment"]
    assert tables["failed"]["cells"] == [8]
    assert [field["key"] for field in tables["main"]["fields"]][:3] == ["label", "rank", "accuracy"]
    assert tables["slopes"]["texts"]["router"]["of"] == ["tokens-choice", "bpr", "experts-choice", "soft"]


def test_several_suites_share_a_page_and_its_library(page: str) -> None:
    one, other = suite_frame(), of_routers("dense", "soft")
    both = build.build(
        [
            build.SuiteResults("scaling-experts", QUESTION, Results.from_frame(one)),
            build.SuiteResults("<other>", "Is it so?", Results.from_frame(other.assign(suite="other"))),
        ]
    )
    parsed = Page(both)
    assert parsed.data() == Page(page).data()
    assert parsed.data("data-1")["name"] == "<other>"
    assert [has["value"] for tag, has in parsed.elements if tag == "option" and has.get("value")] == [
        *("scaling-experts", "<other>")
    ]
    assert both.count("Is it so?") == 1
    assert len(both) < 1.2 * len(page)


def test_times_under_a_flag_are_counted_at_the_top_and_the_flags_explained(page: str) -> None:
    assert "1 of 16 cells flagged (noisy 1)" in page[: page.index("<main")]
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
    hostile, plain = Page(built(frame, HOSTILE[0], HOSTILE[1])), Page(page)
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]
    assert hostile.text_of("title") == f"{HOSTILE[0]} · moebench"
    assert set(HOSTILE) <= set(hostile.data()["routers"])


@given(st.text(max_size=40))
def test_any_text_survives_its_way_through_a_script_element(text: str) -> None:
    carried = offline_page.packed({"a": text})
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
    assert packing.columns(frame) == {
        "number": [1.23457, None, None, 3, 12345678],
        "text": {"of": ["a", "b"], "at": [0, -1, 1, 0, 0]},
        "lists": {"of": ["x, y", "", "z"], "at": [0, 1, 1, 2, 1]},
    }


def test_a_page_of_sixty_cells_is_small_enough_for_mail() -> None:
    devices = ("cpu", "NVIDIA H200", "NVIDIA A100", "TPU v5")
    frame = pd.concat([suite_frame(device=device) for device in devices], ignore_index=True)
    frame["curve_step"] = [list(range(10, 501, 10))] * len(frame)
    frame["curve_loss"] = [np.geomspace(2.3, 0.01, 50).tolist()] * len(frame)
    frame["curve_accuracy"] = [np.linspace(0.1, 0.98765, 50).tolist()] * len(frame)
    page = built(frame, "scaling-experts", QUESTION)
    assert len(page.encode()) <= 1_100_000


def test_every_chart_is_valid_vega_lite() -> None:
    routers = ["dense", "soft", HOSTILE[0]]
    made = charts.specifications(routers, routers) | {"forest": forest.chart(), "tries": tries.chart(routers)}
    for specification in made.values():
        alt.Chart.from_dict(specification)
    with pytest.raises(ValidationError):
        alt.Chart.from_dict({**made["parts"], "mark": "bars"})


@pytest.mark.parametrize("name", ["pareto", "scaling", "curves", "loads", "parts", "speed"])
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
    sets = ("points", "front", "dense", "one")
    sized = {**json.loads(text), "width": 400, "datasets": dict.fromkeys(sets, rows), "config": vega.CONFIG}
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
        [one.assign(model=f"m{n}", cell_id=one["cell_id"] + str(n)) for n in range(page_data.LARGE // 17 + 1)],
        ignore_index=True,
    )
    data = Page(built(many, "many")).data()
    assert len(data["cells"]["accuracy"]) == 612
    assert {"label", "train_step_s_ci_low", "accuracy_vs_dense"} <= set(data["cells"])
    assert not {"cell_id", "config", "drift", "flops_router"} & set(data["cells"])
    assert data["curves"] == data["loads"] == data["parts"] == data["fronts"] == {}
    # Each chart and table has the numbers and texts that it offers.
    offered = {each["key"] for use in ("cost", "quality", "scaled") for each in data["axes"][use]}
    shown = {field["key"] for table in data["tables"].values() if "cells" in table for field in table["fields"][1:]}
    assert offered <= set(data["cells"])
    assert offered | shown <= set(data["texts"])
    assert not any("[" in text for text in data["texts"]["accuracy"]["of"])
    assert [note[:12] for note in data["notes"]] == ["Of 612 cells", "For so many "]


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
    page = Page(built(frame, "scaling-experts"))
    assert page.data()["curves"] == {}
    assert page.data()["texts"]["status_reason"]["of"] == ["exit code 9"]
    with pytest.raises(BadInput, match="no rows"):
        built(frame.iloc[:0], "scaling-experts")


def test_a_page_of_trained_models_in_other_settings_carries_them_with_their_intervals(page: str) -> None:
    data = Page(built(tried_frame(), "tried", QUESTION)).data()
    # 7 sparse cells that ended well, each in 4 settings.
    assert len(data["test_time"]["accuracy"]) == 28
    expected = settings(Results.from_frame(tried_frame()), "accuracy")
    assert data["test_time"]["accuracy_ci_low"] == pytest.approx(expected["accuracy_low"].tolist(), rel=1e-3)
    # Offered is what some setting has.
    costs = {of["key"] for of in data["axes"]["test_time_cost"]}
    assert costs == {"flops_forward_per_image", "infer_vs_trained", "capacity_factor"}
    assert [of["key"] for of in data["axes"]["test_time_quality"]] == ["accuracy"]
    assert Page(page).data()["test_time"] == {}


def test_beside_the_accuracy_stands_what_was_measured(page: str) -> None:
    assert Page(page).data()["second"] == "train_step_vs_dense"
    untimed = of_routers("dense", "soft")
    for name in ("train_step_s", "train_step_vs_dense"):
        untimed[name] = np.nan
    assert Page(built(untimed, "untimed", QUESTION)).data()["second"] == "dropped_tokens"


def test_the_first_axis_is_what_the_suite_varies() -> None:
    frame = of_routers("dense", "soft")
    routed = frame["router"] != "dense"
    frame.loc[routed, "capacity_factor"], frame.loc[routed, "experts"] = frame["experts"] / 8, 4
    inputs = Page(built(frame, "capacity", QUESTION)).data()["axes"]["input"]
    assert inputs[0]["key"] == "capacity_factor"


def test_inputs_that_no_router_varies_are_no_axis() -> None:
    frame = suite_frame()
    # Routers differ in their slots, but none of them has cells of several slots.
    one = frame[(frame["router"] == "dense") | (frame["experts"] == 2)].copy()
    one.loc[one["router"] == "soft", "slots_per_expert"] = 4
    assert Page(built(one)).data()["axes"]["input"] == []
