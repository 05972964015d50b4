"""Every check of a router finds what it is there to find, and passes what is right."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from paths import EXAMPLE
from registered_routers import undone

from moebench import routers
from moebench.checking import Failure, check_router

HEAD = """
import jax, jax.numpy as jnp, numpy as np
from flax import nnx
from moebench import routers
from moebench.routers.hard_routing import SlotRouting
"""


@pytest.fixture(autouse=True)
def no_trace_of_plugins() -> Iterator[None]:
    """What a test registers is gone after it."""
    with undone():
        yield


def checked(tmp_path: Path, text: str) -> dict[str, str]:
    """What the checks say about the router `mine`, by check; those of one check are joined."""
    file = tmp_path / "mine.py"
    file.write_text(HEAD + text)
    routers.load_plugin(file)
    found: dict[str, str] = {}
    for failure in check_router("mine"):
        found[failure.check] = "; ".join(filter(None, [found.get(failure.check), failure.what]))
    return found


def test_the_example_holds() -> None:
    routers.load_plugin(EXAMPLE)
    assert check_router("tempered-choice") == []


def test_gradients_bfloat16_and_permutation(tmp_path: Path) -> None:
    found = checked(
        tmp_path,
        """
@routers.register("mine")
class Mine(routers.find("tokens-choice")):
    permutation_equivariant = True  # a lie: slots are taken in the order of the array
    capacity_factor = 0.5
    noise_std, load_weight = 0.0, 0.0

    def setup(self, dim, rngs):
        super().setup(dim, rngs)
        self.unused = nnx.Param(jnp.ones(3))

    def logits(self, tokens):
        return tokens @ self.kernel[...].astype(tokens.dtype)  # in bfloat16 for such tokens
""",
    )
    assert set(found) == {"gradients", "bfloat16", "permutation"}, found
    assert found["gradients"] == "the parameter 'unused' gets no gradient in 10 steps"
    assert found["bfloat16"].startswith("its gates are bfloat16: logits and softmaxes need float32")
    assert "of 32 tokens get other outputs" in found["permutation"]


def test_determinism_groups_and_weights(tmp_path: Path) -> None:
    found = checked(
        tmp_path,
        """
class Mixed(SlotRouting):
    @property
    def combine_weights(self):
        return 2 * super().combine_weights

@routers.register("mine")
class Mine(routers.find("experts-choice")):
    def setup(self, dim, rngs):
        super().setup(dim, rngs)
        self.calls = routers.RouterState(jnp.zeros(()))

    def logits(self, tokens):
        self.calls[...] += 1  # in evaluation as well
        return super().logits(tokens - tokens.mean(0)) + 0.1 * np.random.normal()

    def __call__(self, tokens, *, noise_key=None):
        routing = super().__call__(tokens, noise_key=noise_key)
        fields = ("gates", "token", "weight", "requested_load", "choices", "losses")
        return Mixed(**{field: getattr(routing, field) for field in fields})
""",
    )
    assert set(found) == {"determinism", "groups", "weights"}, found
    assert found["determinism"] == (
        "two calls without a noise key differ: whatever is random must be drawn from the noise key; "
        "a call without a noise key changes 'calls': only training may do that; "
        "two training steps with the same noise key differ: whatever is random must be drawn from it"
    )
    assert re.fullmatch(
        r"beside another group \d+ of 16 tokens .* each group must be routed on its own", found["groups"]
    )
    assert found["weights"].startswith("combine does something else than combine_weights say: they differ by ")


def test_padding_and_training(tmp_path: Path) -> None:
    found = checked(
        tmp_path,
        """
class Careless(SlotRouting):
    def _rows(self):
        return jnp.minimum(super()._rows(), self.gates.shape[0] * self.gates.shape[1] - 1)

@routers.register("mine")
class Mine(routers.find("tokens-choice")):
    @property
    def loss_weights(self):
        return {"steep": 1e30}

    def __call__(self, tokens, *, noise_key=None):
        routing = super().__call__(tokens)
        fields = ("gates", "token", "weight", "requested_load", "choices")
        losses = {"steep": (self.kernel[...] ** 2).sum()}
        return Careless(**{field: getattr(routing, field) for field in fields}, losses=losses)
""",
    )
    # The last token of the last group stands in every empty slot.
    assert found["padding"] == (
        "an empty slot is not dispatched as zeros; what an expert computes for its empty slots reaches 1 of 32 tokens: "
        "combine must leave empty slots out"
    )
    assert "at step 2 of 10" in found["training"]


def test_randomness_and_state_in_training_alone(tmp_path: Path) -> None:
    found = checked(
        tmp_path,
        """
class Widened(SlotRouting):
    def combine(self, outputs):
        return super().combine(outputs).astype(jnp.float32)

@routers.register("mine")
class Mine(routers.find("experts-choice")):
    def setup(self, dim, rngs):
        super().setup(dim, rngs)
        self.calls = routers.RouterState(jnp.zeros((), jnp.int32))

    def __call__(self, tokens, *, noise_key=None):
        if noise_key is not None:
            tokens = tokens + np.random.normal(size=tokens.shape).astype(np.float32)
            self.calls.set_value(self.calls[...] + 0.5)  # no whole number any more
        routing = super().__call__(tokens)
        fields = ("gates", "token", "weight", "requested_load", "choices", "losses")
        return Widened(**{field: getattr(routing, field) for field in fields})
""",
    )
    assert found == {
        "determinism": "two training steps with the same noise key differ: whatever is random must be drawn from it",
        "bfloat16": "tokens in bfloat16 get outputs in float32",
        "training": "what it keeps has another shape or type after a step than before",
    }


@pytest.mark.parametrize(
    ("body", "failure"),
    [
        (
            "return routing if (tokens > 0).any() else routing",
            Failure(
                "jit",
                "it cannot be compiled, as its Python code decides by the values of arrays (TracerBoolConversionError)",
            ),
        ),
        ("raise ValueError('no')", None),
        ("return None", None),
    ],
)
def test_where_nothing_works_the_first_thing_is_told(tmp_path: Path, body: str, failure: Failure | None) -> None:
    found = checked(
        tmp_path,
        f"""
@routers.register("mine")
class Mine(routers.find("experts-choice")):
    def __call__(self, tokens, *, noise_key=None):
        routing = super().__call__(tokens)
        {body}
""",
    )
    if failure:
        assert found == {failure.check: failure.what}
    else:
        assert set(found) == {"shapes"}
        assert found["shapes"].startswith(f"router 'mine' of {tmp_path / 'mine.py'} ")
