"""The section of recorded routing: its sentences by hand, its pictures within a size, nothing that becomes markup."""

import base64
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from recordings import four_routers, hard_frame, soft_frame, written
from report_frames import suite_frame

from moebench.inside.load import Recording
from moebench.reports.analysis.cells import Results
from moebench.reports.answer import inside
from moebench.reports.dashboard.inside import inside_html, small_png
from moebench.reports.figures.layout import Drawing, Layout
from moebench.reports.write import suite_results
from moebench.results import Store

CHOICES = np.zeros((2, 4, 1), int)
"""Two images of four patches, all of which want the one expert."""
RISING = np.arange(1, 9).reshape(2, 4, 1) / 10
ONE_EXPERT = {"experts": 1, "options": {"experts": 1, "top_k": 1, "capacity_factor": 1.0}}


def queue(folder: Path, group_images: int) -> Recording:
    frame = hard_frame(CHOICES, RISING, experts=1, group_images=group_images)
    return written(folder, frame, group_images=group_images, **ONE_EXPERT)


def test_halves_that_are_dropped_by_hand(tmp_path: Path) -> None:
    # Both images in one group: 2 slots for 8 tokens. Array order serves the first two, priority the last two.
    both = queue(tmp_path, 2)
    assert inside.halves_dropped(both, "array") == (0.5, 1.0)
    assert inside.halves_dropped(both, "priority") == (1.0, 0.5)
    assert inside.on_dropped([both]) == (
        "At C = 1/4 array order drops the last images of a group: 100.0 % of the later half, 50.0 % of the earlier; by "
        "priority 50.0 % and 100.0 %."
    )
    # An image for itself: 1 slot for 4 tokens, which the top left patch gets in array order.
    assert "array order drops the bottom of the image: 100.0 % of the lower half, 50.0 % of the upper" in (
        inside.on_dropped([queue(tmp_path / "one", 1)])
    )


def test_where_the_order_makes_no_difference_no_half_is_named(tmp_path: Path) -> None:
    # Each patch has an expert to itself.
    frame = hard_frame(np.arange(4).reshape(1, 4, 1), experts=4)
    alone = written(tmp_path, frame, experts=4, options={"experts": 4, "top_k": 1, "capacity_factor": 1.0})
    assert "array order drops both halves alike: 0.0 % of the lower half" in inside.on_dropped([alone])


def test_routers_without_a_capacity_drop_nothing(tmp_path: Path) -> None:
    weights = np.full((2, 4, 2, 1), 0.25)
    soft = written(tmp_path, soft_frame(weights, weights), kind="soft", router="soft", chosen_by="nobody")
    assert inside.on_dropped([soft]) == "No recorded router has a capacity that could drop patches."
    assert inside.on_routing([soft]) == "Soft routers give every patch a part in every slot; none is dropped."
    # 4 tokens of weight 1/4 carry a slot; 90 % need all four.
    assert inside.on_slots([soft]) == (
        "Under soft slots are near-uniform means of their image: 4 of 4 tokens carry 90 % of a slot in the median."
    )


def test_slots_are_called_what_they_are() -> None:
    verdict = inside.slots_verdict
    assert verdict(pd.Series([3.0, 4, 5]), 16).startswith("slots are blobs of few tokens: 4 of 16")
    assert verdict(pd.Series([13.0, 14, 15]), 16).startswith("slots are near-uniform means of their image")
    assert verdict(pd.Series([8.0, 8, 8]), 16).startswith("slots are between")
    assert verdict(pd.Series([np.nan, np.nan, 8]), 196) == "most slots spread over more tokens than the recording keeps"


def test_information_is_said_with_its_chance(tmp_path: Path) -> None:
    # Every image sends its upper patches to expert 0: the position tells one bit of the expert, the class nothing.
    frame = hard_frame([[[0], [0], [1], [1]]] * 12, experts=2, labels=np.arange(12) % 3)
    assert inside.on_specialisation([written(tmp_path, frame)]) == (
        "The expert of a token tells no more than chance about the class of the image; most about the position of the "
        "patch under bpr (1.00 bits)."
    )


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw a small plain figure in place of each figure of recordings, which have tests of their own."""
    drawing = Drawing(Layout(columns=1), pd.DataFrame(), 0.2)
    monkeypatch.setattr("moebench.reports.dashboard.inside.draw_recordings", lambda *_: drawing)


@pytest.mark.usefixtures("plain")
def test_the_section_has_four_pictures_within_the_size_and_the_command(tmp_path: Path) -> None:
    section = inside_html(0, "s", four_routers(tmp_path), 400_000)
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', section)
    assert len(pictures) == 4
    assert all(base64.b64decode(each).startswith(b"\x89PNG") for each in pictures)
    assert sum(len(base64.b64decode(each)) for each in pictures) <= 400_000
    assert "<code>moebench look s</code>" in section
    assert "experts-choice leaves 25.0 % to no expert" in section


def test_a_picture_that_never_fits_leaves_its_sentence() -> None:
    drawing = Drawing(Layout(columns=1), pd.DataFrame(), 1.0)
    drawing.subplots().plot([0, 1])
    assert small_png(drawing, 10) is None
    assert len(small_png(drawing, 50_000) or b"") < 50_000


def test_without_recordings_there_is_no_section() -> None:
    assert inside_html(0, "s", [], 80_000) == ""


@pytest.mark.usefixtures("plain")
def test_names_do_not_become_markup(tmp_path: Path) -> None:
    hostile = '"><img src=x onerror=alert(1)>'
    frame = hard_frame(CHOICES, RISING, experts=1)
    made = inside_html(0, hostile, [written(tmp_path, frame, router=hostile, cell=hostile, **ONE_EXPERT)], 40_000)
    assert "onerror=alert(1)&gt;" in made
    assert "<img src=x" not in made
    assert '"><img src=x' not in made


def test_recordings_of_other_images_are_named_beside_the_pictures(tmp_path: Path) -> None:
    frame = hard_frame(CHOICES, RISING, experts=1)
    both = [
        written(tmp_path, frame, router="bpr"),
        written(tmp_path, frame, router="hash", cell_id="h", images="other"),
    ]
    made = inside_html(0, "s", both, 40_000)
    assert (
        "Not shown: hash (recorded on other images, or more than the 6 cells that fit); name the cells to show them."
        in made
    )
    assert "<img" in made
    assert "Not shown" not in inside_html(0, "s", both[:1], 40_000)


def test_recordings_of_the_shown_cells_are_found_and_damaged_ones_named(tmp_path: Path) -> None:
    store = Store(tmp_path, "s")
    results = Results.from_frame(suite_frame(seeds=1).head(1).assign(cell_id="mine"))
    assert suite_results(store, "s", "?", results)[0].recordings == []
    frame = hard_frame(CHOICES, RISING, experts=1)
    for cell_id in ("mine", "other"):
        written(store.recordings_folder, frame, cell_id=cell_id)
    (store.recordings_folder / "cut-0-1.parquet").write_bytes(b"PAR1")
    found, unread = suite_results(store, "s", "?", results)
    assert [each.facts.cell_id for each in found.recordings] == ["mine"]
    assert len(unread) == 1
    assert "cut-0-1.parquet" in unread[0]
