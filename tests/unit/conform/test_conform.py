"""Layers compared with their papers: the reference is moebench's, exact layers conform, changed rules are named."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from moebench.cli import main
from moebench.conform import STRATEGIES, VARIANTS, Adapter, diagnose, load_adapter, reference
from moebench.conform.cases import Case, cases
from moebench.conform.diagnose import ROUNDING
from moebench.conform.extras import compare_losses
from moebench.conform.own_layer import own_layer
from moebench.conform.reference import DEFAULTS, settings_of
from moebench.conform.templates import TEMPLATES
from moebench.conform.variants import Variant
from moebench.conform.vectors import SHIPPED, export_vectors
from moebench.errors import BadInput

Function = Callable[[np.ndarray], Any]


def layer(strategy: str, **changes: Any) -> Adapter:
    """The reference in float32 with changed rules, as somebody's port."""

    def build(weights: dict[str, Any]) -> Function:
        options = weights.pop("options")

        def f(tokens: np.ndarray) -> np.ndarray:
            return reference(strategy, weights, options, tokens, changes).outputs.astype(np.float32)

        return f

    return Adapter("port.py", build)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_reference_is_moebenchs_layer(strategy: str) -> None:
    for case in cases(strategy):
        if case.name not in ("random", "capacity 0.5 of 24", "collapse", "ties"):
            continue
        apply, parameters = own_layer(strategy, case.weights, case.options)
        expected = reference(strategy, case.weights, case.options, case.tokens).outputs
        np.testing.assert_allclose(
            jax.jit(apply)(parameters, jnp.asarray(case.tokens)),
            expected,
            atol=2e-5 * np.abs(expected).max(),
            err_msg=case.name,
        )


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_an_exact_layer_conforms(strategy: str) -> None:
    found = diagnose(layer(strategy), strategy)
    assert found.conforms
    assert found.verdict.startswith(f"The layer is {strategy} (")
    assert found.unused == ()


def singles() -> list[tuple[str, Variant]]:
    """Every variant that changes a rule which its strategy has."""
    found = []
    for strategy in ("soft", "tokens-choice", "experts-choice", "loss-free"):
        rules = settings_of(strategy)
        absent = (
            {
                "rank_major",
                "order",
                "dropped",
                "least_gate",
                "capacity_least",
                "renormalise_kept",
            }  # nothing is ever dropped
            if strategy == "loss-free"
            else {"use_bias", "bias_in_weight", "least_gate"}  # no bias, and no gate too small to matter
        )
        for variant in VARIANTS[STRATEGIES[strategy].family]:
            changed = any(rules.get(key) != value for key, value in variant.changes)
            if changed and not absent & {key for key, _ in variant.changes}:
                found.append((strategy, variant))
    return found


SAME = {("soft", "rms-phi"): "rms-tokens", ("tokens-choice", "softmax-after-top-k"): "renormalised-at-1"}
"""Variants that are one and the same layer: the root of the width on tokens or on phi; a softmax over the chosen."""


@pytest.mark.parametrize(("strategy", "variant"), singles(), ids=lambda each: getattr(each, "name", each))
def test_a_changed_rule_is_named(strategy: str, variant: Variant) -> None:
    found = diagnose(layer(strategy, **dict(variant.changes)), strategy)
    assert [each.name for each in found.explained_by] == [SAME.get((strategy, variant.name), variant.name)]


PAIRS = [
    ("soft", {"experts_get": "normalised", "gelu": "erf"}),
    ("soft", {"scale": False, "normalise_tokens": "rms"}),
    ("soft", {"combine_axis": "tokens", "normalise_phi": "none"}),
    ("tokens-choice", {"renormalise": True, "capacity_rule": "none"}),
    ("tokens-choice", {"rank_major": False, "gelu": "erf"}),
    ("bpr", {"capacity_rule": "ceil", "weights": "one"}),
    ("switch", {"capacity_rule": "none", "gelu": "relu"}),
    ("experts-choice", {"softmax_axis": "tokens", "gelu": "erf"}),
    ("loss-free", {"renormalise": False, "bias_in_weight": True}),
    ("gshard", {"scores": "softmax-after", "capacity_rule": "no-k"}),
]


@pytest.mark.parametrize(("strategy", "changes"), PAIRS)
def test_two_changed_rules_are_named(strategy: str, changes: dict[str, Any]) -> None:
    found = diagnose(layer(strategy, **changes), strategy)
    rules = {key: value for variant in found.explained_by for key, value in variant.changes}
    assert found.explained_by
    for case in cases(strategy):
        if case.compared:
            outputs = [
                reference(strategy, case.weights, case.options, case.tokens, each).outputs for each in (rules, changes)
            ]
            np.testing.assert_allclose(*outputs, atol=2e-5 * np.abs(outputs[1]).max())


def test_what_no_variant_explains_says_how_far_each_is() -> None:
    adapter = layer("soft")

    def build(weights: dict[str, Any]) -> Function:
        f = adapter.build(weights)
        return lambda tokens: f(tokens) * np.float32(1.3)

    found = diagnose(Adapter("port.py", build), "soft")
    assert not found.conforms
    assert found.explained_by == ()
    assert "no known variant or pair of variants explains it" in found.verdict
    assert found.error == pytest.approx(0.3, rel=1e-3)


def test_layers_that_differ_from_call_to_call_are_named_so() -> None:
    adapter, generator = layer("soft"), np.random.default_rng(0)

    def build(weights: dict[str, Any]) -> Function:
        f = adapter.build(weights)
        return lambda tokens: f(tokens) * np.float32(1 + generator.random())

    assert "not deterministic: two calls differ by" in diagnose(Adapter("port.py", build), "soft").verdict


def test_the_expert_of_a_tie_is_told_apart_from_the_verdict() -> None:
    found = diagnose(layer("tokens-choice", ties="higher"), "tokens-choice")
    assert found.conforms
    assert found.ties == "higher"
    assert diagnose(layer("tokens-choice"), "tokens-choice").ties == "lower"


def test_three_changed_rules_are_named() -> None:
    found = diagnose(layer("soft", experts_get="rms", gelu="erf", epsilon=0.0), "soft")
    assert {each.name for each in found.explained_by} == {"rms-experts-input", "exact-gelu", "no-epsilon"}


def test_a_router_alone_is_compared_by_its_weights() -> None:
    def build(weights: dict[str, Any]) -> Function:
        options = weights.pop("options")
        changed = {"renormalise": True, "capacity_rule": "none"}
        return lambda x: {"weights": reference("tokens-choice", weights, options, x, changed).weights}

    found = diagnose(Adapter("router.py", build), "tokens-choice")
    assert found.of_router
    assert found.verdict.startswith("The router is not tokens-choice")
    assert {each.name for each in found.explained_by} == {"renormalised", "no-capacity"}


def test_losses_are_compared_and_their_variants_named() -> None:
    # Two tokens, two experts, one group: gates .75 .25 and .5 .5 (logits log 3, 0 and 0, 0).
    case = Case("hand", "", {"kernel": np.eye(2)}, {"top_k": 1}, np.array([[[np.log(3), 0], [0, 0]]], np.float32))
    # Sums 1.25 and .75: mean 1, variance .0625 (of a sample .125). Both tokens choose expert 0 first, f = 1, 0;
    # P = .625, .375: 2 · .625. logsumexp log 4 and log 2: the mean of the squares.
    z = (np.log(4) ** 2 + np.log(2) ** 2) / 2
    right = compare_losses(case, {"importance": 0.0625, "balance": 1.25, "z": z})
    assert all(loss.agrees for loss in right)
    sample, missing, odd = compare_losses(case, {"importance": 0.125, "balance": 0.625, "z": 7.0})
    assert sample.explained_by == "the variance over experts is that of a sample, n − 1"
    assert missing.explained_by == "the factor E is missing"
    assert odd.explained_by is None
    assert not odd.agrees
    with pytest.raises(BadInput, match="did you mean 'balance'"):
        compare_losses(case, {"balnce": 1.0})


def test_gradients_of_a_layer_are_compared() -> None:
    def gradients(weights: dict[str, Any], tokens: np.ndarray, cotangent: np.ndarray) -> dict[str, np.ndarray]:
        moved = []
        for step in (1e-5, -1e-5):
            exact = {name: np.asarray(value, np.float64) for name, value in weights.items() if name != "options"}
            exact["scale"] = exact["scale"] + step
            moved.append((reference("soft", exact, {}, tokens).outputs * cotangent).sum())
        return {"scale": np.array((moved[0] - moved[1]) / 2e-5)}

    exact = layer("soft")
    found = diagnose(Adapter("port.py", exact.build, gradients), "soft")
    assert dict(found.gradients)["scale"] < 1e-4
    with pytest.raises(BadInput, match="unknown gradient 'phii'"):
        diagnose(Adapter("port.py", exact.build, lambda *_: {"phii": np.zeros(1)}), "soft")


def test_weights_without_effect_are_named() -> None:
    found = diagnose(layer("soft", scale=False), "soft")
    assert found.unused == ("scale",)
    assert [each.name for each in found.explained_by] == ["no-scale"]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (lambda x: x[:, :-1], r"gives shape \[2, 23, 12\] for tokens \[2, 24, 12\]"),
        (lambda x: x.astype(np.float16), "float16"),
        (lambda x: x.astype(int), "should return floats, not int64"),
        (lambda x: 1 / 0, "f\\(tokens\\) fails in case 'random': ZeroDivisionError"),
    ],
)
def test_mistakes_of_an_adapter(result: Function, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        diagnose(Adapter("port.py", lambda weights: result), "soft")


def test_outputs_that_are_not_finite_never_conform() -> None:
    found = diagnose(Adapter("port.py", lambda weights: lambda tokens: tokens * np.float32(np.inf)), "soft")
    assert not found.conforms
    assert not any(result.finite for result in found.results)


def test_the_command_names_the_variant(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from moebench.conform import reference\n"
        "def build(weights):\n"
        "    options = weights.pop('options')\n"
        "    changed = {'experts_get': 'normalised'}\n"
        "    return lambda x: reference('soft', weights, options, x, changed).outputs\n"
    )
    with pytest.raises(SystemExit) as ended:
        main(["conform", str(file), "--as", "soft"])
    assert ended.value.code == 1
    assert "agrees within 2e-05 if experts receive normalised tokens." in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["conform", str(file), "--as", "soft", "--json"])
    assert json.loads(capsys.readouterr().out)["explained_by"] == ["normalised-experts-input"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.py", "--as", "soft"], "there is no file nowhere.py"),
        ([__file__ + ":biuld", "--as", "soft"], "unknown function 'biuld'"),
        ([__file__, "--as", "sofft"], "did you mean 'soft'"),
        (["--template", "torhc"], "did you mean 'torch'"),
        ([], "give a FILE.py and --as STRATEGY"),
    ],
)
def test_mistakes_on_the_command_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["conform", *arguments])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_templates_are_python_and_name_every_weight() -> None:
    for text in TEMPLATES.values():
        compile(text, "template.py", "exec")
        assert "kernel_out" in text


def test_every_setting_of_a_variant_is_one_of_its_family() -> None:
    for family, variants in VARIANTS.items():
        for variant in variants:
            assert {key for key, _ in variant.changes} <= set(DEFAULTS[family])


def test_exported_cases_hold_outputs_and_gradients(tmp_path: Path) -> None:
    paths = [path for path in export_vectors(tmp_path, ["soft"]) if path.suffix == ".npz"]
    assert len(paths) == sum(case.compared for case in cases("soft"))
    with np.load(tmp_path / "soft" / "random.npz") as stored:
        arrays = dict(stored)
    about = json.loads((tmp_path / "soft" / "random.json").read_text())
    assert about["version"] == 1
    weights = {name: arrays[name] for name in about["arrays"]}
    np.testing.assert_array_equal(
        reference("soft", weights, about["options"], arrays["tokens"]).outputs, arrays["outputs"]
    )
    # The gradient by the scale, by a central difference in float64.
    moved = [
        (
            reference("soft", weights | {"scale": np.float64(weights["scale"]) + step}, {}, arrays["tokens"]).outputs
            * arrays["cotangent"]
        ).sum()
        for step in (1e-5, -1e-5)
    ]
    assert arrays["gradient_scale"] == pytest.approx((moved[0] - moved[1]) / 2e-5, rel=1e-3)


def test_shipped_cases_are_those_that_are_computed(tmp_path: Path) -> None:
    from moebench.conform.make_vectors import make_vectors

    for strategy in ("soft", "experts-choice"):
        computed = {path.name: path for path in make_vectors(tmp_path / "computed", [strategy])}
        shipped = {path.name: path for path in export_vectors(tmp_path / "shipped", [strategy])}
        assert computed.keys() == shipped.keys()
        for name, path in computed.items():
            if path.suffix == ".json":
                assert path.read_text() == shipped[name].read_text()
                continue
            with np.load(path) as ours, np.load(shipped[name]) as theirs:
                assert set(ours) == set(theirs)
                for array in ours:
                    # Processors add in other orders, which is rounding beside the largest number that is added.
                    largest = max(1.0, float(np.abs(theirs[array]).max()))
                    np.testing.assert_allclose(
                        ours[array], theirs[array], rtol=0, atol=ROUNDING * largest, err_msg=f"{name}: {array}"
                    )


def test_every_case_is_shipped() -> None:
    with zipfile.ZipFile(SHIPPED) as shipped:
        names = set(shipped.namelist())
    compared = [(strategy, case) for strategy in STRATEGIES for case in cases(strategy) if case.compared]
    stems = [f"{strategy}/{case.name.replace(' ', '_')}" for strategy, case in compared]
    assert names == {stem + suffix for stem in stems for suffix in (".npz", ".json")}


def test_adapters_import_modules_beside_them(tmp_path: Path) -> None:
    (tmp_path / "helper_of_adapter.py").write_text("FACTOR = 2\n")
    (tmp_path / "mine.py").write_text(
        "from helper_of_adapter import FACTOR\ndef build(weights): return lambda x: FACTOR * x\n"
    )
    adapter = load_adapter(str(tmp_path / "mine.py"))
    np.testing.assert_array_equal(adapter.answer(cases("soft")[0]).outputs, 2 * cases("soft")[0].tokens)
