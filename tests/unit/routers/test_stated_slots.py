"""Slots that a router states from its options are those that a call of it has."""

import itertools

import pytest
from flax import nnx

from moebench import routers
from moebench.errors import BadInput
from moebench.routers import SparseRouter, contract, slots_of, slots_per_expert

SPARSE = [name for name in routers.names() if issubclass(routers.find(name), SparseRouter)]
CHANGES = [
    *({"experts": experts, "capacity_factor": factor} for experts in (1, 2, 7) for factor in (None, 0.5, 1.3)),
    {"experts": 7, "capacity_factor": 1.3, "capacity_rule": "flaxformer"},
    {"experts": 7, "capacity_factor": 1.3, "dispatch": "ragged"},
]


def settings(name: str) -> list[dict[str, object]]:
    known = routers.options(name)
    found = []
    for changes in CHANGES:
        given = {key: value for key, value in changes.items() if value is not None and key in known}
        try:
            nnx.eval_shape(lambda given=given: routers.create(name, dim=1, rngs=nnx.Rngs(0), **given))
        except BadInput:
            continue
        found.append(given)
    return found


def outcome(slots: object) -> object:
    try:
        return slots() if callable(slots) else slots
    except BadInput as error:
        return str(error)


@pytest.mark.parametrize("name", SPARSE)
def test_stated_slots_are_those_of_a_call(name: str) -> None:
    compared = 0
    for given, training in itertools.product(settings(name), (True, False)):
        router = nnx.eval_shape(lambda given=given: routers.create(name, dim=1, rngs=nnx.Rngs(0), **given))
        stated = outcome(lambda router=router, training=training: router.slots(16, training))
        called = outcome(lambda given=given, training=training: slots_per_expert(name, 16, training=training, **given))
        assert stated == called, (given, training)
        compared += 1
    assert compared >= 2


def test_only_routers_that_state_no_slots_are_called_and_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(*arguments: object) -> object:
        calls.append(arguments[0])
        return trial(*arguments)

    trial = contract._trial
    monkeypatch.setattr(contract, "_trial", counted)
    contract._slots.cache_clear()
    given = {"soft": {"experts": 4, "slots_per_expert": 2}, "bpr": {"experts": 4, "capacity_factor": 1.0}}
    for name, _ in itertools.product(given, range(3)):
        router = nnx.eval_shape(lambda name=name: routers.create(name, dim=1, rngs=nnx.Rngs(0), **given[name]))
        assert slots_of(router, name, given[name], 8) == {"soft": 2, "bpr": 2}[name]  # bpr: 8 tokens to 4 experts
    assert calls == ["soft"]
