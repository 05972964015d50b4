"""The registry of figures: complete, and what callers may choose."""

import pytest
from matplotlib.figure import Figure
from report_frames import suite_frame

import moebench
from moebench.errors import BadInput
from moebench.reports import figures
from moebench.reports.analysis.cells import Results
from moebench.reports.figures import registry
from moebench.spec.figure_names import FIGURES


def test_every_name_has_an_entry_and_every_entry_a_name() -> None:
    assert list(figures.entries()) == list(FIGURES)
    assert set(registry._ENTRIES) == set(FIGURES)
    assert all(entry.caption.endswith(".") for entry in figures.entries().values())


def test_notebooks_draw_the_figures_of_the_command_line() -> None:
    assert moebench.plot.__all__ == [name.replace("-", "_") for name in FIGURES]
    name = "at_test_time"
    with pytest.raises(AttributeError, match="draws no 'at_test_time'; it draws forest, pareto"):
        getattr(moebench.plot, name)


def test_one_column_is_accepted_for_axes_that_take_several() -> None:
    drawn = moebench.plot.scaling(suite_frame(), y="accuracy")
    assert set(drawn.frame["quantity"]) == {"accuracy"}
    with pytest.raises(BadInput, match="y of the figure 'pareto' takes one column, not 2"):
        moebench.plot.pareto(suite_frame(), y=["accuracy", "eval_loss"])


def test_what_cannot_be_chosen_is_refused() -> None:
    results = Results.from_frame(suite_frame())
    with pytest.raises(BadInput, match="x of the figure 'costs' is fixed; it can be chosen for forest, pareto"):
        figures.draw("costs", results, x="params")
    with pytest.raises(BadInput, match="did you mean 'scaling'"):
        figures.draw("scalin", results)
    with pytest.raises(BadInput, match="no row has a value of curve_step"):
        figures.draw("curves", Results.from_frame(suite_frame().drop(columns="curve_step")))


def test_a_figure_is_drawn_in_axes_that_are_given() -> None:
    own = Figure()
    left, right = own.subplots(1, 2)
    assert moebench.plot.scaling(suite_frame(), y="accuracy", ax=left) is left
    assert (left.get_ylabel(), left.get_xlabel()) == ("Accuracy (%)", "Experts")
    assert {text.get_text() for text in left.get_legend().get_texts()} >= {"dense", "soft"}
    assert not right.has_data()
    # One panel of those that the figure has by default, if one is given.
    moebench.plot.pareto(suite_frame(), ax=right)
    assert right.get_xlabel() == "Forward FLOPs per image (M)"
    assert len(own.axes) == 2


def test_axes_that_are_too_few_or_none_are_refused() -> None:
    axes = Figure().subplots()
    with pytest.raises(BadInput, match="has 2 panels here and 'ax' 1"):
        moebench.plot.scaling(suite_frame(), y=["accuracy", "params"], ax=axes)
    with pytest.raises(BadInput, match="'ax' should be matplotlib axes or an array of them, not str"):
        moebench.plot.pareto(suite_frame(), ax="left")
