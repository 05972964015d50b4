"""Records that moebench writes for itself: damaged in any way, each is one sentence and costs no more than itself."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from moebench.errors import BadInput
from moebench.files import check_file_name, is_file_name, set_aside
from moebench.reports import write
from moebench.results import RunStatus
from moebench.results.run_status import damaged_statuses, statuses
from moebench.spec.job_record import JobRecord
from moebench.spec.records import read_record
from moebench.training import checkpoints, saved_models

STATUS = {"suite": "s", "run_id": "r", "total": 3, "ended": {"ok": 1}, "running": {"soft": 1.5}, "seconds_left": 2.0}
RECORDS: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "run status": (RunStatus, {**STATUS, "written": 1.0, "host": "h", "pid": 5, "pid_began": 1.0}),
    "checkpoint": (
        checkpoints._Record,
        {
            "owner": {"cell_id": "c"},
            "rows": {"seed 0": {"accuracy": 0.5}},
            "part": "seed 1",
            "losses": [1.0, 0.5],
            "accuracies": [0.1, 0.2],
            "gradient_norms": [1.0, 1.0],
            "wall_s": 2.0,
            "eval_points": [[1, 0.5, 0.9]],
            "arrays": {"parameters.a": "float32[2]"},
            "files": {"manifest": "ab"},
            "digest": "cd",
        },
    ),
    "saved model": (
        saved_models._Record,
        {
            "model": "mu/2",
            "router": "soft",
            "options": {"experts": 2, "noise": 0.5, "dispatch": None},
            "channels": 1,
            "group_images": 8,
            "data": "digits",
            "classes": 10,
            "arrays": {"parameters.a": ["float32", [2, 3]]},
            "digests": {"a": "b"},
        },
    ),
    "report": (write._Stamp, {"made_from": "ab", "paths": ["pareto.png"], "missing": ["no figure 'x'"]}),
    "job": (
        JobRecord,
        {
            "spec": {"router": "soft", "options": {"experts": 2}, "seeds": [0]},
            "identity": {"suite": "s", "run_id": "r", "cell_id": "c", "fingerprint": "f", "attempt": 1},
            "checkpoints": "/tmp/c",
        },
    ),
}
WRONG: tuple[Any, ...] = (None, True, -1, 10**400, 1.5, "text", "../../x", [], [[]], {}, {"a": []}, float("nan"))


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a record."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        yield (*at, key)
        yield from places(inner, (*at, key))


def replaced(record: Any, at: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Any:
    """A copy of a record, changed at one place."""
    copy = json.loads(json.dumps(record))
    around = copy
    for key in at[:-1]:
        around = around[key]
    change(around, at[-1])
    return copy


def mutations(record: dict[str, Any], draws: random.Random) -> Iterator[bytes]:
    """Texts that a damaged or hostile record may have; the first of each kind, then at random."""
    text = json.dumps(record).encode()
    yield from (
        b"",
        b"\x00" * 100,
        text[: len(text) // 2],
        text + b"}",
        b"\xff\xfe" + text,
        b"[" * 100_000,
        b"9" * 5_000,
    )
    yield from (b"null", b"[]", b'"text"', b"1", b'{"a": ' * 10_000, json.dumps([record]).encode())
    spots = list(places(record))
    for _ in range(60):
        at = draws.choice(spots)
        if draws.random() < 0.2:
            yield json.dumps(replaced(record, at, lambda around, key: around.pop(key))).encode()
        elif draws.random() < 0.2:
            spot = draws.randrange(len(text))
            yield text[:spot] + bytes([draws.randrange(256)]) + text[spot + 1 :]
        else:
            wrong = draws.choice(WRONG)

            def put(around: Any, key: Any, wrong: Any = wrong) -> None:
                around[key] = wrong

            yield json.dumps(replaced(record, at, put)).encode()


@pytest.mark.parametrize("kind", RECORDS)
def test_a_sound_record_is_read(kind: str, tmp_path: Path) -> None:
    model, record = RECORDS[kind]
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record))
    found = read_record(path, model, kind)
    assert all(getattr(found, key) is not None for key in record)


@pytest.mark.parametrize("kind", RECORDS)
def test_a_damaged_record_is_one_sentence(kind: str, tmp_path: Path) -> None:
    model, record = RECORDS[kind]
    path = tmp_path / "record.json"
    refused = 0
    for text in mutations(record, random.Random(kind)):
        path.write_bytes(text)
        try:
            read_record(path, model, kind)
        except BadInput as error:
            refused += 1
            sentence = str(error)
            assert str(path) in sentence
            assert "\n" not in sentence
            assert len(sentence) < 1_000
            assert not [word for word in ("Input should", "pydantic", "Value error", "validation") if word in sentence]
    assert refused >= 30  # of 73; what is left is a value that the record may have


def test_files_that_are_no_record_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot read the run status .*: No such file or directory"):
        read_record(tmp_path / "none.json", RunStatus, "run status")
    (tmp_path / "link.json").symlink_to("/dev/zero")
    with pytest.raises(BadInput, match="it is no regular file"):
        read_record(tmp_path / "link.json", RunStatus, "run status")
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(BadInput, match="it has more than 268,435,456 bytes"):
        read_record(tmp_path / "large.json", RunStatus, "run status")


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "../x", "a/b", "/etc", "_cells", ".hidden", "a\0b", "a\nb", "\x1b[31m", "a:b", "x" * 201, "\udcff"],
)
def test_a_name_that_leads_out_of_its_folder_is_refused(name: str) -> None:
    assert not is_file_name(name)
    with pytest.raises(BadInput, match="cannot name a file"):
        check_file_name(name, "run")


def test_names_that_people_give_are_taken() -> None:
    for name in ("scaling-experts", "20250102T030405-abc123", "größe 2", "a.b", "x" * 200):
        assert check_file_name(name) == name


def test_a_status_that_names_another_run_removes_nothing(tmp_path: Path) -> None:
    results = tmp_path / "results"
    RunStatus("small", "r1", 5, pid_began=1.0).publish(results)
    folder = results / "_files" / "small" / "running"
    outside = tmp_path / "victim.json"
    outside.write_text("precious")
    dead = {**RECORDS["run status"][1], "pid_began": 1.0}
    hostile = {
        "up.json": {**dead, "suite": "..", "run_id": "victim"},
        "away.json": {**dead, "suite": "small", "run_id": "../../../victim"},
        "other.json": {**dead, "suite": "small", "run_id": "r2"},
        "typed.json": {**dead, "suite": "small", "run_id": "typed", "pid": "1"},
    }
    for name, content in hostile.items():
        (folder / name).write_text(json.dumps(content))
    assert [status.run_id for status in statuses(results)] == ["r1"]
    damaged = {problem.path.name: problem.what for problem in damaged_statuses(results)}
    assert damaged.keys() == hostile.keys()
    assert damaged["other.json"] == "is damaged: it names the run small/r2."
    assert "'pid' should be a whole number" in damaged["typed.json"]
    for status in statuses(results):
        status.withdraw(results)
    for problem in damaged_statuses(results):
        set_aside(problem.path)
    assert outside.read_text() == "precious"
    assert sorted(path.name for path in folder.iterdir()) == sorted(f".{name}.damaged" for name in hostile)
    assert list(damaged_statuses(results)) == []


def test_what_is_set_aside_replaces_what_was(tmp_path: Path) -> None:
    for content in ("first", "second"):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "file").write_text(content)
        set_aside(tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == [".a.damaged"]
    assert (tmp_path / ".a.damaged" / "file").read_text() == "second"
    set_aside(tmp_path / "gone")
