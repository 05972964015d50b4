"""Bounds of times, against numbers worked by hand."""

import pytest
from planning_facts import facts

from moebench.planning.bounds import bound
from moebench.planning.devices import DEVICES
from moebench.planning.facts import Collective

H200 = DEVICES["h200"]


def gathers(received: float, network: float) -> Collective:
    return Collective(
        kind="all-gather",
        crosses_hosts=network > 0,
        group=16,
        hosts=2,
        count=1,
        bytes=received,
        network_bytes=network,
    )


def test_the_slowest_part_binds() -> None:
    # 989 TFLOPs on each of 2 devices take a second; 9.6 TB take two; 450 GB over NVLink one, 150 GB over a card three.
    found = bound(facts(bound_bytes=9.6e12), 2 * 989e12, H200, 2, "mixed")
    assert found is not None
    assert (found.products_s, found.memory_s, found.collectives_s) == pytest.approx((1, 2, 0))
    assert (found.seconds, found.binds) == (pytest.approx(2), "memory")
    slow = bound(facts(collectives=[gathers(600e9, 150e9)]), 2 * 989e12, H200, 2, "mixed")
    assert slow is not None
    assert (slow.seconds, slow.binds) == (pytest.approx(3), "collectives")


def test_products_that_every_device_computes_are_not_shared() -> None:
    found = bound(facts(product_flops=2 * 989e12), 2 * 989e12, H200, 2, "mixed")
    assert found is not None
    assert found.products_s == pytest.approx(2)


def test_float32_products_have_their_own_peak() -> None:
    found = bound(facts(), 494e12, H200, 1, "float32")
    assert found is not None
    assert (found.seconds, found.binds) == (pytest.approx(1), "products")


def test_processors_without_a_data_sheet_have_no_bound() -> None:
    assert bound(facts(), 1e12, DEVICES["cpu"], 1, "float32") is None
