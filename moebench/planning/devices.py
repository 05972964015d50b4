"""The devices that cells can be planned for: peaks, memory and links.

All numbers are printed by the makers. Sources, read in November 2026. NVIDIA's data sheets of A100 80GB SXM, H100 SXM,
H200 SXM and HGX B200 (peaks without sparsity, which the sheets print beside or as half of the sparse ones; NVLink
halved to one direction), and the DGX user guides for network cards (200 Gb/s a GPU in DGX A100, 400 Gb/s in DGX H100,
H200 and B200). Google Cloud's pages "TPU v5e", "TPU v5p" and "TPU v6e" (interconnect halved to one direction). Numbers
of cores, caches and registers are those that CUDA's device query prints.
"""

import math
from dataclasses import dataclass
from typing import Literal

from moebench.errors import BadInput, unknown

_GIGA = 1e9
_TERA = 1e12


@dataclass(frozen=True)
class Gpu:
    """Properties of a GPU that XLA needs to compile for an absent one."""

    name: str
    cores: int
    fpus_per_core: int
    clock_ghz: float
    l2_bytes: int
    shared_memory_per_core: int
    compute_capability: tuple[int, int]
    accelerated: bool = True
    """Whether the architecture has a variant of accelerated features, such as sm_90a."""

    def target_config(self, memory_bytes: int, memory_bandwidth: float) -> str:
        """Return the text of a `stream_executor.GpuTargetConfigProto`.

        Args:
            memory_bytes: size of the device's memory.
            memory_bandwidth: bytes a second.
        """
        major, minor = self.compute_capability
        features = "ACCELERATED_FEATURES" if self.accelerated else "NONE"
        return f"""gpu_device_info {{
  threads_per_block_limit: 1024
  threads_per_warp: 32
  shared_memory_per_block: 49152
  shared_memory_per_block_optin: {self.shared_memory_per_core - 1024}
  shared_memory_per_core: {self.shared_memory_per_core}
  threads_per_core_limit: 2048
  core_count: {self.cores}
  fpus_per_core: {self.fpus_per_core}
  block_dim_limit_x: 2147483647
  block_dim_limit_y: 65535
  block_dim_limit_z: 65535
  thread_dim_limit_x: 1024
  thread_dim_limit_y: 1024
  thread_dim_limit_z: 64
  memory_bandwidth: {int(memory_bandwidth)}
  l2_cache_size: {self.l2_bytes}
  clock_rate_ghz: {self.clock_ghz}
  device_memory_size: {memory_bytes}
  cuda_compute_capability {{ major: {major} minor: {minor} feature_extension: {features} }}
  registers_per_core_limit: 65536
  registers_per_block_limit: 65536
  driver_version: "13.0.0"
  runtime_version: "13.0.0"
  compile_time_toolkit_version: "13.0.0"
  dnn_version: "9.12.0"
}}
platform_name: "CUDA"
dnn_version_info {{ major: 9 minor: 12 }}
device_description_str: "{self.name}"
"""


@dataclass(frozen=True)
class Device:
    """A kind of device, with its peaks and bandwidths.

    Peaks are in FLOPs a second, bandwidths in bytes a second.
    """

    name: str
    """Name on the command line."""
    about: str
    platform: Literal["cuda", "tpu", "cpu"]
    flops: dict[str, float]
    """Peak of matrix products by the type of their factors; float32 at the default precision of JAX, which is TF32 on
    GPUs and bfloat16 on TPUs."""
    memory_bytes: int
    memory_bandwidth: float
    usable_share: float
    """Share of the memory that JAX uses by default."""
    cache_bytes: int
    """Arrays of at most this size may never leave the chip between two kernels, and count in no bound."""
    link_bandwidth: float
    """Bandwidth to the other devices of the host or slice, all links of one device together, in one direction."""
    network_bandwidth: float
    """Bandwidth to devices of other hosts, for one device in one direction."""
    devices_per_host: int
    gpu: Gpu | None = None
    dimensions: int = 2
    """Dimensions of a TPU's torus."""


_GPU_SHARE = 0.75
"""XLA_PYTHON_CLIENT_MEM_FRACTION: the default of JAX on GPUs."""
_MIB = 1 << 20


def _gpu(
    name: str,
    about: str,
    gpu: Gpu,
    *,
    bf16: float,
    tf32: float,
    memory_bytes: int,
    memory: float,
    link: float,
    net: float,
) -> Device:
    return Device(
        name=name,
        about=about,
        platform="cuda",
        flops={"bfloat16": bf16 * _TERA, "float32": tf32 * _TERA},
        memory_bytes=memory_bytes,
        memory_bandwidth=memory * _GIGA,
        usable_share=_GPU_SHARE,
        cache_bytes=gpu.l2_bytes,
        link_bandwidth=link * _GIGA,
        network_bandwidth=net * _GIGA,
        devices_per_host=8,
        gpu=gpu,
    )


def _tpu(name: str, about: str, *, bf16: float, gib: int, memory: float, link: float, host: int, dims: int) -> Device:
    return Device(
        name=name,
        about=about,
        platform="tpu",
        flops={"bfloat16": bf16 * _TERA, "float32": bf16 * _TERA},
        memory_bytes=gib << 30,
        memory_bandwidth=memory * _GIGA,
        usable_share=1.0,
        cache_bytes=0,  # the compiled program shows which arrays stay in the chip's own memory
        link_bandwidth=link * _GIGA,
        network_bandwidth=link * _GIGA,  # the torus runs through all hosts of a slice
        devices_per_host=host,
        dimensions=dims,
    )


_A100 = Gpu("NVIDIA A100-SXM4-80GB", 108, 64, 1.41, 40 * _MIB, 167_936, (8, 0), accelerated=False)
_H100 = Gpu("NVIDIA H100 80GB HBM3", 132, 128, 1.98, 50 * _MIB, 233_472, (9, 0))
_H200 = Gpu("NVIDIA H200", 132, 128, 1.98, 50 * _MIB, 233_472, (9, 0))
_B200 = Gpu("NVIDIA B200", 148, 128, 1.965, 132_644_864, 233_472, (10, 0))

CPU = Device("cpu", "this machine's processors, without a bound", "cpu", {}, 0, math.inf, 0.9, 0, math.inf, math.inf, 1)
"""The machine's own processors, without a data sheet, so that there is no bound."""

DEVICES: dict[str, Device] = {
    device.name: device
    for device in (
        _gpu(
            "a100",
            "A100 80GB SXM",
            _A100,
            bf16=312,
            tf32=156,
            memory_bytes=85_100_068_864,
            memory=2039,
            link=300,
            net=25,
        ),
        _gpu(
            "h100",
            "H100 80GB SXM",
            _H100,
            bf16=989,
            tf32=494,
            memory_bytes=84_942_979_072,
            memory=3352,
            link=450,
            net=50,
        ),
        _gpu(
            "h200",
            "H200 141GB SXM",
            _H200,
            bf16=989,
            tf32=494,
            memory_bytes=151_397_597_184,
            memory=4800,
            link=450,
            net=50,
        ),
        _gpu(
            "b200",
            "B200 180GB SXM",
            _B200,
            bf16=2250,
            tf32=1100,
            memory_bytes=191_514_411_008,
            memory=7700,
            link=900,
            net=50,
        ),
        _tpu("v5e", "TPU v5e", bf16=197, gib=16, memory=819, link=200, host=4, dims=2),
        _tpu("v5p", "TPU v5p", bf16=459, gib=95, memory=2765, link=600, host=4, dims=3),
        _tpu("v6e", "TPU v6e", bf16=918, gib=32, memory=1638, link=400, host=4, dims=2),
        CPU,
    )
}


def find(name: str) -> Device:
    """Return the device with a name.

    Raises:
        BadInput: the device is unknown; the message gives the nearest name and all names.
    """
    if name.lower() in DEVICES:
        return DEVICES[name.lower()]
    mistake = str(unknown("device", name, DEVICES))
    listed = "" if "known are" in mistake else f" Known are: {', '.join(DEVICES)}."
    raise BadInput(mistake + listed, key="on")


def torus(device: Device, count: int) -> tuple[int, ...]:
    """Return the shape of the smallest torus with exactly `count` chips.

    Each side is a power of two. The last side is the longest, except for one host of three dimensions: (2, 2, 1).

    Raises:
        BadInput: the chips fill no torus; the message gives the next smaller and larger count that do.
    """
    doublings = count.bit_length() - 1
    if 1 << doublings != count:
        raise BadInput(
            f"{count} {device.name} fill no slice: use {1 << doublings} or {2 << doublings} devices.", key="devices"
        )
    if count == 1:
        return (1,) * device.dimensions
    least, more = divmod(doublings, device.dimensions)
    shape = [1 << (least + (place >= device.dimensions - more)) for place in range(device.dimensions)]
    if count < device.devices_per_host:
        raise BadInput(
            f"{count} {device.name} fill no host: use 1 device or a multiple of {device.devices_per_host}.",
            key="devices",
        )
    if device.dimensions == 3 and count == device.devices_per_host:
        shape = [2, 2, 1]
    return tuple(shape)


def hosts(device: Device, count: int) -> tuple[int, int]:
    """Return the hosts of `count` GPUs and the GPUs of each.

    Raises:
        BadInput: the GPUs do not fill a whole number of hosts.
    """
    whole, rest = divmod(count, device.devices_per_host)
    if whole and rest:
        fewer, more = whole * device.devices_per_host, (whole + 1) * device.devices_per_host
        raise BadInput(
            f"{count} {device.name} fill no whole number of hosts of {device.devices_per_host}: use {fewer} or {more} "
            "devices.",
            key="devices",
        )
    return (whole, device.devices_per_host) if whole else (1, count)
