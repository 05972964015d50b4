"""Parts of the results by what they are called on the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
from results_rows import finish

from moebench.errors import BadInput
from moebench.results import Store
from moebench.results.selection import History, parse_conditions

EARLY, LATE = "20250102T030405-abc123", "20250103T030405-def456"
OLD, NEW = "4f77fe2a11b0", "a0b8909c22d1+"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Soft MoE and BPR with 2 and 4 experts, run twice, the second time at another commit; all but the last sealed."""
    store = Store(tmp_path / "results", "small")
    for attempt, (run, commit) in enumerate([(EARLY, OLD), (LATE, NEW)], 1):
        for router in ("soft", "bpr"):
            for experts in (2, 4):
                inputs = {"experts": experts, "batch_size": 64, "moe_layers": "2,3", "config": config(experts)}
                made = {"run_id": run, "attempt": attempt, "git_commit": commit}
                finish(store, f"{router}-{experts}", router=router, **inputs, **made)
        if run == EARLY:
            store.seal(run)
    return tmp_path / "results"


def config(experts: int) -> str:
    return json.dumps({"batch": 64, "total_slots": "tokens", "options": {"experts": experts, "dispatch": "gather"}})


def chosen(root: Path, text: str) -> set[tuple[str, int]]:
    """Cells and attempts of a selection."""
    rows = History(root).select(text).rows
    assert not rows.duplicated(["cell_id", "seed"]).any()
    return set(zip(rows["cell_id"], rows["attempt"].astype(int), strict=True))


ALL = ("soft-2", "soft-4", "bpr-2", "bpr-4")


def test_keys_choose_among_the_newest_rows(root: Path) -> None:
    assert chosen(root, "router=soft") == {("soft-2", 2), ("soft-4", 2)}
    assert chosen(root, "router=soft,bpr,experts=4") == {("soft-4", 2), ("bpr-4", 2)}
    # However a number is written; options of the router and keys of a suite; a value with a comma of its own.
    assert chosen(root, "experts=4.0,dispatch=gather,total_slots=tokens") == {("soft-4", 2), ("bpr-4", 2)}
    assert chosen(root, "moe_layers=2,3,router=soft") == {("soft-2", 2), ("soft-4", 2)}
    assert History(root).select("router=soft,batch_size=64").keys == {"router", "batch"}


def test_a_run_and_a_commit_are_found_though_newer_rows_have_replaced_them(root: Path) -> None:
    Store(root, "small").seal(LATE)
    assert chosen(root, EARLY) == chosen(root, "4f77") == {(cell, 1) for cell in ALL}
    assert chosen(root, LATE[:10]) == chosen(root, NEW) == {(cell, 2) for cell in ALL}
    # The whole name of a commit of which the first letters are kept.
    assert chosen(root, OLD + "0" * 28) == {(cell, 1) for cell in ALL}


def test_a_folder_of_results_and_the_folder_of_a_suite(root: Path) -> None:
    assert chosen(root, str(root)) == chosen(Path("elsewhere"), str(root / "small")) == {(cell, 2) for cell in ALL}
    assert History(root).select(str(root)).keys == frozenset()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("soft", "did you mean 'router=soft'"),
        ("2025", f"may be any of {EARLY}, {LATE}"),
        ("ffffffff", "`moebench results ls` lists the runs"),
        ("routr=soft", "unknown key 'routr': did you mean 'router'"),
        ("router=sotf", "did you mean 'soft'"),
        (
            "router=soft,experts=8",
            "unknown experts '8' of the results in .*: known are: 2, 4. --results DIR reads another",
        ),
        ("router=soft,router=bpr", "twice"),
        ("router=", "no selection"),
        ("=soft", "no selection"),
        ("", "is empty"),
    ],
)
def test_what_stands_for_nothing_is_answered_with_what_would(root: Path, text: str, message: str) -> None:
    with pytest.raises(BadInput, match=message.replace("(", "\\(")):
        History(root).select(text)


def test_no_cell_has_all_that_is_asked_for(root: Path) -> None:
    finish(Store(root, "small"), "dense", run_id=LATE, attempt=2, router="dense", experts=1)
    with pytest.raises(BadInput, match=r"no cell in .* has all of"):
        History(root).select("router=dense,experts=4")


def test_an_empty_folder_and_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"no results in .*: `moebench suite NAME` writes results"):
        History(tmp_path).select(str(tmp_path))
    with pytest.raises(BadInput, match="'a' is no folder, and there is no folder"):
        History(tmp_path / "gone").select("a")


def test_a_file_that_cannot_be_read_is_named_and_hides_no_other(root: Path) -> None:
    (root / "small" / "broken.parquet").write_bytes(b"PAR1")
    history = History(root)
    assert len(history.select("router=soft").rows) == 4
    assert [problem.path.name for problem in history.problems] == ["broken.parquet"]


def test_conditions_by_hand() -> None:
    found: dict[str, Any] = parse_conditions("router=soft, bpr,experts = 8")
    assert found == {"router": ["soft", "bpr"], "experts": ["8"]}
