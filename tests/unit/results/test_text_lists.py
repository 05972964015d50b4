"""Lists of a result table that have become texts in a CSV file."""

import io

import numpy as np
import pandas as pd
import pytest
from report_frames import suite_frame

from moebench.errors import BadInput
from moebench.reports.analysis.cells import prepared
from moebench.results.text_lists import LISTS, with_lists


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[0.5, 1.25]", [0.5, 1.25]),
        ("[ 10  20\n 250]", [10, 20, 250]),
        ("[1.e-05 2.]", [1e-5, 2.0]),
        ("[array([1.]) array([0.25, 0.75])]", [[1.0], [0.25, 0.75]]),
        ("[array([1.], dtype=float32)]", [[1.0]]),
        ("['contention' 'unsteady']", ["contention", "unsteady"]),
        ("[ True False]", [True, False]),
        ("[null, 2]", [None, 2]),
        ("[]", []),
    ],
)
def test_texts_of_python_and_numpy_are_read(text: str, value: list[object]) -> None:
    frame = pd.DataFrame({"curve_loss": [text, None], "accuracy": [0.5, 0.5]})
    assert with_lists(frame)["curve_loss"].iloc[0] == value
    assert with_lists(frame)["curve_loss"].isna().tolist() == [False, True]
    assert frame["curve_loss"].iloc[0] == text


@pytest.mark.parametrize("text", ["[0.5 1. ... 2. 3.]", "[1, 2", "1, 2]", "many", "", "[1] [2]"])
def test_texts_that_are_no_whole_lists_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match=r"the column 'curve_loss' holds the text .*`moebench results export`"):
        with_lists(pd.DataFrame({"curve_loss": [text]}))


def test_a_frame_that_went_through_csv_is_the_frame() -> None:
    frame = suite_frame()
    text = io.StringIO()
    frame.to_csv(text, index=False)
    text.seek(0)
    back, whole = prepared(pd.read_csv(text)), prepared(frame)
    compared = [name for name in LISTS if whole[name].notna().any()]
    assert len(compared) >= 5
    for name in compared:
        for one, other in zip(back[name], whole[name], strict=True):
            if isinstance(other, (list, np.ndarray)):
                assert str(np.asarray(one).tolist()) == str(np.asarray(other).tolist()), name
            else:
                assert pd.isna(one)
