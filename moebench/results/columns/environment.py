"""Columns on the machine and the versions with which a row was made."""

from moebench.results.columns.column import NUMBER, SMALL, TEXT, Column, Section, in_group

_SHOWN: tuple[Section, ...] = ("environment",)

ENVIRONMENT = in_group(
    "environment",
    Column("device_kind", TEXT, "", "device as JAX names it", "Device", sections=_SHOWN),
    Column("device_count", SMALL, "", "devices that the cell used", "Devices", sections=_SHOWN),
    Column("platform", TEXT, "", "cpu, gpu or tpu", "Platform", sections=_SHOWN),
    Column("hostname", TEXT, "", "name of the machine", "Machine", sections=_SHOWN),
    Column("cpu", TEXT, "", "model of the processor", "Processor", sections=_SHOWN),
    Column("cpu_count", SMALL, "", "processors that the cell could use", "Processors", sections=_SHOWN),
    Column(
        "load_average",
        NUMBER,
        "",
        "load of the machine over the last minute before the timing began",
        "Load average of the machine",
        sections=("timing",),
    ),
    Column("python_version", TEXT, "", "version of Python", "Python", sections=_SHOWN),
    Column("jax_version", TEXT, "", "version of jax", "jax", sections=_SHOWN),
    Column("jaxlib_version", TEXT, "", "version of jaxlib", "jaxlib", sections=_SHOWN),
    Column("flax_version", TEXT, "", "version of flax", "flax", sections=_SHOWN),
    Column("optax_version", TEXT, "", "version of optax", "optax"),
    Column("numpy_version", TEXT, "", "version of numpy", "numpy"),
    Column("pillow_version", TEXT, "", "version of pillow", "pillow"),
    Column("scikit_learn_version", TEXT, "", "version of scikit-learn", "scikit-learn"),
    Column(
        "jax_settings",
        TEXT,
        "JSON",
        "settings of JAX and XLA that change programs, times or randomness and are not at their defaults; {} if all "
        "are; null in rows from before the column",
        "JAX settings",
        sections=_SHOWN,
    ),
    Column("moebench_version", TEXT, "", "version of moebench", "moebench", sections=_SHOWN),
    Column(
        "git_commit",
        TEXT,
        "",
        "commit of moebench's checkout, with '+' if files differ; null outside a checkout",
        "Commit of moebench",
        sections=_SHOWN,
    ),
)
