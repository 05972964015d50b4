"""Find the compiler of a device, and describe absent devices to JAX."""

import importlib.metadata
import importlib.util
import os
import re
from collections.abc import Sequence

from moebench.errors import BadInput
from moebench.planning.devices import Device, hosts, torus

_GPU_FLAGS = "--xla_gpu_autotune_level=0 --xla_gpu_enable_triton_gemm=false"
"""Without a device XLA cannot tune, and finds no tiles for products in Triton."""
_CUDA_PLUGINS = (
    ("jax_plugins.xla_cuda13", "jax-cuda13-plugin", "jax-cuda13-pjrt"),
    ("jax_plugins.xla_cuda12", "jax-cuda12-plugin", "jax-cuda12-pjrt"),
)


def check_compiler(device: Device) -> str:
    """Return package and version of the compiler for a device.

    Raises:
        BadInput: the package is missing, or made for another JAX; the message names the package to install.
    """
    jax = importlib.metadata.version("jax")
    if device.platform == "cpu":
        return f"jaxlib {importlib.metadata.version('jaxlib')}"
    if device.platform == "tpu":
        if (found := _version("libtpu")) is None or not _is_there("libtpu"):
            raise _missing(device, "libtpu", "plan-tpu")
        if (wanted := _wanted_libtpu()) and not f"{found}.".startswith(wanted):
            raise BadInput(
                f"libtpu {found} is not the version for jax {jax}, which needs {wanted}*: "
                "pip install 'moebench[plan-tpu]'.",
                key="on",
            )
        return f"libtpu {found}"
    for module, *packages in _CUDA_PLUGINS:
        if _is_there(module):
            for package in packages:
                if (found := _version(package)) != jax:
                    raise BadInput(
                        f"{package} {found or 'is missing'} and jax {jax} are of different versions: "
                        f"pip install '{package}=={jax}'.",
                        key="on",
                    )
            return f"{packages[0]} {jax}"
    raise _missing(device, "JAX's CUDA plugin", "plan-gpu")


def _missing(device: Device, what: str, extra: str) -> BadInput:
    return BadInput(f"--on {device.name} needs {what}: pip install 'moebench[{extra}]'.", key="on")


def _is_there(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even the parent package is installed
        return False


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _wanted_libtpu() -> str | None:
    """Return the beginning of JAX's libtpu version, such as `0.0.42.`; None if unknown.

    The version is unknown if JAX's requirements name none.
    """
    for requirement in importlib.metadata.requires("jax") or []:
        if pinned := re.match(r"libtpu\s*==\s*([\d.]+)", requirement):
            return pinned[1]
    return None


def environment(device: Device, count: int) -> dict[str, str]:
    """Return the environment variables for compiling for `count` devices, in a process of its own."""
    flags = {
        "cuda": _GPU_FLAGS,
        "tpu": "",
        "cpu": f"--xla_force_host_platform_device_count={count}" if count > 1 else "",
    }[device.platform]
    own = os.environ.get("XLA_FLAGS", "")
    return {
        "JAX_PLATFORMS": "cpu",
        "TPU_SKIP_MDS_QUERY": "1",
        **({"XLA_FLAGS": f"{own} {flags}".strip()} if flags or own else {}),
    }


def check_mesh(device: Device, count: int) -> None:
    """Raise unless `count` devices fill a host, several hosts or a slice.

    Raises:
        BadInput: the devices fill none of these.
    """
    if device.platform == "cuda":
        hosts(device, count)
    elif device.platform == "tpu":
        torus(device, count)


def absent_devices(device: Device, count: int) -> "Sequence[object]":
    """Return JAX's description of `count` absent devices, or the processors of this machine."""
    import jax
    from jax.experimental import topologies

    if device.platform == "cpu":
        return jax.devices("cpu")[:count]
    if device.gpu is not None:
        machines, each = hosts(device, count)
        text = device.gpu.target_config(device.memory_bytes, device.memory_bandwidth)
        found = topologies.get_topology_desc(device.name, "cuda", target_config=text, topology=f"1x{machines}x{each}")
        return found.devices
    shape = torus(device, count)
    alone = {"chips_per_host_bounds": (1, 1, 1)} if count == 1 else {}
    name = f"{device.name}:{'x'.join(map(str, shape))}"
    return topologies.get_topology_desc(name, "tpu", **alone).devices
