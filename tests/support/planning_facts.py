"""Facts of compiled programs that nobody compiled."""

from typing import Any

from moebench.planning.facts import Facts


def facts(**known: Any) -> Facts:
    """Return facts with some known numbers, and zero for all others."""
    numbers = {name: 0.0 for name, field in Facts.model_fields.items() if field.annotation is float}
    return Facts(
        **{**numbers, "compiler_flops": None, "product_flops": None, "kernels": {}, "collectives": [], **known}
    )
