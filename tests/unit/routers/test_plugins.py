"""Routers that moebench does not ship: from a file, and from an installed package."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import EXAMPLE
from registered_routers import forget, undone

from moebench import routers
from moebench.cells.fingerprint import VERSIONS, code
from moebench.cells.queries import resolve
from moebench.cells.resolve import resolve_cell
from moebench.errors import BadInput
from moebench.routers import registry
from moebench.spec.cell_spec import CellSpec

ROUTER = """
import jax.numpy as jnp
from moebench import routers

@routers.register("mine")
class Mine(routers.SparseRouter):
    '''A router.'''
    def __call__(self, tokens, *, noise_key=None):
        routing = routers.find("experts-choice").__call__(self, tokens)
        {returns}
"""

DEVICE = {"device_kind": "cpu", "cpu": "x", "jax_settings": "{}", **dict.fromkeys(VERSIONS, "1")}


@pytest.fixture(autouse=True)
def no_trace_of_plugins() -> Iterator[None]:
    """What a test registers is gone after it."""
    path = list(sys.path)
    with undone():
        yield
    sys.path[:] = path
    registry.broken_packages.cache_clear()


def written(folder: Path, text: str, name: str = "mine.py") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def test_the_example_is_a_router_like_any_other() -> None:
    assert routers.load_plugin(EXAMPLE) == ("tempered-choice",)
    assert routers.options("tempered-choice")["temperature"] == 1.0
    assert routers.explanations("tempered-choice")["temperature"] == "What the logits are divided by."
    # 128 tokens, 4 experts, capacity factor 1.
    assert routers.slots_per_expert("tempered-choice", 128, experts=4) == 32
    with pytest.raises(BadInput, match=r"router 'tempered-choice': temperature must be above 0, got 0\.0"):
        routers.slots_per_expert("tempered-choice", 128, experts=4, temperature=0)
    assert len(EXAMPLE.read_text().partition("@routers")[2].splitlines()) <= 20


def test_a_file_is_run_once_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    count = tmp_path / "count"
    counting = f"\nwith open({str(count)!r}, 'a') as file:\n    file.write('x')\n"
    text = ROUTER.format(returns="return routing") + counting
    for _ in range(2):
        assert routers.load_plugin(written(tmp_path, text)) == ("mine",)
    assert count.read_text() == "x"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["count", "mine.py"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import nothing_like_this", "line 1, raises ModuleNotFoundError: No module named 'nothing_like_this'."),
        ("x = 1\n\ndef f():\n    raise ValueError('a\\nb.')\nf()", "line 4, raises ValueError: a b."),
        ("def f(:\n", "line 1, raises SyntaxError: "),
        ("raise SystemExit", "line 1, raises SystemExit."),
        ("x = 1", "registers no router: put @moebench.routers.register('my-router') above its class."),
        (
            ROUTER.format(returns="").replace('"mine"', '"soft"'),
            "router name 'soft' is taken by moebench.routers.strategies.soft.Soft: choose another.",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(BadInput) as mistake:
        routers.load_plugin(file)
    assert str(mistake.value).startswith(f"plugin {file}")
    assert says in str(mistake.value)
    assert "\n" not in str(mistake.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot read the plugin .*gone.py: No such file"):
        routers.load_plugin(tmp_path / "gone.py")


@pytest.mark.parametrize(
    ("returns", "says"),
    [
        ("return tokens", "returns DynamicJaxprTracer, and not a moebench.routers.Routing."),
        ("raise KeyError('x')", "raises KeyError: 'x'."),
        ("if tokens.sum() > 0: return routing", "raises TracerBoolConversionError: "),
        (
            "object.__setattr__(routing, 'gates', routing.gates[0])\n        return routing",
            "with experts=4 answers tokens of shape [2, 16, 8] by gates of shape [16, 4], which should be "
            "[2, 16, experts].",
        ),
        (
            "object.__setattr__(routing, 'token', routing.token[:, :3])\n        return routing",
            "with experts=4 answers tokens of shape [2, 16, 8] by dispatched tokens of shape [3, 2, 4, 8], which "
            "should be [4, 2, slots, 8].",
        ),
        (
            "object.__setattr__(routing, 'losses', {'l': jnp.ones(3)})\n        return routing",
            "by a loss 'l' of shape [3], which should be [].",
        ),
    ],
)
def test_a_router_that_does_not_keep_to_the_interface_is_named_with_file_and_numbers(
    tmp_path: Path, returns: str, says: str
) -> None:
    file = written(tmp_path, ROUTER.format(returns=returns))
    routers.load_plugin(file)
    with pytest.raises(BadInput) as mistake:
        routers.slots_per_expert("mine", 16, experts=4)
    assert str(mistake.value).startswith(f"router 'mine' of {file} ")
    assert says in str(mistake.value)
    assert mistake.value.key == "router"


def test_a_plain_module_will_do(tmp_path: Path) -> None:
    text = ROUTER.replace("routers.SparseRouter", "nnx.Module").replace(
        "import jax.numpy", "from flax import nnx\nimport jax"
    )
    text = text.partition("    def __call__")[0] + (
        "    def __init__(self, *, dim, rngs, experts: int):\n"
        "        self.experts = experts\n"
        "        self.inner = routers.create('soft', dim=dim, rngs=rngs, experts=experts)\n"
        "    def __call__(self, tokens, *, noise_key=None):\n"
        "        return self.inner(tokens)\n"
    )
    file = written(tmp_path, text)
    routers.load_plugin(file)
    assert routers.slots_per_expert("mine", 16, experts=4) == 1
    two, four = (resolve_cell(CellSpec(router="mine", options={"experts": experts})) for experts in (2, 4))
    assert two.config["options"] == {"experts": 2}
    assert two.identity(DEVICE)["cell_id"] != four.identity(DEVICE)["cell_id"]
    assert registry.described("mine") == f"router 'mine' of {file}"
    assert registry.described("soft") == "router 'soft'"


def test_a_cell_takes_its_router_from_the_plugins_it_names(tmp_path: Path) -> None:
    first = written(tmp_path, ROUTER.format(returns="return routing"), "first.py")
    spec = CellSpec(router="mine", options={"experts": 2}, plugins=(str(first),))
    resolved = resolve_cell(spec)
    assert resolved.label == "mine[experts=2]"
    (one,) = resolve([spec.as_json()])
    routers.plugins._load.cache_clear()
    forget(["mine"])
    # The same router in another place is the same cell; another line in it is other code, another comment is not.
    for change, is_current in (("# changed\n", True), ("X = 1\n", False)):
        second = written(tmp_path, f"{first.read_text()}\n{change}", "second.py")
        (two,) = resolve([spec.model_copy(update={"plugins": (str(second),)}).as_json()])
        assert one["cell_id"] == two["cell_id"]
        assert (one["fingerprint"] == two["fingerprint"]) is is_current


HELPED = """
import helper
from moebench import routers

@routers.register("{name}")
class Mine(routers.Soft):
    '''A router.'''
    half = helper.HALF
    def late(self):
        from helper import LATE
        import inner.deep
        return LATE, inner.deep.X
"""


def helped(folder: Path, name: str = "mine", half: float = 0.5) -> Path:
    """A plugin, a module beside it, and a package beside it that it imports on first use."""
    (folder / "inner").mkdir(parents=True, exist_ok=True)
    written(folder, "", "inner/__init__.py")
    written(folder, "X = 1\n", "inner/deep.py")
    written(folder, f"HALF = {half}\nLATE = 'late'\n", "helper.py")
    return written(folder, HELPED.format(name=name), "router.py")


def half(name: str = "mine") -> float:
    value: float = vars(routers.find(name))["half"]
    return value


def late(name: str = "mine") -> tuple[str, int]:
    value: tuple[str, int] = vars(routers.find(name))["late"](None)
    return value


def test_a_plugin_imports_the_modules_beside_it(tmp_path: Path) -> None:
    assert routers.load_plugin(helped(tmp_path)) == ("mine",)
    assert half() == 0.5
    assert late() == ("late", 1)
    assert "helper" not in sys.modules
    assert str(tmp_path) not in sys.path
    assert not list(tmp_path.rglob("__pycache__"))


def test_two_plugins_have_a_helper_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "HALF = 3.0", "helper.py")
    monkeypatch.syspath_prepend(tmp_path)
    import helper  # type: ignore[import-not-found]  # a module of this name that the process knows already

    routers.load_plugin(helped(tmp_path / "one", "one", 1.0))
    routers.load_plugin(helped(tmp_path / "two", "two", 2.0))
    assert (half("one"), half("two"), helper.HALF) == (1.0, 2.0, 3.0)
    assert late("one") == ("late", 1)
    monkeypatch.delitem(sys.modules, "helper")


@pytest.mark.parametrize("edited", ["router.py", "helper.py", "inner/deep.py"])
def test_an_edited_plugin_is_other_code_and_runs_again(tmp_path: Path, edited: str) -> None:
    file = helped(tmp_path)
    routers.load_plugin(file)
    late()
    before = code("mine")
    text = (tmp_path / edited).read_text()
    written(tmp_path, f"# A comment.\n{text}", edited)
    assert routers.load_plugin(file) == ("mine",)
    assert code("mine") == before
    written(tmp_path, text.replace("0.5", "0.7").replace("X = 1", "X = 2").replace("helper.HALF", "0.9"), edited)
    assert code("mine") == before  # what has run is what counts
    for _ in range(2):
        assert routers.load_plugin(file) == ("mine",)
    assert code("mine") != before
    assert half() == {"router.py": 0.9, "helper.py": 0.7, "inner/deep.py": 0.5}[edited]
    late()
    assert late()[1] == (2 if edited == "inner/deep.py" else 1)


def test_a_module_that_was_not_run_yet_runs_as_it_was_counted(tmp_path: Path) -> None:
    routers.load_plugin(helped(tmp_path))
    before = code("mine")
    written(tmp_path, "X = 2", "inner/deep.py")
    assert late() == ("late", 1)
    assert code("mine") == before


def test_a_plugin_counts_by_what_is_in_its_modules_and_not_by_their_place(tmp_path: Path) -> None:
    routers.load_plugin(helped(tmp_path / "one"))
    before = code("mine")
    forget(["mine"])
    routers.load_plugin(helped(tmp_path / "two"))
    assert code("mine") == before
    written(tmp_path / "two", "X = 1", "unused.py")
    assert code("mine") == before


@pytest.mark.parametrize(
    ("imports", "helper"),
    [
        ("from .helper import HALF", "HALF = 0.5"),
        ("from helper import *", "HALF = 0.5"),
        ("import inner.deep as d; HALF = d.X / 2", ""),
        ("from inner import deep; HALF = deep.X / 2", ""),
        # It imports the plugin in turn, which does not run twice.
        ("from helper import HALF", "import router\nHALF = 0.5"),
        # The standard library stays what it is.
        ("import json; HALF = json.loads('0.5')", ""),
    ],
)
def test_ways_to_import_from_beside(tmp_path: Path, imports: str, helper: str) -> None:
    file = helped(tmp_path)
    written(tmp_path, "raise ValueError", "json.py")
    written(tmp_path, f"{helper}\nLATE = 'late'", "helper.py")
    written(
        tmp_path,
        HELPED.format(name="mine").replace("import helper", imports, 1).replace("helper.HALF", "HALF"),
        "router.py",
    )
    routers.load_plugin(file)
    assert half() == 0.5
    assert len(code("mine")) > len(code("soft"))


def test_a_fault_beside_a_plugin_is_named_and_can_be_mended(tmp_path: Path) -> None:
    file = helped(tmp_path)
    written(tmp_path, "\n1 / 0", "helper.py")
    with pytest.raises(
        BadInput, match=r"router\.py, line 2 of helper\.py, raises ZeroDivisionError: division by zero\."
    ):
        routers.load_plugin(file)
    written(tmp_path, "def f(:", "helper.py")
    with pytest.raises(BadInput, match=r"router\.py, line 1 of helper\.py, raises SyntaxError: "):
        routers.load_plugin(file)
    assert routers.load_plugin(helped(tmp_path)) == ("mine",)


def test_a_router_built_from_another_by_name_counts_it(tmp_path: Path) -> None:
    routers.load_plugin(written(tmp_path, ROUTER.format(returns="return routing")))
    names = [line.split()[0] for line in code("mine")]
    assert routers.ExpertsChoice.__module__ in names
    assert routers.Soft.__module__ not in names


def test_a_suite_cannot_name_plugins() -> None:
    assert "plugins" not in set(CellSpec.keys())


def installed(folder: Path, package: str, text: str) -> None:
    """A package with an entry point, as pip would leave it."""
    written(folder, text, f"{package}.py")
    metadata = folder / f"{package}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[moebench.routers]\nmine = {package}\n")
    sys.path.insert(0, str(folder))


def test_installed_packages_bring_routers_and_a_broken_one_hides_no_other(tmp_path: Path) -> None:
    installed(tmp_path, "broken_router_package", "import nothing_like_this")
    installed(tmp_path, "empty_router_package", "")
    installed(tmp_path, "good_router_package", ROUTER.format(returns="return routing"))
    registry.broken_packages.cache_clear()
    assert routers.find("soft").name == "soft"
    assert "good_router_package" not in sys.modules  # what moebench has itself needs nobody else's code
    assert routers.find("mine").name == "mine"
    assert any(line.startswith("good_router_package ") for line in code("mine"))
    assert "mine" in routers.names()
    assert sorted(routers.broken_packages()) == [
        "the entry point 'mine = broken_router_package' of the package 'broken_router_package' cannot be imported: "
        "ModuleNotFoundError: No module named 'nothing_like_this'",
        "the entry point 'mine = empty_router_package' of the package 'empty_router_package' registers no router",
    ]
    with pytest.raises(BadInput, match=r"unknown router 'miner': did you mean 'mine'\?; the entry point .* cannot"):
        routers.find("miner")
