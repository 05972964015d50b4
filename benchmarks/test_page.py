"""A page of ten thousand cells: building it (target 10 s), and opening it in a browser (target 2 s)."""

from pathlib import Path
from typing import Any

from chromium import browser
from report_frames import large_frame

from moebench.reports.analysis.cells import Results
from moebench.reports.dashboard import build

__all__ = ["browser"]


def page() -> str:
    return build.build([build.SuiteResults("many", "Is it so?", Results.from_frame(large_frame(10_000)))])


def test_building_a_page_of_ten_thousand_cells(benchmark: Any) -> None:
    frame = large_frame(10_000)

    def fresh() -> tuple[tuple[list[build.SuiteResults]], dict[str, Any]]:  # results keep what they have worked out
        return ([build.SuiteResults("many", "Is it so?", Results.from_frame(frame))],), {}

    benchmark.pedantic(build.build, setup=fresh, rounds=3, warmup_rounds=1)


def test_opening_a_page_of_ten_thousand_cells(benchmark: Any, browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "many.html"
    path.write_text(page(), encoding="utf-8")

    def opened() -> None:
        browser.get("about:blank")
        browser.get(path.as_uri())
        browser.execute_async_script("const done = arguments[0]; moebench.ready().then(() => setTimeout(done, 0));")

    benchmark.pedantic(opened, rounds=3, warmup_rounds=1)
