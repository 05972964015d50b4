"""Figures of recordings: what they show of hand-written routings, and what they cannot be drawn from."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PatchCollection
from overlaps import overlaps
from recordings import four_routers, hard_frame, written

from moebench.errors import BadInput
from moebench.inside.load import Recording
from moebench.reports.figures.clusters import clustered
from moebench.reports.figures.layout import Layout
from moebench.reports.figures.patches import expert_colors, titles_of
from moebench.reports.figures.recorded import Choice, draw_recordings, routing_entries, side_by_side
from moebench.reports.figures.save import save
from moebench.spec.figure_names import ROUTING_FIGURES


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    return four_routers(tmp_path_factory.mktemp("results") / "_files" / "s" / "routing")


@pytest.mark.parametrize("layout", [Layout(columns=1), Layout("talk", 2)])
@pytest.mark.parametrize("name", ROUTING_FIGURES)
def test_figures_are_drawn_with_their_numbers(
    name: str, layout: Layout, recordings: list[Recording], tmp_path: Path
) -> None:
    figure = draw_recordings(name, recordings, layout=layout)
    assert len(figure.frame)
    assert figure.get_figwidth() == layout.width
    assert overlaps(figure) == []
    (path,) = save(figure, tmp_path / name, ["png"])
    pixels = plt.imread(path)
    assert pixels.std() > 0.05  # something is drawn
    assert routing_entries()[name].caption.endswith(".")


def test_every_figure_of_recordings_is_registered() -> None:
    assert tuple(routing_entries()) == ROUTING_FIGURES


def hatched(figure: Any) -> list[int]:
    """How many squares are hatched in each panel with images, panels without any left out."""
    collections = [each for axes in figure.axes for each in axes.collections if isinstance(each, PatchCollection)]
    return [len(each.get_paths()) for each in collections]


def test_tokens_of_no_expert_are_hatched(recordings: list[Recording]) -> None:
    figure = draw_recordings("routing", [recordings[1]], Choice(images=3))
    assert hatched(figure) == [1, 1, 1]
    shown = figure.frame
    assert shown[shown["token"] == 3]["dropped"].all()
    assert not shown[shown["token"] != 3]["dropped"].any()


def test_dropped_squares_are_those_of_the_capacity(recordings: list[Recording]) -> None:
    """S = 8 · 4 tokens, k = 2, E = 4, C = 1/4: 4 slots each, so that no more than 16 of 32 tokens are processed."""
    figure = draw_recordings("dropped", [recordings[0]])
    by_row = np.reshape(hatched(figure), (2, 8))  # array order, priority
    assert (by_row.sum(1) >= 16).all()
    array, priority = by_row
    assert array[:2].sum() == 0  # the first images of the group take the slots
    assert priority[:2].sum() > 0
    shares = figure.frame.set_index(["order", "capacity_factor"])["dropped"]
    assert shares["array", 0.25] == pytest.approx(
        np.mean([by_row[0].sum(), _dropped(recordings[0], group=1)]) / 32, abs=1e-9
    )
    assert (shares["array"].diff().dropna() <= 0).all()  # more slots never drop more


def _dropped(recording: Recording, group: int) -> int:
    """Tokens of another group that are dropped at C = 1/4 in array order, token by token."""
    frame = recording.frame(layers=[3])
    frame = frame[frame["group"] == group].sort_values(["rank", "place", "token"])
    taken = dict.fromkeys(range(4), 0)
    processed = set()
    for row in frame.itertuples():
        if taken[row.expert] < 4:
            taken[row.expert] += 1
            processed.add((row.image, row.token))
    return 32 - len(processed)


def test_a_dense_layer_has_no_routing(recordings: list[Recording]) -> None:
    for name in ("routing", "dynamics", "specialisation"):
        with pytest.raises(BadInput, match="a dense layer has no"):
            draw_recordings(name, [recordings[3]])


@pytest.mark.parametrize(
    ("name", "cell", "sentence"),
    [
        ("dropped", 2, "none of the recorded cells has a capacity"),
        ("slots", 0, "none of the recorded cells has slots that hold mixtures; choose soft"),
        ("coactivation", 2, "no recorded cell has tokens of several experts; top_k=2 gives them two"),
        ("dynamics", 1, "no recording was made during training; `record_during_training: 8`"),
    ],
)
def test_what_cannot_be_drawn_is_said(name: str, cell: int, sentence: str, recordings: list[Recording]) -> None:
    with pytest.raises(BadInput, match=sentence):
        draw_recordings(name, [recordings[cell]])


def test_choices_that_do_not_exist(recordings: list[Recording]) -> None:
    with pytest.raises(BadInput, match="layer 2 is no MoE layer; 1, 3 are"):
        draw_recordings("routing", recordings[:1], Choice(layer=2))
    with pytest.raises(BadInput, match="unknown figure 'routin': did you mean 'routing'"):
        draw_recordings("routin", recordings)
    with pytest.raises(BadInput, match="a figure shows 1 to 24 images, not 25"):
        Choice(images=25)


def test_one_cell_of_each_router_stands_side_by_side(tmp_path: Path) -> None:
    frame = hard_frame(np.zeros((2, 4, 1), int), experts=1)
    cells = [("a", "soft", 2, 0), ("b", "bpr", 2, 1), ("c", "bpr", 8, 1), ("c", "bpr", 8, 0), ("d", "bpr", 8, 0)]
    found = [
        written(tmp_path, frame, cell_id=cell, router=router, experts=experts, seed=seed)
        for cell, router, experts, seed in cells
    ]
    shown = side_by_side(found)
    assert [(each.facts.cell_id, each.facts.seed) for each in shown] == [("c", 0), ("a", 0)]
    shown = side_by_side(found, all_cells=True)
    assert sorted(each.facts.cell_id for each in shown) == ["a", "b", "c", "d"]
    many = [written(tmp_path, frame, cell_id=f"m{number}") for number in range(7)]
    with pytest.raises(BadInput, match="7 cells do not fit side by side; choose at most 6"):
        side_by_side(many, all_cells=True)


def test_routers_of_a_suite_of_several_tasks_are_shown_on_the_images_of_most_of_them(tmp_path: Path) -> None:
    frame = hard_frame(np.zeros((2, 4, 1), int), experts=1)
    cells = [("bpr", "skewed-16"), ("soft", "skewed-16"), ("hash", "skewed-16"), ("hash", "domains-16")]
    found = [
        written(tmp_path, frame, cell_id=f"{router}{data}", router=router, data=data, images=data, experts=1)
        for router, data in cells
    ]
    assert [each.facts.cell_id for each in side_by_side(found)] == ["bprskewed-16", "softskewed-16", "hashskewed-16"]
    # Of equals the first by name, whatever comes first in the folder.
    assert [each.facts.data for each in side_by_side(found[2:])] == ["domains-16"]
    names = ["zero-experts", "uniform", "soft", "bpr", "hash", "dense", "tokens-choice"]
    many = [written(tmp_path, frame, cell_id=name, router=name, experts=1) for name in names]
    assert [each.facts.router for each in side_by_side(many)][:4] == ["dense", "tokens-choice", "bpr", "soft"]


def test_experts_keep_their_colours_and_none_is_grey() -> None:
    assert expert_colors(4) == expert_colors(9)[:4]
    for experts in (2, 9, 16, 128):
        colors = expert_colors(experts)
        assert len(set(colors)) == experts
        assert all(max(color) - min(color) > 0.1 for color in colors)


def test_alike_rows_become_neighbours() -> None:
    rows = np.array([[0.0, 0], [9, 9], [0, 1], [9, 8]])
    order = clustered(rows).tolist()
    assert {frozenset(order[:2]), frozenset(order[2:])} == {frozenset((0, 2)), frozenset((1, 3))}
    assert clustered(rows[:2]).tolist() == [0, 1]


def test_titles_name_the_options_in_which_cells_differ(tmp_path: Path) -> None:
    frame = hard_frame(np.zeros((2, 4, 1), int), experts=1)
    cells = {"a": "bpr[experts=1,capacity_factor=0.5]", "b": "bpr[experts=1,capacity_factor=1]", "c": "soft[experts=1]"}
    found = [
        written(tmp_path, frame, cell_id=number, router=cell.partition("[")[0], cell=cell, experts=1)
        for number, cell in cells.items()
    ]
    assert titles_of(found[:2], 40) == ["bpr\ncapacity_factor=0.5", "bpr\ncapacity_factor=1"]
    assert titles_of([found[0], found[2]], 40) == ["bpr\ncapacity_factor=0.5", "soft"]
    assert titles_of(found[:1], 40) == ["bpr\nexperts=1,capacity_factor=0.5"]
