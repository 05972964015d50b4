"""Write a profile of a program's steps, which Perfetto and XProf open."""

from pathlib import Path

import jax

from moebench.measuring.timing.sampler import Call

STEPS = 10


def trace_steps(call: Call, folder: Path) -> None:
    """Write a profile of ten steps, after one step that is not profiled.

    The operations bear the model's named scopes: embed, attention, router, dispatch, experts, combine, head.

    Args:
        call: takes one step.
        folder: folder for the files, which go below `plugins/profile/`.
    """
    jax.block_until_ready(call())
    with jax.profiler.trace(str(folder)):
        for number in range(STEPS):
            with jax.profiler.StepTraceAnnotation("train", step_num=number):
                outputs = call()
        jax.block_until_ready(outputs)
