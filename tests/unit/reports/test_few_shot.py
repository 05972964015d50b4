"""The sentence about linear probes, from tables whose answer is plain."""

import numpy as np
import pandas as pd
from report_frames import suite_frame

from moebench.reports.analysis.cells import Results
from moebench.reports.answer import few_shot
from moebench.reports.answer.sentence import details

PROBED = {"dense": 0.50, "bpr": 0.52, "soft": 0.60}


def frame(seeds: int = 3, spread: float = 0.001) -> pd.DataFrame:
    """Dense, bpr and soft with 8 experts, probed with 5 and 10 shots; seeds stand `spread` apart."""
    one = suite_frame(seeds=seeds, failed=())
    kept = one[one["router"].isin(PROBED) & one["experts"].isin([1, 8])].copy()
    # What a seed does to one router it does not do to the next.
    place = kept["router"].map({"dense": 0, "bpr": 1, "soft": 2})
    kept["few_shot_10"] = kept["router"].map(PROBED) + spread * ((kept["seed"] + place) % seeds - (seeds - 1) / 2)
    kept["few_shot_5"] = kept["few_shot_10"] - 0.1
    return kept


def test_the_best_stands_beside_dense_with_its_doubt() -> None:
    (text,) = few_shot.sentence(Results.from_frame(frame()))
    # Ten points of accuracy are far more than seeds that differ by a tenth of one.
    assert text.startswith("in the 10-shot probe soft[experts=8] is best, 60.0 % [")
    assert "(dense 50.0 % [" in text
    assert text.endswith("significantly better than 2 of 2 other cells (corrected for all 3 pairs)")


def test_seeds_that_differ_more_than_cells_show_no_difference() -> None:
    (text,) = few_shot.sentence(Results.from_frame(frame(spread=0.2)))
    assert "significantly better than 0 of 2 other cells" in text


def test_one_seed_has_no_interval_and_shows_nothing() -> None:
    (text,) = few_shot.sentence(Results.from_frame(frame(seeds=1)))
    assert text == "in the 10-shot probe soft[experts=8] is best, 60.0 % (dense 50.0 %)"


def test_where_there_are_fewer_shots_those_are_told_and_where_there_are_none_nothing_is() -> None:
    fewer = frame().assign(few_shot_10=np.nan)
    assert few_shot.sentence(Results.from_frame(fewer))[0].startswith(
        "in the 5-shot probe soft[experts=8] is best, 50.0 %"
    )
    assert few_shot.sentence(Results.from_frame(suite_frame())) == []
    assert few_shot.sentence(Results.from_frame(pd.concat([frame(), frame().assign(data="other", cell_id="x")]))) == []


def test_the_answer_names_the_best_of_the_probe() -> None:
    assert "; in the 10-shot probe soft[experts=8] is best" in details(Results.from_frame(frame()))
