"""The papers' routers against the numbers of the authors' public code; see routing_vectors/README.md."""

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from paths import DATA

from moebench import routers

FOLDER = DATA / "routing_vectors"
CASES = sorted(path.stem for path in FOLDER.glob("*.npz"))
TOLERANCE = {"": {"rtol": 2e-5, "atol": 2e-5}, "__f64": {"rtol": 1e-10, "atol": 1e-10}}
# The code under test is small and called once: optimising it costs more than it saves.
UNOPTIMISED = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
NAMES = {"tokens_choice": "tokens-choice", "experts_choice": "experts-choice", "soft": "soft"}


def router_of(case: dict[str, Any], arrays: Any, dtype: Any, dispatch: str) -> routers.Router:
    """The router of a case, with the case's parameters in place of drawn ones."""
    options: dict[str, Any] = {"experts": case["E"]}
    name = NAMES[case["kind"]]
    if name == "soft":
        options["slots_per_expert"] = case["num_slots"]
    else:
        options |= {
            "capacity_factor": case["capacity_factor"],
            "capacity_rounding": case.get("capacity_ceil_or_round", "ceil"),
            "capacity_multiple_of": case["capacity_multiple_of"] or 1,
            "dispatch": dispatch,
        }
    if name == "tokens-choice":
        options["top_k"] = case["k"]
        # The weights that the case's own auxiliary loss has; without noise it has no load loss.
        options |= {"gshard_weight": case["gshard_loss_weight"], "load_weight": 0.0}
        name = "bpr" if case["batch_priority"] else name
    router = routers.create(name, dim=case["D"], rngs=nnx.Rngs(0), **options)
    if name == "soft":
        router.phi = nnx.Param(jnp.asarray(arrays["mu"], dtype))
        router.scale = nnx.Param(jnp.asarray(arrays["scale"], dtype))
    else:
        router.kernel = nnx.Param(jnp.asarray(arrays["gate"], dtype))
    return router


def experts_mlp(weights: dict[str, jax.Array], inputs: jax.Array) -> jax.Array:
    hidden = jnp.einsum("egpd,edh->egph", inputs, weights["w1"]) + weights["b1"][:, None, None]
    hidden = jax.nn.gelu(hidden, approximate=True)
    return jnp.einsum("egph,ehd->egpd", hidden, weights["w2"]) + weights["b2"][:, None, None]


def views(routing: routers.Routing) -> dict[str, Any]:
    """What is compared of a routing, for one program: outside of it each operation would be compiled for itself."""
    found = {name: getattr(routing, name) for name in ("dispatch_weights", "combine_weights")}
    if isinstance(routing, routers.SoftRouting):
        return found
    metrics = routing.metrics()
    return found | {
        "gates": routing.gates,
        "losses": {name: routing.losses[name] for name in ("importance", "gshard") if name in routing.losses},
        "metrics": {name: metrics[name] for name in ("expert_load", "dropped_tokens")},
    }


@pytest.fixture(params=["", "__f64"], ids=["float32", "float64"])
def precision(request: pytest.FixtureRequest) -> Any:
    with jax.enable_x64(request.param == "__f64"):
        yield request.param


@pytest.mark.parametrize("name", CASES)
def test_layer_agrees_with_the_reference(name: str, precision: str) -> None:
    check_layer(name, "gather", precision)


SPARSE = [name for name in CASES if not name.startswith("soft_")]


@pytest.mark.parametrize(
    "name",
    [name if place % 3 == 0 else pytest.param(name, marks=pytest.mark.slow) for place, name in enumerate(SPARSE)],
)
def test_layer_with_einsum_dispatch_agrees_with_the_reference(name: str) -> None:
    with jax.enable_x64(True):
        check_layer(name, "einsum", "__f64")


def stored(name: str) -> dict[str, np.ndarray]:
    """Return the arrays of one case."""
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return dict(arrays)


def check_layer(name: str, dispatch: str, precision: str) -> None:
    """Weights, output, losses and, in float64, every gradient of one layer."""
    case = json.loads((FOLDER / f"{name}.json").read_text())
    arrays = stored(name)
    dtype = jnp.float64 if precision else jnp.float32
    router = router_of(case, arrays, dtype, dispatch)
    graph, parameters = nnx.split(router)
    weights = {key: jnp.asarray(arrays[key], dtype) for key in ("w1", "b1", "w2", "b2")}
    tokens, probe = jnp.asarray(arrays["x"], dtype), jnp.asarray(arrays["probe"], dtype)

    def loss(parameters: Any, weights: Any, tokens: jax.Array) -> Any:
        module = nnx.merge(graph, parameters)
        routing = module(tokens)
        y = routing.combine(experts_mlp(weights, routing.dispatch(tokens)))
        auxiliary = sum(weight * routing.losses[key] for key, weight in module.loss_weights.items())
        return (y * probe).sum() + auxiliary, (y, views(routing))

    if precision:
        gradient = jax.jit(jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True), compiler_options=UNOPTIMISED)
        (value, (y, found)), gradients = gradient(parameters, weights, tokens)
    else:  # the gradients are those of the same program, and take most of the time to compile
        value, (y, found) = jax.jit(loss, compiler_options=UNOPTIMISED)(parameters, weights, tokens)
        gradients = None

    def same(ours: Any, key: str) -> None:
        reference = arrays[key + precision]
        # Where all gates are equal the public code's gradient is 0/0; ours must be a number there.
        reference = np.where(np.isnan(reference), ours, reference)
        assert np.isfinite(np.asarray(ours)).all(), key
        np.testing.assert_allclose(ours, reference, **TOLERANCE[precision], err_msg=key)

    same(found["dispatch_weights"], "dispatch_weights")
    same(found["combine_weights"], "combine_weights")
    same(y, "y")
    if case["kind"] == "tokens_choice":
        # The public code computes the gshard loss, of weight 0.01, to 1e-7 only.
        np.testing.assert_allclose(value, arrays["loss" + precision], rtol=0, atol=2e-5 if not precision else 1e-8)
    else:
        same(value, "loss")
    if gradients:
        of_router, of_weights, of_tokens = gradients
        same(of_tokens, "grad_x")
        for key, array in of_weights.items():
            same(array, f"grad_{key}")
        if case["kind"] == "soft":
            same(of_router["phi"][...], "grad_mu")
            same(of_router["scale"][...], "grad_scale")
        else:
            same(of_router["kernel"][...], "grad_gate")
    if case["kind"] != "soft":
        same(found["gates"], "gates")
        processed = arrays["derived_items_per_expert"].sum(0) / (case["G"] * case["S"])
        np.testing.assert_allclose(found["metrics"]["expert_load"], processed, rtol=1e-6)
        dropped = arrays["derived_frac_items_dropped"].mean()
        np.testing.assert_allclose(found["metrics"]["dropped_tokens"], dropped, atol=1e-6)
    if case["kind"] == "tokens_choice":
        np.testing.assert_allclose(
            found["losses"]["importance"], arrays["importance_loss" + precision].mean(), rtol=1e-5
        )
        np.testing.assert_allclose(found["losses"]["gshard"], arrays["gshard_loss" + precision].mean(), rtol=1e-6)


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("tc_")])
def test_noisy_choice_agrees_with_the_reference(name: str, precision: str) -> None:
    case = json.loads((FOLDER / f"{name}.json").read_text())
    arrays = stored(name)
    router = router_of(case, arrays, jnp.float64 if precision else jnp.float32, "gather")
    logits, noisy = (arrays[key + precision] for key in ("logits", "noisy_logits"))

    def compared(logits: jax.Array, noisy: jax.Array) -> dict[str, jax.Array]:
        routing = router.route(logits, noisy)
        return {
            "dispatch_weights": routing.dispatch_weights,
            "combine_weights": routing.combine_weights,
            "load": routing.losses["load"],
        }

    found = jax.jit(compared, compiler_options=UNOPTIMISED)(logits, noisy)
    np.testing.assert_array_equal(found["dispatch_weights"], arrays["noisy_dispatch_weights" + precision])
    np.testing.assert_allclose(
        found["combine_weights"], arrays["noisy_combine_weights" + precision], **TOLERANCE[precision]
    )
    expected = arrays["noisy_load_loss" + precision].mean()
    np.testing.assert_allclose(found["load"], expected, **TOLERANCE[precision])
