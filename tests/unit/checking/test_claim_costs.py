"""Claims about cells of unequal cost, found before anything runs."""

from pathlib import Path

from moebench.checking.claim_costs import unequal_costs
from moebench.suites import find
from moebench.suites.suite_file import Suite, load

SUITE = """\
name: mine
question: Is it so?
profiles:
  cpu: {model: mu/4, data: digits}
  gpu: {model: mu/2, data: digits, cells: [{router: dense}, {router: soft, experts: 4, total_slots: tokens}]}
claims:
  - {says: one, source: me, better: {router: soft}, than: {router: dense}}
  - says: two
    source: me
    better: {router: soft}
    than: {router: dense}
    at: equal params (±5 %)
  - {says: three, source: me, better: {router: soft}, than: {router: dense}, at: any cost}
cells:
  - {router: dense}
  - {router: soft, experts: 4, slots_per_expert: 4}
"""


def test_a_claim_is_named_by_file_line_and_key_with_the_ratio(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(SUITE)
    first, *others = unequal_costs(load(file))
    # 16 slots for the 4 tokens of mu/4 on digits.
    assert first.check == "claim 1"
    assert first.what.startswith(f"{file}:7: profile 'cpu' has cells of unequal cost, at least ")
    assert first.what.endswith(" times the flops_forward_per_image; add 'at: any cost', or compare cells of equal cost")
    # Four experts have more parameters in both profiles.
    assert [each.check for each in others] == ["claim 2", "claim 2"]
    assert f"{file}:12: " in others[0].what


def test_claims_of_the_main_suite_compare_cells_of_equal_cost() -> None:
    suite = find.find("scaling-experts")
    assert isinstance(suite, Suite)
    assert [failure.what for failure in unequal_costs(suite)] == []
