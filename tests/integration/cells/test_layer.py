"""A cell that measures one MoE layer alone: its programs, its row, and what is refused."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from flax import nnx

from moebench.cells import run
from moebench.cells.compile import program_for
from moebench.cells.fingerprint import VERSIONS
from moebench.cells.resolve import resolve_cell
from moebench.errors import BadInput
from moebench.models import through
from moebench.spec.cell_spec import CellSpec
from moebench.training import LayerProgram, compile_unoptimized


def spec(**changes: Any) -> CellSpec:
    given = {"router": "bpr", "options": {"experts": 4, "top_k": 2}, "batch": 8, "group_images": 1}
    return CellSpec(**{**given, "scope": "layer", "timing_budget_s": 0.02, **changes})


def test_a_layer_s_row_holds_its_costs_and_times_and_nothing_of_training(tmp_path: Path) -> None:
    source, out = tmp_path / "spec.json", tmp_path / "out.parquet"
    identity = {"suite": "s", "run_id": "r", "cell_id": "c", "attempt": 1, "fingerprint": "f"}
    trace = tmp_path / "traces" / "bpr-c"
    source.write_text(json.dumps({"spec": spec().as_json(), "identity": identity, "trace": str(trace)}))
    assert run.main([str(source), str(out)]) == 0
    # For Perfetto and for XProf.
    assert [len(list(trace.rglob(kind))) for kind in ("*.trace.json.gz", "*.xplane.pb")] == [1, 1]
    (row,) = (row for _, row in pd.read_parquet(out).iterrows())
    assert (row.status, row.scope, row.model, row.data, row.tokens_per_image) == (
        *("ok", "layer", "mu/2", "random tokens", 16),
    )
    # 16 tokens, two choices each among 4 experts: 8 slots each, 32 in all.
    assert (row.slots_per_expert, row.total_slots) == (8, 32)
    # An expert maps 64 → 256 → 64, with biases 256 + 64; the router 64 → 4. A token meets 2 of 4 experts.
    expert = 2 * 64 * 256 + 256 + 64
    assert row.params == 4 * expert + 64 * 4
    assert row.params_active == 2 * expert + 64 * 4
    # For one image: 32 rows through two products; 16 tokens times the router; 32 rows of 64 weighted and summed.
    assert row.flops_experts == 2 * 32 * 2 * 64 * 256
    assert row.flops_router == 2 * 16 * 64 * 4
    assert row.flops_forward_per_image == row.flops_experts + row.flops_router + row.flops_dispatch_combine
    # Backward every product twice, those by the tokens included.
    products = row.flops_experts + row.flops_router
    assert 3 * 8 * products < row.flops_train_step < 3 * 8 * products + 8 * 8 * row.flops_dispatch_combine
    assert row.train_step_vs_dense_ci_low <= row.train_step_vs_dense <= row.train_step_vs_dense_ci_high
    assert len(row.train_step_s_samples) >= 9
    assert row.infer_s_per_image > 0
    of_training = ["accuracy", "train_wall_s", "flops_train_total", "steps", "learning_rate", "classes", "moe_layers"]
    assert row[of_training].isna().all()


@pytest.mark.parametrize("router", ["dense", "soft"])
def test_a_step_is_the_layer_forward_and_backward(router: str) -> None:
    specification = spec(
        router=router, options={} if router == "dense" else {"experts": 4, "slots_per_expert": 2}, batch=2
    )
    model = resolve_cell(specification).model
    program = program_for(model, specification)
    assert isinstance(program, LayerProgram)
    drawn = program.random_tokens()
    tokens, labels = jnp.asarray(drawn.images), jnp.asarray(drawn.labels)
    assert tokens.shape == (2, 1, 16, 64)

    def both(seed: jax.Array) -> Any:
        state = program.init(seed)
        layer = nnx.merge(program.graph, state.parameters, state.variables)
        rows = jnp.reshape(tokens, (-1, 64))
        # The outputs' slope is the tokens: what a vector-Jacobian product with them gives.
        outputs, back = jax.vjp(lambda rows: through(layer, rows, 16, None)[0], rows)
        return program.train_step(state, tokens, labels), program.infer(state, tokens), outputs, back(rows)[0], state

    (after, (outputs, (_, by_tokens))), inferred, by_hand, slope, state = compile_unoptimized(
        both, jnp.zeros((), jnp.int32)
    )(jnp.zeros((), jnp.int32))
    for got in (outputs, inferred):
        np.testing.assert_allclose(got, by_hand, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(by_tokens, slope, rtol=1e-4, atol=1e-5)
    assert int(after.step) == 1
    for old, new in zip(jax.tree.leaves(state.parameters), jax.tree.leaves(after.parameters), strict=True):
        assert (old == new).all()


def test_what_changes_nothing_about_a_layer_is_no_part_of_its_identity() -> None:
    device = {"device_kind": "cpu", "cpu": "x", "jax_settings": "{}", **dict.fromkeys(VERSIONS, "1")}

    def cell_id(**changes: Any) -> str:
        return resolve_cell(spec(**changes)).identity(device)["cell_id"]

    assert cell_id(steps=7, learning_rate=1.0, moe_layers="every-2") == cell_id()
    assert len({cell_id(), cell_id(batch=16), cell_id(model="mu/1"), cell_id(scope="model")}) == 4
    # 8 pixels are what the model has by itself.
    assert cell_id(image_size=8) == cell_id() != cell_id(image_size=16)


@pytest.mark.parametrize(
    ("changes", "key", "message"),
    [
        ({"timing_budget_s": 0.0}, "timing_budget_s", "leaves nothing to measure"),
        ({"devices": "2x1"}, "devices", "is for one device: leave devices=2x1 out"),
        ({"router": "mixture-of-depths", "options": {}}, "router", "it has no layer to measure alone"),
        ({"model": "s/15"}, "model", "do not tile images of 224 pixels"),
    ],
)
def test_what_cannot_be_measured_alone_is_refused(changes: dict[str, Any], key: str, message: str) -> None:
    with pytest.raises(BadInput, match=message) as refused:
        resolve_cell(spec(**changes))
    assert refused.value.key == key
