"""Plotting out of a notebook."""

import math
import subprocess
import sys

import pandas as pd
import pytest
from matplotlib.figure import Figure
from report_frames import suite_frame, tried_frame

import moebench
from moebench.errors import BadInput
from moebench.reports.analysis.cells import Results


# The score card needs rows of diagnostic tasks, and contrastive those of two towers; tests of their own have such rows.
@pytest.mark.parametrize("name", [name for name in moebench.plot.__all__ if name not in ("scorecard", "contrastive")])
def test_a_figure_is_matplotlibs_shows_itself_and_carries_its_numbers(name: str) -> None:
    frame = tried_frame()
    losses = [None if math.isnan(loss) else [2 * loss, 1.5 * loss, loss] for loss in frame["eval_loss"]]
    frame = frame.assign(curve_eval_step=[[50, 100, 250]] * len(frame), curve_eval_loss=losses)
    figure = getattr(moebench.plot, name)(frame)
    assert isinstance(figure, Figure)
    assert isinstance(figure.frame, pd.DataFrame)
    assert figure.get_figwidth() == 7.0
    assert repr(figure).startswith("<Drawing of ")
    # What a notebook asks of an object; a PNG begins with these bytes.
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_axes_and_width_can_be_chosen() -> None:
    figure = moebench.plot.pareto(suite_frame(), "params", "eval_loss", style="talk", columns=1)
    assert [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes] == [("Parameters (M)", "Test loss (nats)")]
    assert figure.get_figwidth() == 3.0
    with pytest.raises(BadInput, match="this is no result table"):
        moebench.plot.pareto(pd.DataFrame({"x": [1]}))


def test_results_say_what_they_are() -> None:
    assert (
        repr(Results.from_frame(suite_frame())) == "<Results of scaling-experts: 17 cells, 1 of them failed, 51 rows>"
    )


def test_naming_the_module_imports_nothing_heavy() -> None:
    program = "import sys, moebench; moebench.plot.pareto; print(*{'pandas', 'matplotlib', 'jax'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "\n"
