"""The page in a real browser: closed, linked, sortable, and the same in numbers as Python's reports.

Needs Debian's `chromium` and `chromium-driver` (or Chrome and its driver) and the `selenium` package.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from paths import REPOSITORY
from report_frames import large_frame, suite_frame, tried_frame

from moebench.claims import written
from moebench.claims.claim import Claim, parse_claim
from moebench.reports import flag_marks, tables
from moebench.reports.analysis import chart_data, seed_data
from moebench.reports.analysis.cells import Results
from moebench.reports.dashboard import build
from moebench.results import load

CHOOSE = """
    const select = document.getElementById(arguments[0]);
    select.value = arguments[1];
    select.dispatchEvent(new Event("change"));
"""
HOSTILE = '"><img src=x onerror="document.title=`broken`"></script><script>document.title="broken"</script>' + "x" * 300
RIGHT_TO_LEFT = "נתב-רך"


def built(frame: pd.DataFrame, name: str, question: str = "Is it so?", claims: Sequence[Claim] = ()) -> str:
    return build.build([build.SuiteResults(name, question, Results.from_frame(frame, claims))])


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "dashboard.html"
    path.write_text(built(suite_frame(), "scaling-experts", "Do experts help?"), encoding="utf-8")
    return path


def opened(browser: Any, page: Path, state: str = "") -> Any:
    """The page as a newcomer sees it, everything drawn."""
    browser.get("about:blank")
    browser.get(page.as_uri() + state)
    return drawn(browser)


def drawn(browser: Any) -> Any:
    browser.execute_async_script("const done = arguments[0]; moebench.ready().then(() => setTimeout(done, 0));")
    return browser


def click(browser: Any, selector: str) -> None:
    browser.execute_script("document.querySelector(arguments[0]).click()", selector)
    drawn(browser)


def rows_of(browser: Any, table: str) -> list[list[str]]:
    """The cells of a table's body as text."""
    script = "return [...document.querySelectorAll(arguments[0])].map(row => [...row.children].map(c => c.textContent))"
    rows: list[list[str]] = browser.execute_script(script, f"[data-table={table}] tbody tr")
    return rows


def charts_of(browser: Any) -> dict[str, list[dict[str, Any]]]:
    """The rows that each chart has drawn, out of Vega itself."""
    script = """
        const rows = (state) => (state.view ? state.view.data("points") : []);
        return Object.fromEntries(Object.entries(moebench.drawn).map(([name, state]) => [name, rows(state)]));
    """
    charts: dict[str, list[dict[str, Any]]] = browser.execute_script(script)
    return charts


def test_the_page_draws_everything_without_a_request_or_an_error(browser: Any, page: Path) -> None:
    browser.get_log("browser")
    opened(browser, page)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    charts = charts_of(browser)
    assert set(charts) == {
        *(
            "forest",
            "pareto",
            "scaling1",
            "scaling2",
            "curvesloss",
            "curvesaccuracy",
            "loads",
            "parts",
            "speed",
            "published",
        )
    }
    assert len(charts["pareto"]) == 16
    assert browser.execute_script("return document.querySelectorAll('figure svg').length") == len(charts)
    assert len(rows_of(browser, "main")) == 17
    assert "12.1 GB" in str(rows_of(browser, "failed"))


def test_the_policy_stops_requests_and_scripts_that_are_not_the_pages(browser: Any, page: Path) -> None:
    opened(browser, page)
    script = """
        const done = arguments[0];
        const stopped = [];
        addEventListener("securitypolicyviolation", (event) => stopped.push(event.effectiveDirective));
        const image = new Image();
        image.src = "https://example.com/pixel.png";
        const code = document.createElement("script");
        code.textContent = "window.ran = true";
        document.body.append(code);
        setTimeout(() => done([stopped.sort(), window.ran === undefined]), 200);
    """
    assert browser.execute_async_script(script) == [["img-src", "script-src-elem"], True]
    browser.get_log("browser")


def test_settings_of_one_trained_model_are_drawn_at_a_time(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "dashboard.html"
    path.write_text(built(tried_frame(), "tried", "How far can a model be cut?"), encoding="utf-8")
    browser.get_log("browser")
    opened(browser, path)
    assert browser.get_log("browser") == []
    models = "return [...document.querySelectorAll('#test-time-cell option')].map(option => option.textContent)"
    shown = browser.execute_script(models)
    assert len(shown) == 7
    points = charts_of(browser)["test_time"]
    assert [(point["label"], point["k"]) for point in points] == [
        ("as trained", "2"),
        ("top_k: 2, capacity_factor: 0.5", "2"),
        ("top_k: 1, capacity_factor: 1.0", "1"),
        ("top_k: 1, capacity_factor: 0.5", "1"),
    ]
    assert all(point["y_low"] < point["y"] < point["y_high"] for point in points)
    # Another model, and another cost, by what a reader would touch.
    browser.execute_script(CHOOSE, "test-time-x", "capacity_factor")
    last = browser.execute_script("return document.getElementById('test-time-cell').options[6].value")
    browser.execute_script(CHOOSE, "test-time-cell", last)
    drawn(browser)
    other = charts_of(browser)["test_time"]
    assert [point["x"] for point in other] == [1.0, 0.5, 1.0, 0.5]
    assert [point["y"] for point in other] != [point["y"] for point in points]
    # The filters decide which models there are to choose from; bpr with 16 experts failed.
    click(browser, "[data-filter=router][data-value=bpr]")
    assert browser.execute_script(models) == ["bpr[experts=2]", "bpr[experts=4]", "bpr[experts=8]"]
    click(browser, "#clear")


def test_a_filter_changes_every_chart_and_the_tables(browser: Any, page: Path) -> None:
    opened(browser, page)
    before = {name: len(rows) for name, rows in charts_of(browser).items()}
    click(browser, "[data-filter=router][data-value=soft]")
    charts = charts_of(browser)
    # What papers printed, and routers over all cells of the suite, whatever is filtered here.
    assert charts.pop("published")
    assert charts.pop("forest")
    for name, rows in charts.items():
        assert 0 < len(rows) < before[name], name
        assert {row["router"] for row in rows if "router" in row} <= {"soft"}
        assert all(row.get("label", "soft").startswith("soft") for row in rows)
    assert len(rows_of(browser, "main")) == 4
    assert browser.execute_script("return document.getElementById('shown').textContent") == "4 of 17 cells"
    click(browser, "#clear")
    assert {name: len(rows) for name, rows in charts_of(browser).items()} == before


def test_a_box_dragged_over_the_pareto_chart_filters_the_rest(browser: Any, page: Path) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.by import By

    opened(browser, page)
    chart = browser.find_element(By.CSS_SELECTOR, "[data-chart=pareto] svg")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", chart)
    width, height = chart.size["width"], chart.size["height"]
    # Over the right half of the upper half: many experts, high accuracy.
    drag = ActionChains(browser).move_to_element_with_offset(chart, 0, 0).click_and_hold()
    drag.move_by_offset(width // 4, -height // 4).move_by_offset(width // 4 - 10, 60 - height // 4).release()
    drag.perform()
    browser.execute_async_script("setTimeout(arguments[0], 300)")
    drawn(browser)
    shown = browser.execute_script("return moebench.visible().map(cell => cell.label)")
    assert 0 < len(shown) < 17
    assert "soft[experts=16]" in shown
    assert "dense" not in shown
    charts = charts_of(browser)
    assert len(charts["pareto"]) == 16  # the chart under the box keeps its points
    assert {row["label"] for row in charts["parts"]} == set(shown)
    assert {row[0].split("]")[0] + "]" for row in rows_of(browser, "main")} == set(shown)
    text = browser.execute_script("return document.getElementById('within').value")
    assert text.startswith(f"Best of {len(shown)} cells shown: soft[experts=16], accuracy 98.8 % [")


def test_a_click_sorts_and_says_so(browser: Any, page: Path) -> None:
    opened(browser, page)
    accuracy = [row[1] for row in rows_of(browser, "main")]
    assert accuracy[0].startswith("98.8 %")  # the best first, as the page opens
    assert accuracy[-1] == "–"  # what is missing comes last
    click(browser, "[data-table=main] [data-column='1']")
    upwards = [row[1].split(" ")[0] for row in rows_of(browser, "main")]
    assert upwards[:-1] == sorted(upwards[:-1])
    assert upwards[-1] == "–"
    heads = "return [...document.querySelectorAll('[data-table=main] thead th')].map(h => h.getAttribute('aria-sort'))"
    assert browser.execute_script(heads)[:3] == ["none", "ascending", "none"]


def test_an_address_brings_back_filters_axes_and_theme(browser: Any, page: Path) -> None:
    opened(browser, page)
    click(browser, "[data-filter=experts][data-value='16']")
    select = "const s = document.getElementById(arguments[0]); s.value = arguments[1]; s.onchange();"
    browser.execute_script(select, "pareto-x", "train_step_s")
    click(browser, "#theme")
    state = browser.execute_script("return location.hash")
    theme = browser.execute_script("return document.documentElement.dataset.theme")
    opened(browser, page, state)
    assert browser.execute_script("return moebench.visible().length") == 4
    assert browser.execute_script("return document.getElementById('pareto-x').value") == "train_step_s"
    assert browser.execute_script("return document.documentElement.dataset.theme") == theme
    points = {row["label"]: row["x"] for row in charts_of(browser)["pareto"]}
    # 0.030 s · 1.3 · (1 + 0.02 · √16)
    assert points["soft[experts=16]"] == pytest.approx(0.04212, abs=1e-6)


def test_the_best_within_a_limit_of_the_cost_is_named_with_its_test(browser: Any, page: Path) -> None:
    opened(browser, page, "#_x=train_step_s")
    options = "return [...document.getElementById('limit').options].map(option => [option.value, option.textContent])"
    texts = dict(browser.execute_script(options))
    # 30 · 1.3 · (1 + 0.02 · √4) = 40.56 ms for soft of 4 experts.
    limit = next(value for value, text in texts.items() if text == "40.6 ms")
    browser.execute_script(CHOOSE, "limit", limit)
    drawn(browser)
    text = browser.execute_script("return document.getElementById('within').value")
    assert text.startswith("Best of 3 cells shown: soft[experts=4], accuracy 97.")
    assert "at 40.6 ms [39.7, 41.8]; " in text
    assert "others trained alike." in text
    # The rest of the page follows: dense, soft of 2 and of 4 cost no more.
    names = {row[0].split("]")[0] for row in rows_of(browser, "main")}
    assert {name if "[" in name else name[:5] for name in names} == {"dense", "soft[experts=2", "soft[experts=4"}
    assert "3 of 17 cells, within the limit of the cost" in browser.find_element("id", "shown").text
    state = browser.execute_script("return location.hash")
    opened(browser, page, state)
    assert browser.execute_script("return moebench.visible().length") == 3
    # Another axis has other costs, so the limit ends with the axis.
    browser.execute_script(CHOOSE, "pareto-x", "params")
    drawn(browser)
    assert browser.execute_script("return moebench.visible().length") == 17
    opened(browser, page, "#_x=train_step_s&router=soft&experts=2")
    assert "~40.1 ms" in browser.execute_script("return document.getElementById('within').value")
    note = "return document.querySelector('[data-chart=pareto] .note').textContent"
    assert "flagged (~) in 1 of 1 cells" in browser.execute_script(note)
    assert "Seconds of different cells compare only on a quiet machine" in browser.execute_script(note)


def test_marks_are_worked_out_again_for_the_cells_shown(browser: Any, page: Path) -> None:
    opened(browser, page)
    found = "[...document.querySelectorAll('[data-table=main] .mark')]"
    marks = f"return {found}.map(mark => [mark.className, mark.textContent])"
    first = browser.execute_script(marks)
    assert [text for _, text in first].count("highest") == 1
    click(browser, "[data-filter=router][data-value=tokens-choice]")
    shown = browser.execute_script(marks)
    assert [text for _, text in shown].count("highest") == 1
    # A mark is green only if the cell is significantly better than all that are shown.
    apart = browser.execute_script("return [...document.querySelectorAll('[data-table=main] .mark.tied')].length")
    assert ("mark best" in [kind for kind, _ in shown]) == (apart == 0)
    click(browser, "#clear")
    assert browser.execute_script(marks) == first


def test_flags_are_told_in_the_words_of_the_report(browser: Any, tmp_path: Path) -> None:
    frame = suite_frame(seeds=1)
    frame = frame[frame["experts"] <= 2].reset_index(drop=True)
    frame["timing_flags"] = [["inference:noisy", "training:unsteady", "training:noisy"]] * len(frame)
    path = tmp_path / "flagged.html"
    path.write_text(built(frame, "flagged"), encoding="utf-8")
    opened(browser, path)
    assert rows_of(browser, "timing")[0][1] == flag_marks.in_words(frame["timing_flags"][0])
    assert rows_of(browser, "main")[0][5].startswith("~")


def test_the_first_click_on_a_cost_puts_the_least_on_top(browser: Any, page: Path) -> None:
    opened(browser, page)
    found = "[...document.querySelectorAll('[data-table=main] thead th')]"
    heads = browser.execute_script(f"return {found}.map(head => head.textContent)")
    place = next(i for i, head in enumerate(heads) if head.startswith("Time of a training step, times dense"))
    click(browser, f"[data-table=main] [data-column='{place}']")
    assert rows_of(browser, "main")[0][0] == "dense"


def test_the_words_beside_filters_open_them_too(browser: Any, page: Path) -> None:
    from selenium.webdriver.common.by import By

    opened(browser, page)
    browser.find_element(By.ID, "shown").click()
    assert not browser.execute_script("return document.getElementById('filters').open")


def test_numbers_stand_in_tables_as_python_writes_them(browser: Any, page: Path) -> None:
    opened(browser, page)
    made = tables.main(Results.from_frame(suite_frame()))
    fields = [field.key for field in made.fields if field.key != "rank"][1:]
    expected = {label: [made.texts[key][place] for key in fields] for place, label in enumerate(made.texts["label"])}
    for row in rows_of(browser, "main"):
        label = next(label for label in sorted(expected, key=len, reverse=True) if row[0].startswith(label))
        assert row[1:] == expected[label]


def test_a_suite_is_chosen_among_several_and_kept_in_the_address(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "two.html"
    soft = suite_frame(failed=())
    soft = soft[soft["router"].isin(["dense", "soft"])]
    suites = [
        build.SuiteResults("scaling-experts", "Do experts help?", Results.from_frame(suite_frame())),
        build.SuiteResults(HOSTILE, "Does soft help?", Results.from_frame(soft)),
    ]
    path.write_text(build.build(suites), encoding="utf-8")
    browser.get_log("browser")
    opened(browser, path, "#router=bpr")
    assert browser.execute_script("return moebench.visible().length") == 4
    shown = "return [...document.querySelectorAll('h1')].filter(h => h.offsetParent).map(h => h.textContent)"
    assert browser.execute_script(shown) == ["Do experts help?"]
    browser.execute_script(CHOOSE, "suite", HOSTILE)
    browser.execute_async_script("setTimeout(arguments[0], 300)")
    drawn(browser)
    assert browser.execute_script(shown) == ["Does soft help?"]
    assert browser.execute_script("return moebench.visible().length") == 5  # nothing is left of the filters
    assert not browser.execute_script("return document.querySelector('#failed').offsetParent")  # no empty section
    state = browser.execute_script("return location.hash")
    opened(browser, path, state)
    assert browser.execute_script(shown) == ["Does soft help?"]
    assert browser.get_log("browser") == []


def test_claims_stand_first_with_their_verdicts(browser: Any, tmp_path: Path) -> None:
    at_any_cost = {"source": "2308.00951", "on": "accuracy", "at": "any cost"}
    soft, dense = {"router": "soft"}, {"router": "dense"}
    claims = [
        parse_claim({"says": HOSTILE, "better": soft, "than": dense, **at_any_cost}),
        parse_claim({"says": "Dense beats Soft MoE", "better": dense, "than": soft, **at_any_cost}),
    ]
    path = tmp_path / "claims.html"
    path.write_text(built(suite_frame(), "claims", claims=claims), encoding="utf-8")
    browser.get_log("browser")
    opened(browser, path)
    assert browser.get_log("browser") == []
    script = """
        const texts = (row) => [...row.children].map((cell) => cell.textContent);
        return [...document.querySelectorAll(".claims tbody tr")].map((row) => [row.className, ...texts(row)]);
    """
    expected = written.lines(Results.from_frame(suite_frame(), claims).verdicts)
    # Soft MoE is 0.9 to 2.7 points above dense, with a noise of 0.2 points.
    assert browser.execute_script(script) == [["shown", *expected[0]], ["contradicted", *expected[1]]]
    size = {"width": 390, "height": 900, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        opened(browser, path)
        assert browser.execute_script(
            "const c = document.querySelector('.claims'); return c.scrollWidth <= c.clientWidth"
        )
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_rows_shown_can_be_had_as_csv(browser: Any, page: Path) -> None:
    opened(browser, page, "#router=bpr")
    script = """
        const made = URL.createObjectURL;
        window.saved = [];
        URL.createObjectURL = (blob) => { window.saved.push(blob); return made(blob); };
        document.getElementById("csv").click();
        window.saved[0].text().then(arguments[0]);
    """
    rows = list(csv.DictReader(io.StringIO(browser.execute_async_script(script))))
    # In the order of the table: the highest accuracy first, what failed last.
    assert [row["label"] for row in rows] == [f"bpr[experts={n}]" for n in (8, 4, 2, 16)]
    assert rows[-1]["status"] == "oom"
    assert float(rows[2]["train_step_s"]) == pytest.approx(0.0539849, abs=1e-6)


def test_every_chart_has_a_description_and_its_numbers_in_a_table(browser: Any, page: Path) -> None:
    opened(browser, page)
    script = "return [...document.querySelectorAll('figure [role=graphics-document]')].map(g => g.ariaLabel)"
    labels = browser.execute_script(script)
    assert len(labels) == 10
    assert all(len(label) > 20 for label in labels)
    browser.execute_script("document.querySelectorAll('figure details').forEach(d => { d.open = true; })")
    browser.execute_async_script("setTimeout(arguments[0], 100)")
    shown = "[...document.querySelectorAll('figure:not([hidden])')]"
    counts = f"return {shown}.map(f => f.querySelectorAll('tbody tr').length)"
    expected = {"forest": 10, "pareto": 16, "scaling1": 16, "scaling2": 16, "speed": 16}
    names = f"return {shown}.map(f => f.dataset.chart + (f.dataset.slot || ''))"
    found = dict(zip(browser.execute_script(names), browser.execute_script(counts), strict=True))
    assert {name: found[name] for name in expected} == expected
    assert all(found.values())


def test_every_control_has_a_name_and_can_be_reached_by_keyboard(browser: Any, page: Path) -> None:
    opened(browser, page)
    script = """
        return [...document.querySelectorAll("button, select, input, summary, a, [tabindex='0']")]
            .filter(e => !(e.textContent.trim() || e.getAttribute("aria-label") || e.labels?.length))
            .map(e => e.outerHTML.slice(0, 80));
    """
    assert browser.execute_script(script) == []
    click(browser, "a[href='#scaling']")
    assert browser.execute_script("return document.activeElement.id") == "scaling"
    assert "scaling" not in browser.execute_script("return location.hash")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(browser: Any, page: Path, theme: str) -> None:
    axe = pytest.importorskip("axe_core_python.selenium", reason="the check needs the package axe-core-python")
    # Two routers, one of them with a failed cell, have everything that the page can show; axe looks at every mark.
    opened(browser, page, f"#_theme={theme}&router=soft&router=bpr")
    browser.execute_script(
        "[...document.querySelectorAll('figure details')].slice(0, 2).forEach(d => { d.open = true; })"
    )
    drawn(browser)
    browser.set_script_timeout(120)
    found = axe.Axe().run(browser, options={"resultTypes": ["violations"]})["violations"]
    browser.set_script_timeout(30)
    assert [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found] == []


def test_on_paper_no_table_is_wider_than_the_sheet(browser: Any, tmp_path: Path) -> None:
    # The suite with the most columns of routing health.
    frame = load(REPOSITORY / "results" / "reference", "diagnostics")
    page = tmp_path / "dashboard.html"
    page.write_text(built(frame[frame["data"] == "domains-16"], "diagnostics"), encoding="utf-8")
    opened(browser, page)
    width = 718  # A4 less margins of a centimetre, in CSS pixels
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    metrics = {"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    script = """
        const tables = [...document.querySelectorAll("table")].filter((table) => table.offsetParent);
        return tables.map((table) => [table.rows[0].cells.length, table.getBoundingClientRect().right]);
    """
    found = browser.execute_script(script)
    browser.execute_script("document.querySelectorAll('.broad').forEach((table) => { table.className = ''; })")
    larger = browser.execute_script(script)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert max(count for count, _ in found) > 11
    assert max(right for _, right in found) <= width < max(right for _, right in larger)


def test_a_description_follows_the_filters(browser: Any, page: Path) -> None:
    opened(browser, page)
    click(browser, "[data-filter=router][data-value=soft]")
    script = "return document.querySelector('[data-chart=pareto] [role=graphics-document]').ariaLabel"
    assert "for 4 cells" in browser.execute_script(script)


def test_what_papers_printed_has_a_panel_of_its_own(browser: Any, page: Path) -> None:
    opened(browser, page)
    rows = {row["label"]: row for row in charts_of(browser)["published"]}
    # Table 8: Soft MoE S/16 with 128 experts, 10 M steps, 8.6 GFLOPs and 79.8 % at 10 shots.
    soft = rows["Soft MoE S/16 128E, 10 M steps"]
    assert (soft["x"], soft["y"], soft["router"]) == (8.6e9, 0.798, "soft")
    assert (soft["x_text"], soft["y_text"]) == ("8.60 GFLOPs", "79.8 %")
    assert "Not measured here" in browser.find_element("id", "published").text
    browser.execute_script(CHOOSE, "published-x", "experts")
    drawn(browser)
    assert len(charts_of(browser)["published"]) == 117
    assert "published" not in browser.execute_script("return Object.keys(moebench.drawn.pareto.view.getState().data)")


def test_bands_reach_from_the_lowest_to_the_highest_seed(browser: Any, page: Path) -> None:
    opened(browser, page)
    curves = seed_data.curves(Results.from_frame(suite_frame())).set_index(["label", "step"])
    for row in charts_of(browser)["curvesloss"]:
        low, high = curves.loc[(row["label"], row["x"]), ["loss_low", "loss_high"]]
        assert (row["low"], row["high"]) == pytest.approx((low, high), rel=1e-3)


def test_of_many_cells_some_are_drawn_and_all_can_be_had(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "many.html"
    path.write_text(built(large_frame(1_500), "many"), encoding="utf-8")
    browser.get_log("browser")
    opened(browser, path)
    assert browser.get_log("browser") == []
    count = browser.execute_script("return moebench.visible().length")
    assert count == 89 * 17
    charts = charts_of(browser)
    assert len(charts["pareto"]) == 600
    front = {row["label"] for row in browser.execute_script("return moebench.drawn.pareto.view.data('front')")}
    assert front <= {row["label"] for row in charts["pareto"]}
    assert len(charts["speed"]) == 60
    notes = browser.execute_script("return [...document.querySelectorAll('.note')].map(note => note.textContent)")
    assert any("leaves out training curves" in note for note in notes)
    assert any(note.startswith("Drawn: 60 of 1424") for note in notes)
    assert len(rows_of(browser, "main")) == 200
    click(browser, "[data-table=main] .rest button")
    assert len(rows_of(browser, "main")) == count
    click(browser, "[data-filter=model][data-value=m3]")
    click(browser, "[data-filter=data][data-value=d1]")
    assert len(charts_of(browser)["pareto"]) == 16
    drawn_notes = "return [...document.querySelectorAll('figure .note')].map(note => note.textContent).join('')"
    assert "Drawn:" not in browser.execute_script(drawn_notes)


@pytest.mark.slow
def test_ten_thousand_cells_are_mailed_and_opened(browser: Any, tmp_path: Path) -> None:
    content = built(large_frame(10_000), "many")
    assert len(content.encode()) <= 1_500_000
    path = tmp_path / "many.html"
    path.write_text(content, encoding="utf-8")
    opened(browser, path)
    # As little is drawn at first as of a thousand.
    assert len(rows_of(browser, "main")) == 200
    assert len(charts_of(browser)["pareto"]) == 600


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser: Any, page: Path, theme: str) -> None:
    opened(browser, page, f"#_theme={theme}")
    script = """
        const light = (text) => {
            const rgb = text.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255)
                .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
            return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];
        };
        const ground = (e) => {
            const color = getComputedStyle(e).backgroundColor;
            return color === "rgba(0, 0, 0, 0)" && e.parentElement ? ground(e.parentElement) : color;
        };
        const marks = [".mark.top", ".mark.tied", ".mark.bad"];
        return [...marks, "p", "dt", ".range", "thead button", ".chip", "caption", "a", "svg text"]
            .map(selector => {
                const e = document.querySelector("main " + selector) || document.querySelector(selector);
                const [a, b] = [light(getComputedStyle(e.closest("svg") || e).color), light(ground(e))];
                return [selector, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
            }).filter(([, contrast]) => contrast < 4.5);
    """
    assert browser.execute_script(script) == []


CUT = """
    return [...document.querySelectorAll("main svg")].flatMap((svg) => {
        const frame = svg.getBoundingClientRect();
        const outside = (box) => box.left < frame.left - 1 || box.right > frame.right + 1;
        const texts = [...svg.querySelectorAll("text")].filter((text) => outside(text.getBoundingClientRect()));
        return texts.map((text) => text.textContent);
    });
"""
"""Texts of charts that reach beyond their chart's sides, where they are cut."""


@pytest.mark.parametrize("width", [390, 900, 1400])
def test_nothing_sticks_out_at_any_width(browser: Any, page: Path, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        opened(browser, page)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert browser.execute_script(CUT) == []
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_hostile_names_are_shown_as_text(browser: Any, tmp_path: Path) -> None:
    frame = suite_frame()
    frame["router"] = frame["router"].replace({"bpr": HOSTILE, "soft": RIGHT_TO_LEFT})
    frame["status_reason"] = frame["status_reason"].fillna("") + HOSTILE
    path = tmp_path / "hostile.html"
    path.write_text(built(frame, HOSTILE, HOSTILE), encoding="utf-8")
    browser.get_log("browser")
    opened(browser, path)
    browser.execute_script("document.querySelectorAll('figure details').forEach(d => { d.open = true; })")
    assert browser.get_log("browser") == []
    assert browser.title == f"{HOSTILE} · moebench"
    assert browser.execute_script("return document.querySelectorAll('img, main script').length") == 0
    chips = browser.execute_script("return [...document.querySelectorAll('.chip')].map(chip => chip.textContent)")
    assert HOSTILE in chips
    assert RIGHT_TO_LEFT in chips
    assert any(HOSTILE in row[0] for row in rows_of(browser, "main"))
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    # A tooltip is markup that Vega's own code writes.
    script = """
        const done = arguments[0];
        const mark = [...document.querySelectorAll("[data-chart=pareto] .mark-symbol.role-mark path")]
            .find(path => path.__data__.datum.router.includes("onerror"));
        mark.scrollIntoView({ block: "center", behavior: "instant" });
        const box = mark.getBoundingClientRect();
        const at = { bubbles: true, clientX: box.x + box.width / 2, clientY: box.y + box.height / 2 };
        for (const kind of ["pointerover", "pointermove", "mousemove"]) mark.dispatchEvent(new PointerEvent(kind, at));
        const tip = () => document.getElementById("vg-tooltip-element")?.textContent || "";
        setTimeout(() => done([tip(), document.images.length]), 200);
    """
    text, images = browser.execute_async_script(script)
    assert "onerror" in text
    assert images == 0
    assert browser.title == f"{HOSTILE} · moebench"


@pytest.mark.parametrize("axes", [("train_step_s", "accuracy"), ("flops_forward_per_image", "eval_loss")])
def test_the_front_is_pythons(browser: Any, page: Path, axes: tuple[str, str]) -> None:
    opened(browser, page, f"#_x={axes[0]}&_y={axes[1]}")
    points = chart_data.pareto(Results.from_frame(suite_frame()), *axes).set_index("label")
    drawn_points = charts_of(browser)["pareto"]
    assert {row["label"] for row in drawn_points if row["front"]} == set(points.index[points["on_front"]])
    for row in drawn_points:
        assert row["fill"] == pytest.approx(points.loc[row["label"], "front_probability"], abs=1e-3)
