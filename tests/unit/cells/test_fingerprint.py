"""What makes a stored cell stale: edited code, library versions and settings of JAX; and what does not."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import pytest

import moebench
from moebench import routers
from moebench.cells import fingerprint
from moebench.cells.fingerprint import CELL_PROGRAM, VERSIONS, Code
from moebench.cells.import_closure import Modules, PackageSources, digests
from moebench.cells.queries import resolve
from moebench.cells.resolve import resolve_cell
from moebench.code.digests import digest
from moebench.code.module_syntax import parse
from moebench.errors import BadInput
from moebench.measuring import environment
from moebench.measuring.environment import PINNED, RECORDED, jax_settings, pin_jax_settings
from moebench.results import COLUMNS
from moebench.spec.cell_spec import CellSpec

PACKAGE = Path(moebench.__file__).parent


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy") / "moebench"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def code(package: Path, router: str) -> list[str]:
    """The code of a router's cells as a fresh process would see it."""
    return codes(package, [router])[router]


def codes(package: Path, names: Iterable[str]) -> dict[str, list[str]]:
    """The code of several routers by their names, as a fresh process would see it."""
    found = Code(package / "__init__.py")
    return {name: found.digests(name) for name in names}


def files(package: Path, lines: list[str]) -> list[Path]:
    """The files of the modules that a list of digests names."""
    places = [package.parent.joinpath(*line.split()[0].split(".")) for line in lines]
    return [place / "__init__.py" if place.is_dir() else place.with_suffix(".py") for place in places]


class Constants(ast.NodeTransformer):
    """Changes the first constant that is no text on its own."""

    changed = False

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return node if isinstance(node.value, ast.Constant) else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST:
        return node if isinstance(node.test, ast.Name) else self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if self.changed or not isinstance(node.value, (int, float, str)):
            return node
        self.changed = True
        return ast.Constant(f"{node.value} changed" if isinstance(node.value, str) else node.value + 1)


def with_a_constant_changed(source: str) -> str | None:
    """The text with another constant; None if it has none."""
    changer = Constants()
    tree = changer.visit(ast.parse(source))
    return ast.unparse(tree) if changer.changed else None


@pytest.fixture
def edited(copy: Path) -> Iterator[Callable[[Path, str], None]]:
    """Writes another text into a file of the copy until the test is over."""
    before: dict[Path, str] = {}

    def write(file: Path, text: str) -> None:
        before.setdefault(file, file.read_text())
        file.write_text(text)

    yield write
    for file, text in before.items():
        file.write_text(text)


@pytest.mark.parametrize("router", ["bpr", "sinkhorn", "soft-uniform", "dropless"])
def test_a_constant_in_any_module_of_the_closure_makes_the_cell_stale(
    copy: Path, edited: Callable[[Path, str], None], router: str
) -> None:
    """Every module is edited at once: each must show by a line of its own, and one other line is another digest."""
    before = code(copy, router)
    changed = {}
    for file, line in zip(files(copy, before), before, strict=True):
        text = with_a_constant_changed(file.read_text())
        if text is not None:  # None: a package that only gathers names
            changed[line] = text
            edited(file, text)
    after = code(copy, router)
    assert set(before) - set(after) == set(changed)
    assert len(changed) >= 80
    for place, line in enumerate(before):
        assert digest([*before[:place], f"{line}0", *before[place + 1 :]]) != digest(before)


def test_docstrings_comments_and_blank_lines_make_nothing_stale(
    copy: Path, edited: Callable[[Path, str], None]
) -> None:
    class Docstrings(ast.NodeTransformer):
        def visit_Expr(self, node: ast.Expr) -> ast.AST:
            if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                return ast.Expr(ast.Constant(f"Reworded: {node.value.value}"))
            return node

    before = code(copy, "bpr")
    for file in files(copy, before):
        text = file.read_text()
        reworded = ast.unparse(Docstrings().visit(ast.parse(text)))  # comments and blank lines are lost on the way
        assert text != reworded or not text
        edited(file, f"# A comment.\n\n\n{reworded}\n\n# Another.\n")
    assert code(copy, "bpr") == before


def test_modules_outside_the_closure_make_nothing_stale(copy: Path, edited: Callable[[Path, str], None]) -> None:
    every = [name for name in routers.names() if routers.find(name).__module__.startswith("moebench.")]
    before = codes(copy, every)
    inside = {file for lines in before.values() for file in files(copy, lines)}
    outside = [file for file in copy.rglob("*.py") if file not in inside]
    rooms = {file.relative_to(copy).parts[0] for file in outside}
    assert rooms >= {"reports", "cli", "compare", "suites", "executors", "checking", "papers", "plot.py"}
    for file in outside:
        changed = with_a_constant_changed(file.read_text())
        if changed is not None:
            edited(file, changed)
    assert codes(copy, every) == before


def test_a_strategy_makes_only_cells_that_use_it_stale(copy: Path, edited: Callable[[Path, str], None]) -> None:
    before = codes(copy, ("soft", "soft-uniform", "bpr", "switch", "dense"))
    (file,) = [copy.parent / f"{routers.Soft.__module__.replace('.', '/')}.py"]
    changed = with_a_constant_changed(file.read_text())
    assert changed is not None
    edited(file, changed)
    after = codes(copy, before)
    stale = {name for name, lines in before.items() if after[name] != lines}
    assert stale == {"soft", "soft-uniform"}  # the ablation is built from it


@pytest.mark.parametrize(
    ("module", "stale"),
    [
        ("sparse", {"bpr", "sinkhorn", "soft"}),
        ("capacity", {"bpr", "sinkhorn", "soft"}),
        ("hard_routing", {"bpr", "sinkhorn", "soft"}),
        ("metrics", {"bpr", "sinkhorn", "soft"}),
        ("losses", {"bpr"}),
        ("assignment", {"sinkhorn"}),
    ],
)
def test_machinery_makes_cells_of_the_routers_that_use_it_stale(
    copy: Path, edited: Callable[[Path, str], None], module: str, stale: set[str]
) -> None:
    before = codes(copy, ("bpr", "sinkhorn", "soft"))
    (file,) = copy.rglob(f"routers/{module}.py")
    changed = with_a_constant_changed(file.read_text())
    assert changed is not None
    edited(file, changed)
    after = codes(copy, before)
    assert {name for name, lines in before.items() if after[name] != lines} == stale


def test_a_registered_data_set_is_in_the_closure() -> None:
    names = [line.split()[0] for line in fingerprint.code("soft")]
    assert "moebench.data.digits" in names
    assert CELL_PROGRAM in names


def test_code_is_read_once_in_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    fingerprint.code("bpr", "dense")
    monkeypatch.setattr(Path, "read_bytes", None)
    assert fingerprint.code("bpr", "dense") == fingerprint.code("dense", "bpr")


def closure(folder: Path, **texts: str) -> set[str]:
    """The modules of a package `pack` that its module `start` needs."""
    for name, text in {"__init__": "", **texts}.items():
        file = folder / "pack" / f"{name.replace('__in__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    sources = PackageSources(folder / "pack" / "__init__.py")
    modules = Modules({"pack": sources}.get)
    found = modules.closure(["pack.start"])
    return {name.removeprefix("pack").removeprefix(".") for name in found | modules.around(found)}


@pytest.mark.parametrize(
    ("start", "found"),
    [
        ("import json", {"", "start"}),
        ("from pack import a", {"", "start", "a"}),
        ("from . import a", {"", "start", "a"}),
        ("from .a import X", {"", "start", "a"}),
        ("import pack.a", {"", "start", "a"}),
        ("from pack.a import *", {"", "start", "a"}),
        ("def f():\n    if f:\n        from pack.a import X", {"", "start", "a"}),
        ("try:\n    import pack.a as a\nexcept ImportError:\n    a = None", {"", "start", "a"}),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pack import a", {"", "start"}),
        ("import typing\nif typing.TYPE_CHECKING:\n    import pack.a\nelse:\n    import pack.b", {"", "start", "b"}),
        ("import pack.room.one", {"", "start", "room", "room.one"}),
        ("from pack.room.one import X", {"", "start", "room", "room.one"}),
        ("from pack import room", {"", "start", "room", "room.one", "room.two"}),
        ("from pack.room import one_x", {"", "start", "room", "room.one", "room.two"}),
        ("import pack\npack.a.X", {"", "start", "a"}),
        ("import pack.room.one as r\nr.X", {"", "start", "room", "room.one"}),
        ("from pack.late import later", {"", "start", "late", "b"}),
        ("from pack.late import other", {"", "start", "late"}),
    ],
)
def test_imports_are_found_in_the_syntax_tree(tmp_path: Path, start: str, found: set[str]) -> None:
    late = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pack.b import later\ndef __getattr__(x): ..."
    texts = {
        "a": "X = 1",
        "b": "later = 1",
        "room__in____init__": "from pack.room.one import X as one_x\nfrom pack.room.two import X",
        "room__in__one": "X = 1",
        "room__in__two": "X = 1",
        "late__in____init__": late,
    }
    assert closure(tmp_path, **texts, start=start) == found


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("x = 1  # one", "\n\nx = (\n    1\n)", True),
        ('def f():\n    """One."""\n    return 1', "def f():\n    return 1", True),
        ('class A:\n    x: int = 1\n    """One."""', 'class A:\n    x: int = 1\n    """Other."""', True),
        ("x = 1", "x = 1.0", False),
        ("x = 1", "x = True", False),
        ("x = None", "x = 'None'", False),
        ("x = '''One.'''", "x = '''Other.'''", False),
        ("f(x, y)", "f(y, x)", False),
        ("x = [1, [2]]", "x = [[1], 2]", False),
        ("def f(x, *, y=1): ...", "def f(x, y=1): ...", False),
    ],
)
def test_what_a_digest_tells_apart(one: str, other: str, same: bool) -> None:
    assert (parse(one.encode()).digest == parse(other.encode()).digest) is same


def test_a_module_that_is_no_python_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot read .*a\.py, which a cell needs: SyntaxError"):
        closure(tmp_path, start="from pack import a", a="def f(:")
    modules = Modules(lambda name: None)
    with pytest.raises(BadInput, match="there is no source file of the module pack"):
        digests(modules, ["pack"])


def spec(**changes: Any) -> CellSpec:
    return CellSpec(**{"router": "tokens-choice", "options": {"experts": 2}, "timing_budget_s": 0.0, **changes})


def test_a_cell_counts_its_twin_and_the_routers_of_its_test_time_settings() -> None:
    assert resolve_cell(spec()).routers == ("tokens-choice",)
    assert resolve_cell(spec(timing_budget_s=1.0)).routers == ("dense", "tokens-choice")
    assert resolve_cell(spec(test_time=({"router": "bpr"},))).routers == ("bpr", "tokens-choice")


@pytest.mark.parametrize("version", VERSIONS)
def test_another_version_of_what_computes_makes_the_cell_stale(version: str) -> None:
    here = environment()
    cell = resolve_cell(spec())
    assert cell.identity(here)["fingerprint"] != cell.identity({**here, version: "0"})["fingerprint"]
    assert cell.identity(here)["cell_id"] == cell.identity({**here, version: "0"})["cell_id"]


def test_the_result_table_has_every_column_of_the_environment() -> None:
    known = [column.name for column in COLUMNS if column.group == "environment"]
    assert set(environment()) == set(known)
    assert {*VERSIONS, "jax_settings"} <= set(known)


@pytest.fixture
def settings_restored() -> Iterator[None]:
    before = {name: getattr(jax.config, name, jax.config.values[name]) for name in (*PINNED, *RECORDED)}
    yield
    for name, value in before.items():
        jax.config.update(name, getattr(value, "value", value))


def found() -> str:
    (answer,) = resolve([spec().as_json()])
    return str(answer["fingerprint"])


def test_settings_that_change_programs_are_recorded_and_make_the_cell_stale(
    settings_restored: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    before = found()
    assert environment()["jax_settings"] == "{}"
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    jax.config.update("jax_default_matmul_precision", "highest")
    jax.config.update("jax_numpy_dtype_promotion", "strict")
    assert json.loads(environment()["jax_settings"]) == {
        "jax_cpu_enable_async_dispatch": False,
        "jax_default_matmul_precision": "highest",
        "jax_numpy_dtype_promotion": "strict",
    }
    assert found() != before


def test_flags_of_xla_are_recorded_and_make_the_cell_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    before = found()
    monkeypatch.setenv("XLA_FLAGS", "  ")
    assert (jax_settings(), found()) == ({}, before)
    monkeypatch.setenv("XLA_FLAGS", " --xla_cpu_enable_fast_math=true  --xla_a=1")
    assert jax_settings() == {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true --xla_a=1"}
    assert found() != before


def test_randomness_and_64_bit_mode_are_pinned(settings_restored: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    before, drawn = found(), jax.random.normal(jax.random.key(0), (4,))
    jax.config.update("jax_default_prng_impl", "rbg")
    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_random_seed_offset", 3)
    assert found() == before
    assert {name: getattr(jax.config, name) for name in PINNED} == PINNED
    assert (jax.random.normal(jax.random.key(0), (4,)) == drawn).all()
    pin_jax_settings()
    assert jax_settings() == {}


def test_variables_of_the_environment_reach_the_key_or_are_pinned() -> None:
    program = (
        "import json, jax\nfrom moebench.cells import run\n"
        f"(answer,) = run.resolve([json.loads({json.dumps(json.dumps(spec().as_json()))})])\n"
        "print(json.dumps([answer['fingerprint'], run.environment()['jax_settings'], "
        "jax.random.bits(jax.random.key(1)).item(), jax.numpy.arange(1.0).dtype.name]))"
    )

    def values(**variables: str) -> list[Any]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("JAX_", "XLA_"))}
        environment = {**clean, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(PACKAGE.parent), **variables}
        done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=True)
        return list(json.loads(done.stdout.splitlines()[-1]))  # a slow machine tells of its progress first

    plain = values()
    assert plain[1] == "{}"
    pinned = {"JAX_ENABLE_X64": "1", "JAX_DEFAULT_PRNG_IMPL": "rbg", "JAX_THREEFRY_PARTITIONABLE": "0"}
    assert values(**pinned) == plain
    precise = values(JAX_DEFAULT_MATMUL_PRECISION="highest")
    assert json.loads(precise[1]) == {"jax_default_matmul_precision": "highest"}
    assert precise[0] != plain[0]
