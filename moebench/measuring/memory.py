"""Memory of a compiled program."""

import jax


def peak_bytes(program: jax.stages.Compiled) -> int | None:
    """Arguments + outputs + temporaries − aliases, as the compiler planned them; None where it does not say."""
    plan = program.memory_analysis()
    if plan is None:
        return None
    return int(
        plan.argument_size_in_bytes + plan.output_size_in_bytes + plan.temp_size_in_bytes - plan.alias_size_in_bytes
    )
