"""What the page of recorded routing holds, and what it cannot be built from."""

from pathlib import Path

import numpy as np
import pytest
from recordings import four_routers, hard_frame, soft_frame, written

from moebench.cli import main
from moebench.reports.look.content import content


def test_hard_choices_by_hand(tmp_path: Path) -> None:
    # One image of four patches, all of which want expert 0; array order serves the first, BPR the surest.
    frame = hard_frame(
        [[[0], [0], [0], [1]]], [[[0.6], [0.9], [0.7], [0.8]]], experts=2, dropped=[[[0], [1], [1], [0]]]
    )
    found = content([written(tmp_path, frame)], 1)["recordings"][0]
    (layer,) = found["layers"]
    assert layer["percent"] == [60, 90, 70, 80]
    assert layer["dropped"] == [0, 1, 1, 0]
    assert layer["array"] == [1, 2, 3, 1]
    assert layer["priority"] == [3, 1, 2, 1]
    # round(4 tokens · k=1 · C / 2 experts), and at least one.
    assert found["slots"] == [1, 1, 1, 2, 2, 4]
    assert found["trainedSlots"] == 2


def test_weights_of_a_soft_router_are_summed_over_the_slots_of_an_expert(tmp_path: Path) -> None:
    combine = np.array([[[[0.125, 0.5], [0.25, 0.125]]]])
    recording = written(tmp_path, soft_frame(np.ones_like(combine), combine), kind="soft", grid=1, tokens=1)
    (layer,) = content([recording], 1)["recordings"][0]["layers"]
    assert layer["expert"] == [0, 1]
    assert layer["percent"] == [62, 38]
    assert "array" not in layer


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("results")
    four_routers(root / "_files" / "s" / "routing")
    return root


def test_the_command_writes_a_page_of_a_suite_or_of_cells(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, names in enumerate(([], ["s"], ["bpr[experts=4]", "soft"])):
        page = results / f"{number}.html"
        with pytest.raises(SystemExit) as end:
            main(["look", *names, "--images", "3", "--out", str(page), "--results", str(results)])
        assert end.value.code == 0, capsys.readouterr().err
        assert page.stat().st_size > 5_000
    assert capsys.readouterr().out.splitlines()[-1] == str(page)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nothing"], "no recording of 'nothing'"),
        (["--images", "65"], "--images should be from 1 to 64, not 65."),
        (["dense"], "a dense layer has no routing: choose a cell with a router."),
    ],
)
def test_mistakes_are_answered_in_a_sentence(
    arguments: list[str], sentence: str, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["look", *arguments, "--results", str(results)])
    assert end.value.code == 2
    assert sentence in capsys.readouterr().err
