"""Draw how every router routes one fixed group of 16 tokens: python docs/pictures.py FOLDER."""

import sys
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
from flax import nnx
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from moebench import routers
from moebench.reports.figures.patches import HATCH, expert_colors

TOKENS, EXPERTS = 16, 4
STEPS = 100
OPTIONS: dict[str, dict[str, Any]] = {
    "soft": {"slots_per_expert": 4},
    "soft-uniform": {"slots_per_expert": 4},
    "uniform-soft": {"slots_per_expert": 4},
    "uniform": {"slots_per_expert": 4},
    "switch": {"eval_capacity_factor": 1.0},
    "loss-free": {"update_rate": 0.01},
    "threshold": {"decay": 0.9},
    "expert-race": {"decay": 0.9},
}
"""Options other than the defaults: as many slots as tokens, and states that settle within the training steps."""
IN_TRAINING = ("sinkhorn", "base")
"""Routers whose rule holds in training only."""
STATEFUL = ("loss-free", "quantile", "threshold", "expert-race")
"""Routers whose choices depend on a state that training changes."""
_RC = {"font.family": "DejaVu Sans", "font.size": 8, "svg.hashsalt": "moebench", "svg.fonttype": "path"}
_INK = "#333333"


def scores() -> np.ndarray:
    """Return the logits float[token, expert]: neighbours are alike, and every fourth token is unsure."""
    noise = np.random.default_rng(7).normal(0, 0.7, (TOKENS, 2 * EXPERTS))
    home = np.arange(TOKENS) // 4
    sureness = np.array([2.4, 1.2, 1.8, 0.4] * 4)
    noise[np.arange(TOKENS), home] += sureness
    noise[:, 0] += 1.0
    return noise.round(1)


@dataclass(frozen=True)
class Routed:
    """What a router did with the tokens."""

    gates: np.ndarray
    """float[token, expert]."""
    dispatch: np.ndarray
    """float[token, expert, slot]."""
    combine: np.ndarray
    limited: bool
    """Whether slots are limited; without a limit, slots that no expert fills are left out."""
    taken: np.ndarray | None
    """1 for a choice that is processed, -1 for a dropped one, int[token, expert]; None if slots hold mixtures."""

    @property
    def dropped(self) -> np.ndarray:
        """Return which tokens no expert processes, bool[token]."""
        processed = (self.dispatch != 0).any((1, 2)) if self.taken is None else (self.taken > 0).any(1)
        return ~processed


@cache
def route(name: str) -> Routed:
    """Return how a router routes the tokens: in evaluation, or in training for `IN_TRAINING`."""
    given = {} if name in ("dense", "mixture-of-depths") else {"experts": EXPERTS}
    options = given | OPTIONS.get(name, {})
    router = routers.create(name, dim=TOKENS, rngs=nnx.Rngs(0), **options)
    with_scores(router)
    # Token t is the t-th unit vector, so that row t of a kernel holds its logits.
    tokens = jnp.eye(TOKENS)[None]
    key = jax.random.key(0)
    if name in STATEFUL:
        train = nnx.jit(lambda module, tokens, key: module(tokens, noise_key=key).gates)
        for step in range(STEPS):
            train(router, tokens, jax.random.fold_in(key, step))
    truth = np.where(np.arange(TOKENS) % 8 == 3, routers.NO_EXPERT, np.arange(TOKENS) // 4)
    known = {"truth": jnp.asarray(truth)[None]} if router.needs_truth else {}

    def arrays() -> tuple[Any, ...]:
        found = router(tokens, noise_key=key if name in IN_TRAINING else None, **known)
        pairs = found.pairs()
        choices = None if pairs is None else (pairs.expert[0], pairs.dropped[0])
        return found.gates[0], found.dispatch_weights[0], found.combine_weights[0], choices

    # One program, compiled in haste, takes a tenth of the time of its operations compiled one by one.
    return taken_apart(*jax.jit(arrays, compiler_options={"xla_backend_optimization_level": 0})())


def with_scores(router: routers.Router) -> None:
    """Replace a router's drawn parameters, if it has any, so that its logits are those of `scores`."""
    logits = jnp.asarray(scores(), jnp.float32)
    if hasattr(router, "phi"):
        slots = router.phi[...].shape[-1]
        # The slots of an expert differ, as they do after training.
        apart = jnp.asarray(np.random.default_rng(1).normal(0, 1.0, (TOKENS, EXPERTS, slots)), jnp.float32)
        router.phi = nnx.Param(logits[:, :EXPERTS, None] + apart)
        router.scale = nnx.Param(jnp.asarray(8.0))
    elif hasattr(router, "kernel"):
        kernel = router.kernel
        router.kernel = type(kernel)(logits[:, : kernel[...].shape[-1]].reshape(kernel[...].shape))


def taken_apart(gates: Any, dispatch: Any, combine: Any, choices: Any) -> Routed:
    """Return what is drawn of a routing.

    Args:
        gates: float[token, expert].
        dispatch: float[token, expert, slot].
        combine: float[token, expert, slot].
        choices: the experts of each token and whether each choice is dropped; None if slots hold mixtures.
    """
    gates, dispatch, combine = (np.asarray(each, float) for each in (gates, dispatch, combine))
    filled = (dispatch != 0).any(0)
    limited = filled.shape[1] < TOKENS or filled.shape[0] == 1
    if not limited:
        filled_first = np.argsort(~filled, axis=-1, kind="stable")[None, :, : int(filled.sum(-1).max())]
        dispatch, combine = (np.take_along_axis(each, filled_first, axis=-1) for each in (dispatch, combine))
    if choices is None:
        return Routed(gates, dispatch, combine, limited, None)
    taken = np.zeros(gates.shape, int)
    for token, (experts, dropped) in enumerate(zip(*map(np.asarray, choices), strict=True)):
        real = experts < gates.shape[1]
        taken[token, experts[real]] = np.where(dropped[real], -1, 1)
    return Routed(gates, dispatch, combine, limited, taken)


def draw(name: str) -> Figure:
    """Return the picture of a router: gates, dispatch and combine, tokens down, experts and slots across."""
    found = route(name)
    slots = found.dispatch.shape[1] * found.dispatch.shape[2]
    with matplotlib.rc_context(_RC):
        figure = Figure(figsize=(5.4, 2.8), layout="constrained", facecolor="white")
        widths = [max(5, found.gates.shape[1], slots / 4), max(12, slots), max(12, slots)]
        panels = figure.subplots(1, 3, sharey=True, gridspec_kw={"width_ratios": widths})
        matrix(panels[0], found.gates[..., None], found.dropped & False)
        marks(panels[0], found)
        matrix(panels[1], found.dispatch, found.dropped)
        matrix(panels[2], found.combine, found.dropped)
        for panel, title in zip(panels, ("Gates", "Dispatch: token to slot", "Combine: slot to token"), strict=True):
            panel.set_title(title, fontsize=8.5, color=_INK)
        panels[0].set_ylabel("token", color=_INK)
        panels[0].set_yticks(np.arange(0, TOKENS, 5) + 0.5, [str(token) for token in range(0, TOKENS, 5)])
    return figure


def matrix(panel: Axes, weights: np.ndarray, dropped: np.ndarray) -> None:
    """Draw weights as shades of each expert's colour, 1 at full strength, and hatch the rows of dropped tokens.

    Args:
        panel: to draw in.
        weights: float[token, expert, slot].
        dropped: bool[token].
    """
    _, experts, slots = weights.shape
    colors = expert_colors(max(2, experts))
    largest = max(1.0, float(np.abs(weights).max()))
    for expert in range(experts):
        left = expert * slots
        panel.add_patch(Rectangle((left, 0), slots, TOKENS, facecolor="#f4f4f4", edgecolor="none"))
        for token, slot in zip(*np.nonzero(weights[:, expert]), strict=True):
            # The root keeps small weights visible.
            shade = (*colors[expert], float(np.sqrt(np.abs(weights[token, expert, slot]) / largest)))
            panel.add_patch(Rectangle((left + slot, token), 1, 1, facecolor=shade, edgecolor="none"))
        panel.plot([left, left], [0, TOKENS], color="white", linewidth=1.6)
    for token in np.flatnonzero(dropped):
        panel.add_patch(
            Rectangle((0, token), experts * slots, 1, facecolor="none", edgecolor="#777777", hatch=HATCH, linewidth=0)
        )
    panel.set(xlim=(0, experts * slots), ylim=(TOKENS, 0))
    panel.set_xticks((np.arange(experts) + 0.5) * slots, [str(expert) for expert in range(experts)])
    panel.set_xlabel("expert" if slots == 1 else "slots of expert", color=_INK)
    panel.tick_params(length=0, colors=_INK)
    panel.spines[:].set_visible(False)


def marks(panel: Axes, found: Routed) -> None:
    """Mark choices in the panel of gates: a dot for a processed one, a cross for a dropped one."""
    if found.taken is None:
        return
    for value, marker, size in ((1, "o", 7), (-1, "x", 14)):
        token, expert = np.nonzero(found.taken == value)
        panel.scatter(expert + 0.5, token + 0.5, s=size, marker=marker, color="black", linewidths=1.0, zorder=3)


def summary(found: Routed) -> str:
    """Return a sentence on what was dropped and which slots stayed empty."""
    if found.taken is None:
        return "Every slot holds a mixture of all tokens, and nothing is dropped."
    dropped, lost = int(found.dropped.sum()), int((found.taken < 0).sum())
    empty = int((~(found.dispatch != 0).any(0)).sum()) if found.limited else 0
    choices = f"{lost} of {(found.taken != 0).sum()} choices"
    text = f"Dropped: {dropped} of {TOKENS} tokens and {choices}."
    return f"{text} Empty: {empty} of {found.dispatch[0].size} slots." if empty else text


def svg(name: str) -> str:
    """Return the picture of a router as SVG."""
    content = BytesIO()
    with matplotlib.rc_context(_RC):
        draw(name).savefig(content, format="svg", metadata={"Date": None})
    return content.getvalue().decode()


def note(name: str) -> str:
    """Return the text under a picture: what was dropped, and in which state the router is drawn."""
    options = ", ".join(f"{key}={value}" for key, value in OPTIONS.get(name, {}).items())
    when = "in training" if name in IN_TRAINING else "in evaluation"
    when += f", after {STEPS} training steps on these tokens" if name in STATEFUL else ""
    return f"{summary(route(name))} One group of {TOKENS} tokens, {when}, with {options or 'default options'}."


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for router in routers.names():
        draw(router).savefig(folder / f"{router}.png", dpi=120)
    print(folder)
