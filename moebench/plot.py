"""Draw figures in notebooks and scripts: the frame of `moebench.load` in, a matplotlib figure out.

    import moebench

    frame = moebench.load("results", "scaling-experts")
    figure = moebench.plot.pareto(frame[frame["model"] == "mu/2"])
    figure.frame                                    the numbers that were drawn, as a pandas frame
    figure.savefig("pareto.pdf")                    as with any matplotlib figure
    moebench.plot.scaling(frame, y="accuracy", ax=axes[0])    in axes of your own figure; returns those axes

The figures are those of `moebench plot`, with `_` for `-` in their names: `moebench.plot.test_time`. Every function
takes a frame with one row for each cell and seed, `x` and `y` (columns; fixed for some figures), `style` (paper, talk
or notebook), `columns` (1 or 2, the width of the figure), and `ax`, axes to draw in. A frame that is no result table,
or has nothing to draw, raises `BadInput`. A figure that is the last line of a notebook's cell is shown.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from moebench.spec.figure_names import FIGURES

if TYPE_CHECKING:
    import pandas as pd

__all__ = [name.replace("-", "_") for name in FIGURES]


def __getattr__(name: str) -> Callable[..., Any]:
    """Return the function that draws the figure of that name."""
    if name not in __all__:
        raise AttributeError(f"moebench.plot draws no '{name}'; it draws {', '.join(__all__)}.")

    def draw(
        frame: "pd.DataFrame",
        x: str | Sequence[str] | None = None,
        y: str | Sequence[str] | None = None,
        *,
        ax: Any = None,
        style: str = "notebook",
        columns: int = 2,
    ) -> Any:
        # Drawing libraries take a second to import, and most programs that import moebench draw nothing.
        from moebench.reports import figures
        from moebench.reports.analysis.cells import Results

        layout = figures.Layout(style, columns, figures.axes_of(ax))
        drawn = figures.draw(name.replace("_", "-"), Results.from_frame(frame), layout, x=x, y=y)
        return drawn if ax is None else ax

    draw.__name__ = draw.__qualname__ = name
    draw.__doc__ = f"Draw the figure `moebench plot {name.replace('_', '-')}`; see `moebench.plot`."
    return draw


def __dir__() -> list[str]:
    return __all__
