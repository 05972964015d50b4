"""Ten questions of a first-time reader, answered from the reference page alone, and the same from the Parquet file.

Who is best for a given cost, and how sure is it? What did a router drop? What did it cost in FLOPs and in time? Which
learning rate, how many seeds and test images, on what machine? Which cells are not comparable? Where does the gain come
from? What did the routing look like?
"""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from paths import REPOSITORY

SUITE = "scaling-experts"
READ = """
    const all = (selector, root = document) => [...root.querySelectorAll(selector)];
    const shown = (selector) => all(selector).filter((element) => element.offsetParent !== null);
    const row = (found) => [...found.children].map((cell) => cell.innerText.trim());
    return {
        tables: Object.fromEntries(all("[data-table]").map((of) => [of.dataset.table, all("tr", of).map(row)])),
        facts: Object.fromEntries(shown(".facts dt").map((dt) => [dt.innerText, dt.nextElementSibling.innerText])),
        sections: shown("main section h2").map((head) => head.innerText),
        answer: shown(".answer")[0].innerText,
    };
"""
LIMIT = """
    const select = document.getElementById("limit");
    select.value = [...select.options].find((option) => Number(option.value) >= arguments[0]).value;
    select.dispatchEvent(new Event("change"));
"""


def drawn(browser: Any) -> None:
    browser.execute_async_script("const done = arguments[0]; moebench.ready().then(() => setTimeout(done, 0));")


@pytest.fixture(scope="module")
def page(browser: Any) -> dict[str, Any]:
    path = REPOSITORY / "dashboards" / "reference" / "dashboard.html"
    browser.get("about:blank")
    browser.get(f"{path.as_uri()}#suite={SUITE}")
    drawn(browser)
    found: dict[str, Any] = browser.execute_script(READ)
    return found


@pytest.fixture(scope="module")
def cells() -> pd.DataFrame:
    """Means over the seeds of each cell, from the file that anyone reads."""
    rows = pd.read_parquet(Path(REPOSITORY, "results", "reference", SUITE))
    means = rows.groupby(["router", "experts", "mlp_ratio"]).mean(numeric_only=True)
    means["image_count"] = rows.groupby(["router", "experts", "mlp_ratio"])["image_correct"].first().map(len)
    disturbed = rows["timing_flags"].map(lambda flags: "training:contention" in flags)
    ratio = rows["train_step_vs_dense"].mask(disturbed, rows["train_step_cpu_vs_dense"])
    means["ratio"] = ratio.groupby([rows[key] for key in ("router", "experts", "mlp_ratio")]).first()
    means["seeds"] = rows.groupby(["router", "experts", "mlp_ratio"])["seed"].nunique()
    means["rate"] = rows.groupby(["router", "experts", "mlp_ratio"])["learning_rate"].first()
    return means


def name(key: tuple[str, int, float]) -> str:
    router, experts, mlp_ratio = key
    return (
        f"dense[mlp_ratio={mlp_ratio:g}]"
        if router == "dense"
        else f"{router}[experts={experts},mlp_ratio={mlp_ratio:g}]"
    )


def of_cells(page: dict[str, Any], table: str, column: str) -> dict[str, str]:
    """A column of a table by cell, without marks behind names, arrows of heads and intervals below numbers."""
    head, *rows = page["tables"][table]
    place = [" ".join(title.replace("↕", "").replace("↓", "").split()) for title in head].index(column)
    return {row[0].partition("]")[0].split()[0] + "]": row[place].split("\n")[0].split(" [")[0] for row in rows}


def test_who_is_best_for_a_cost_and_how_sure_it_is(browser: Any, page: dict[str, Any], cells: pd.DataFrame) -> None:
    best = cells["accuracy"].idxmax()
    assert f"{name(best)}, {100 * cells['accuracy'].max():.1f} %" in page["answer"]
    # At the FLOPs of dense and half a percent more, in the words under the chart.
    cheap = cells[cells["flops_forward_per_image"] <= 1.005 * cells.loc[("dense", 1, 8.0), "flops_forward_per_image"]]
    browser.execute_script(LIMIT, float(cheap["flops_forward_per_image"].max()))
    drawn(browser)
    text = browser.execute_script("return document.getElementById('within').value")
    assert f"{name(cheap['accuracy'].idxmax())}, accuracy {100 * cheap['accuracy'].max():.1f} % [" in text
    assert "significant" in text


def test_what_was_dropped_and_what_it_cost(page: dict[str, Any], cells: pd.DataFrame) -> None:
    dropped, flops = of_cells(page, "health", "Dropped tokens"), of_cells(page, "main", "Forward FLOPs per image")
    time = of_cells(page, "main", "Time of a training step, times dense")
    for key, cell in cells.iterrows():
        label = name(key)
        if key[0] != "dense":
            assert dropped[label] == f"{100 * cell['dropped_tokens']:.1f} %"
        assert flops[label] == f"{cell['flops_forward_per_image'] / 1e6:.3g} MFLOPs"
        assert time[label].lstrip("~") == f"{cell['ratio']:.2f} ×"  # of processor times if others had the processors


def test_on_what_ground_it_stands(page: dict[str, Any], cells: pd.DataFrame) -> None:
    assert page["facts"]["Seeds"] == f"{cells['seeds'].max():.0f}"
    assert page["facts"]["Test set"].startswith(f"{int(cells['image_count'].iloc[0]):,} images")
    assert page["facts"]["Device"] == "cpu (AMD EPYC)"
    chosen = of_cells(page, "tuning", "Chosen")
    assert {name(key): f"learning_rate {rate:g}" for key, rate in cells["rate"].items()} == chosen


def test_what_is_not_comparable_and_where_the_gain_comes_from(page: dict[str, Any], cells: pd.DataFrame) -> None:
    dense = cells.loc[("dense", 1, 8.0), "flops_forward_per_image"]
    unequal = {name(key) for key, of in cells["flops_forward_per_image"].items() if abs(of / dense - 1) > 0.03}
    marked = {label for label, text in of_cells(page, "main", "FLOPs, times dense").items() if "≠" in text}
    assert marked == unequal == {"dense[mlp_ratio=16]"}
    (_, capacity) = page["tables"]["gains"]
    gain = cells.loc[("dense", 1, 16.0), "accuracy"] - cells.loc[("dense", 1, 8.0), "accuracy"]
    assert capacity[0] == "capacity"
    assert f"{100 * gain:+.1f} [" in capacity[-1]


def test_what_the_routing_looked_like(page: dict[str, Any], cells: pd.DataFrame) -> None:
    assert "Routing health" in page["sections"]
    dead, entropy = of_cells(page, "health", "Dead experts"), of_cells(page, "health", "Entropy of the gates")
    for key, cell in cells.drop("dense").iterrows():
        assert dead[name(key)] == f"{100 * cell['dead_experts']:.1f} %"
        assert float(entropy[name(key)]) == pytest.approx(cell["router_entropy"], abs=5e-4)


def test_every_suite_of_the_page_is_drawn_without_an_error(browser: Any) -> None:
    path = REPOSITORY / "dashboards" / "reference" / "dashboard.html"
    browser.get_log("browser")
    suites = sorted(each.name for each in (REPOSITORY / "results" / "reference").iterdir() if each.name[0] != "_")
    for suite in suites:  # also that of layers, which has times and no quality
        browser.get("about:blank")
        browser.get(f"{path.as_uri()}#suite={suite}")
        drawn(browser)
        assert browser.execute_script(READ)["tables"]["main"], suite
        assert (suite, browser.get_log("browser")) == (suite, [])
