"""How many seeds find a difference."""

import numpy as np
import pandas as pd
import pytest
from claim_frames import cell, claim, right, table

from moebench.claims.claim import parse_claim
from moebench.claims.power import DEFAULT_SCATTER, plan
from moebench.errors import BadInput
from moebench.statistics import power

CLAIMS = [
    parse_claim(claim(better={"router": "soft"}, than={"router": "dense"})),
    parse_claim(claim(says="second", better={"router": "bpr"}, than={"router": "dense"})),
]


def test_without_results_a_scatter_is_assumed() -> None:
    first, second = plan(CLAIMS, None, 17, 1.0)
    assert (first.seeds, first.difference) == (3, 0.01)
    assert first.needed == second.needed
    # Two claims: 2.5 % each. √2 · 0.6 points over n seeds, with 16 (n - 1) degrees of freedom.
    for seeds, enough in ((first.needed, True), (first.needed - 1, False)):
        error = np.sqrt(2 * DEFAULT_SCATTER**2 / seeds)
        assert (power(0.01, error, 16 * (seeds - 1), 0.025) >= 0.8) == enough


def test_results_tell_the_scatter() -> None:
    rng = np.random.default_rng(0)
    frames = [cell(router, 0.9 + rng.normal(0, 0.02, 3), experts=n) for n, router in enumerate(("soft", "bpr"), 2)]
    rough = table(cell("dense", 0.9 + rng.normal(0, 0.02, 3)), *frames)
    fine = rough.assign(accuracy=0.9 + (rough["accuracy"] - 0.9) / 10)
    many, few = plan(CLAIMS, rough, 3, 1.0), plan(CLAIMS, fine, 3, 1.0)
    assert many[0].needed > 10 * few[0].needed
    assert many[0].detectable == pytest.approx(10 * few[0].detectable, rel=1e-3)
    # Half of the difference needs about four times the seeds, once the degrees of freedom are many.
    assert plan(CLAIMS, rough, 3, 2.0)[0].needed == pytest.approx(many[0].needed / 4, rel=0.2)


def test_too_few_images_are_named() -> None:
    # Each router fails on images of its own, whatever the seed: no number of seeds removes that.
    frames = []
    for router, lost in (("soft", slice(0, 20)), ("dense", slice(20, 40)), ("bpr", slice(40, 60))):
        images = right(1.0, images=200)
        images[:, lost] = False
        images[0, 100] = images[1, 101] = False
        frames.append(
            cell(router, images.mean(axis=1)).assign(image_correct=pd.Series(list(images), dtype=object), test_set="t")
        )
    found = plan(CLAIMS, table(*frames), 3, 1.0)[0]
    assert (found.needed, found.images) == (None, 200)
    # 40 of 200 images differ: a variance of 0.2 over the images, so that (2.2414 + 0.8416)² · 0.2 / 0.01² are needed.
    assert found.images_needed == pytest.approx(3.083**2 * 0.2 / 0.01**2, rel=0.02)


def test_what_cannot_be_planned_says_why() -> None:
    claims = [
        parse_claim(claim(diverges_first={"router": "soft"}, than={"router": "dense"})),
        parse_claim(claim(better={"router": "soft"}, than={"router": "dense"}, on="train_step_vs_dense")),
        parse_claim(claim(better={"router": "soft"}, than={"router": "dense"}, on="eval_loss")),
    ]
    reasons = [each.reason for each in plan(claims, None, 3, 1.0)]
    assert reasons == [
        "seeds that diverge are counted, not measured",
        "seeds share one timing",
        "the scatter is unknown before there are results",
    ]
    missing = plan(CLAIMS[:1], table(cell("dense", (0.9, 0.91))), 3, 1.0)[0]
    assert missing.reason == "there are no results of the cells of 'better'"
    with pytest.raises(BadInput, match="above 0, not 0"):
        plan(CLAIMS, None, 3, 0.0)
