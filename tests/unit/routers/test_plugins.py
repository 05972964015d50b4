"""Routers that moebench does not ship: from a file, and from an installed package."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import EXAMPLE
from registered_routers import forget, undone

from moebench import routers
from moebench.cells.resolve import resolve, resolve_cell
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

DEVICE = {"device_kind": "cpu", "cpu": "x", "jax_version": "1", "jaxlib_version": "1", "flax_version": "1"}


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
    # The same router in another place is the same cell; another text in it is other code.
    second = written(tmp_path, first.read_text() + "\n# changed\n", "second.py")
    (two,) = resolve([spec.model_copy(update={"plugins": (str(second),)}).as_json()])
    assert one["cell_id"] == two["cell_id"]
    assert one["fingerprint"] != two["fingerprint"]


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
    assert "mine" in routers.names()
    assert sorted(routers.broken_packages()) == [
        "the entry point 'mine = broken_router_package' of the package 'broken_router_package' cannot be imported: "
        "ModuleNotFoundError: No module named 'nothing_like_this'",
        "the entry point 'mine = empty_router_package' of the package 'empty_router_package' registers no router",
    ]
    with pytest.raises(BadInput, match=r"unknown router 'miner': did you mean 'mine'\?; the entry point .* cannot"):
        routers.find("miner")
