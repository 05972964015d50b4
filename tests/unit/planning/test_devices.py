"""The table of devices, and the hosts and slices that numbers of devices fill."""

import pytest

from moebench.errors import BadInput
from moebench.planning.devices import DEVICES, find, hosts, torus


def test_a_device_is_found_whatever_the_case() -> None:
    assert find("H200") is DEVICES["h200"]


def test_an_unknown_device_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(BadInput, match=r"unknown device 'h20'.*'h200'.*a100, h100, h200, b200, v5e, v5p, v6e, cpu"):
        find("h20")


@pytest.mark.parametrize(
    ("name", "count", "shape"),
    [
        ("v5e", 1, (1, 1)),
        ("v5e", 4, (2, 2)),
        ("v5e", 8, (2, 4)),
        ("v6e", 256, (16, 16)),
        ("v5p", 1, (1, 1, 1)),
        ("v5p", 4, (2, 2, 1)),
        ("v5p", 8, (2, 2, 2)),
        ("v5p", 32, (2, 4, 4)),
    ],
)
def test_chips_fill_a_slice(name: str, count: int, shape: tuple[int, ...]) -> None:
    assert torus(DEVICES[name], count) == shape


@pytest.mark.parametrize(
    ("count", "sentence"), [(6, "use 4 or 8 devices"), (2, "use 1 device or a multiple of 4"), (12, "use 8 or 16")]
)
def test_chips_that_fill_no_slice(count: int, sentence: str) -> None:
    with pytest.raises(BadInput, match=sentence):
        torus(DEVICES["v5e"], count)


def test_gpus_fill_hosts() -> None:
    h200 = DEVICES["h200"]
    assert hosts(h200, 4) == (1, 4)
    assert hosts(h200, 8) == (1, 8)
    assert hosts(h200, 256) == (32, 8)
    with pytest.raises(BadInput, match=r"12 h200 fill no whole number of hosts of 8: use 8 or 16 devices"):
        hosts(h200, 12)


def test_the_configuration_for_the_compiler_has_the_numbers_of_the_table() -> None:
    device = DEVICES["h200"]
    assert device.gpu is not None
    text = device.gpu.target_config(device.memory_bytes, device.memory_bandwidth)
    assert text.count("{") == text.count("}")
    for line in (
        "core_count: 132",
        "memory_bandwidth: 4800000000000",
        "device_memory_size: 151397597184",
        "l2_cache_size: 52428800",
        "shared_memory_per_block_optin: 232448",
        "cuda_compute_capability { major: 9 minor: 0 feature_extension: ACCELERATED_FEATURES }",
    ):
        assert line in text


def test_every_accelerator_has_peaks_and_bandwidths() -> None:
    for device in DEVICES.values():
        if device.platform != "cpu":
            assert device.flops["bfloat16"] >= device.flops["float32"] > 1e14
            assert device.link_bandwidth >= device.network_bandwidth > 1e10
            assert device.memory_bandwidth > 1e11
            assert device.memory_bytes > 1e10
