"""The environment of a measurement: devices, processor, versions, settings of JAX, load of the machine."""

import json
import os
from typing import Any

import jax

from moebench.errors import BadInput, shortened
from moebench.spec.jax_trouble import jax_trouble
from moebench.spec.machine import machine

PINNED: dict[str, Any] = {
    "jax_enable_x64": False,
    "jax_default_prng_impl": "threefry2x32",
    "jax_threefry_partitionable": True,
    "jax_random_seed_offset": 0,
}
"""Settings that every cell runs with: with other values, equal seeds give other weights, batches and noise."""
RECORDED: dict[str, Any] = {
    "jax_allow_f16_reductions": True,
    "jax_compiler_enable_remat_pass": True,
    "jax_cpu_enable_async_dispatch": True,
    "jax_debug_infs": False,
    "jax_debug_nans": False,
    "jax_default_matmul_precision": None,
    "jax_disable_jit": False,
    "jax_disable_most_optimizations": False,
    "jax_enable_checks": False,
    "jax_enable_custom_prng": False,
    "jax_enable_pgle": False,
    "jax_exec_time_optimization_effort": 0.0,
    "jax_high_dynamic_range_gumbel": False,
    "jax_memory_fitting_effort": 0.0,
    "jax_memory_fitting_level": "O2",
    "jax_numpy_dtype_promotion": "standard",
    "jax_optimization_level": "UNKNOWN",
    "jax_ragged_dot_use_gpu_pallas_triton_lowering": False,
    "jax_ragged_dot_use_ragged_dot_instruction": True,
    "jax_softmax_custom_jvp": False,
    "jax_threefry_gpu_kernel_lowering": False,
    "jax_use_direct_linearize": True,
    "jax_use_shardy_partitioner": True,
}
"""Settings of JAX that change programs, times or random numbers, with their defaults; recorded, not changed."""
VARIABLES = ("XLA_FLAGS", "LIBTPU_INIT_ARGS", "NVIDIA_TF32_OVERRIDE")
"""Environment variables that compilers and libraries below JAX read."""


def pin_jax_settings() -> None:
    """Set the settings in `PINNED`, 64-bit mode and randomness, in which no cell may differ."""
    for name, value in PINNED.items():
        jax.config.update(name, value)


def jax_settings() -> dict[str, Any]:
    """Return the settings of JAX and XLA that differ from their defaults.

    The settings are those of `RECORDED` and `VARIABLES`. Settings such as `JAX_DEFAULT_MATMUL_PRECISION` are read from
    JAX itself, so that changes by a program count. Settings in `PINNED` are left out: they are equal in every cell.
    """
    found = {name: os.environ[name].split() for name in VARIABLES if os.environ.get(name, "").strip()}
    texts = {name: " ".join(parts) for name, parts in found.items()}
    # Some settings are only in `values`; a setting of a `with` block is only an attribute.
    known = jax.config.values
    now = {name: getattr(jax.config, name, known.get(name, default)) for name, default in RECORDED.items()}
    plain = {name: getattr(value, "value", value) for name, value in now.items()}  # some are members of an enumeration
    return {name: value for name, value in plain.items() if value != RECORDED[name]} | texts


def start_jax() -> None:
    """Start JAX's devices.

    Raises:
        BadInput: JAX finds no device, for example because `JAX_PLATFORMS` names an absent one.
    """
    try:
        jax.devices()
    except Exception as error:  # RuntimeError for an absent device, AssertionError for an absent plugin of a device
        raise BadInput(jax_trouble(error) or f"JAX finds no device: {shortened(str(error), 200)}.") from error


def environment() -> dict[str, Any]:
    """Return the environment columns of the result table; starts JAX's devices.

    Raises:
        BadInput: JAX finds no device.
    """
    start_jax()
    device = jax.local_devices()[0]
    return {
        "device_kind": device.device_kind,
        "device_count": 1,
        "platform": device.platform,
        **machine(),
        "jax_settings": json.dumps(jax_settings(), sort_keys=True),
    }
