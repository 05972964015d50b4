"""Counts beside the print: reading the tables, setting them side by side, and the suite that does it."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from moebench.cli import main
from moebench.errors import BadInput
from moebench.measuring import PARTS
from moebench.papers import agreement, printed
from moebench.papers.printed import Printed, PrintedModel
from moebench.reports.figures import agreement as draw
from moebench.suites import find
from moebench.suites.published_costs_file import CountingSuite


@pytest.mark.parametrize(
    ("text", "unit", "counted", "agrees"),
    [
        ("108", 1e6, 108.55e6, True),  # cut
        ("669", 1e6, 668.67e6, True),  # rounded
        ("669", 1e6, 668.49e6, False),
        ("54.1", 1e9, 54.177e9, True),  # cut
        ("54.1", 1e9, 54.2e9, False),
        ("36.5", 1e6, 36.4655e6, True),
        ("1.8", 1e9, 1.75e9, True),
    ],
)
def test_printed_digits_are_rounded_or_cut(text: str, unit: float, counted: float, agrees: bool) -> None:
    assert Printed(text, unit).agrees_in_digits(counted) is agrees


def row_of(table: str, row: str) -> PrintedModel:
    return next(model for model in printed.models(table) if model.row == row)


def test_long_runs_are_read() -> None:
    model = row_of("soft_moe_long_runs", "8: Soft MoE S/14 256E, 10M steps")
    assert model.entry == {"model": "s/14", "router": "soft", "experts": 256}
    assert model.images == 10_000_000 * 4096
    assert {key: value.value for key, value in model.printed.items()} == {
        "eval_gflop_per_image": 13.2, "train_exaflop": 814.2, "params": 1.8e9,
    }  # fmt: skip
    assert row_of("soft_moe_long_runs", "1: ViT H/14, 1M steps").entry == {"model": "h/14", "router": "dense"}


def test_short_runs_are_read() -> None:
    # Row 44: S/16 has 196 tokens, so that a group of 1568 is 8 images.
    assert row_of("soft_moe_table9_even", "44").entry == {
        "model": "s/16", "router": "experts-choice", "experts": 32, "group_images": 8, "capacity_factor": 2.0,
        "top_k": 1, "dispatch": "einsum",
    }  # fmt: skip
    assert row_of("soft_moe_table9_even", "12").entry["top_k"] == 2
    assert row_of("soft_moe_table9_even", "14").entry == {"model": "b/32", "router": "dense"}
    soft = {"model": "b/16", "router": "soft", "experts": 512, "group_images": 1}
    assert row_of("soft_moe_table9_even", "78").entry == soft


def test_vmoe_is_read() -> None:
    last = row_of("vmoe_models", "V-MoE-H/14 Last-5").entry
    assert last == {"model": "vmoe-h/14", "router": "tokens-choice", "top_k": 2, "moe_layers": "last-n:5"}
    assert row_of("vmoe_models", "V-MoE-15B Every-2").entry["model"] == "vmoe-15b"
    assert row_of("vmoe_models", "ViT-S/32").entry == {"model": "vmoe-s/32", "router": "dense"}


def test_tables_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown table 'vmoe_model': did you mean 'vmoe_models'"):
        printed.models("vmoe_model")
    with pytest.raises(BadInput, match="cannot read the table"):
        printed.models("nowhere.csv", tmp_path)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match="none of the columns that tell its kind"):
        printed.models("other.csv", tmp_path)
    (tmp_path / "odd.csv").write_text("model,k,params_millions\nXYZ,,1.0\n")
    with pytest.raises(BadInput, match="model XYZ"):
        printed.models("odd.csv", tmp_path)


def one(name: str, **values: str) -> PrintedModel:
    return PrintedModel(
        "t", name, name, {"model": "s/16", "router": "soft"}, 1, {k: Printed(v) for k, v in values.items()}
    )


def test_counts_are_set_beside_the_print() -> None:
    models = [one("near", train_exaflop="100"), one("far", train_exaflop="100"), one("odd", train_exaflop="100")]
    counts = [{"params": 7.0, "train_exaflop": each} for each in (99.0, 103.0, 90.0)]
    known = {("t", "odd", "train_exaflop"): (0.11, "a misprint")}
    frame = agreement.compare(models, counts, {"train_exaflop": 0.02}, known)
    train = frame[frame["quantity"] == "train_exaflop"].set_index("row")
    assert train["deviation"].tolist() == pytest.approx([-0.01, 0.03, -0.1])
    assert train["agrees"].tolist() == [True, False, True]
    assert train["why"].tolist() == ["", "", "a misprint"]
    assert frame.loc[frame["quantity"] == "params", "printed"].isna().all()
    assert agreement.outside(frame) == ["t far: train_exaflop 103.00 (100, +3.00 %), tolerance 0.02"]
    assert agreement.sentence(frame) == (
        "1 of 3 printed values agree with the count, 1 are known to differ; the largest deviation of FLOPs among them "
        "is 3.00 %."
    )


@pytest.fixture(scope="module")
def counted() -> pd.DataFrame:
    from moebench.cells.count_published import counts

    suite = find.find("published-costs")
    assert isinstance(suite, CountingSuite)
    return agreement.compare(suite.models, counts(suite.models), suite.tolerances, suite.known)


def test_every_printed_value_is_met(counted: pd.DataFrame) -> None:
    assert agreement.outside(counted) == []
    usual = counted[counted["why"].eq("")]
    deviations = usual.groupby("quantity")["deviation"].agg(lambda each: each.abs().max())
    assert deviations["eval_gflop_per_image"] < 0.01
    assert deviations["train_exaflop"] < 0.015
    known = counted[counted["why"].fillna("").ne("")]
    assert known["row"].tolist() == ["96", "102", "106", "V-MoE-15B Every-2"]


def test_soft_moe_has_forty_times_the_parameters(counted: pd.DataFrame) -> None:
    params = counted[counted["quantity"] == "params"].set_index("label")["counted"]
    soft, dense = (params[[name]].iloc[0] for name in ("Soft MoE H/14 128E, 1M steps", "ViT H/14, 1M steps"))
    assert soft / dense > 40


def test_the_figure_shows_every_printed_value(counted: pd.DataFrame) -> None:
    figure = draw(counted)
    points = sum(len(each.get_offsets()) for axes in figure.axes for each in axes.collections)
    assert points == counted["printed"].notna().sum()


@pytest.mark.parametrize("row", ["12", "38", "18"])
def test_the_program_counts_what_the_shapes_give(row: str) -> None:
    from moebench.cells.count import completed, count, resolved
    from moebench.spec.entry import build_spec

    model = row_of("soft_moe_table9_even", row)
    record = count(resolved(build_spec(completed(model.entry)))).record()
    assert model.images is not None
    exaflop = record["flops_train_per_image_as_printed"] * model.images / 1e18
    assert exaflop == pytest.approx(model.printed["train_exaflop"].value, rel=0.015)
    assert [record["parts"][part] for part in PARTS] == pytest.approx(list(record["closed_form"].values()), rel=0.01)


def suite_file(folder: Path, **changes: Any) -> str:
    content: dict[str, Any] = {
        "name": "mine",
        "question": "Do they agree?",
        "tables": ["rows.csv"],
        "tolerances": {"params": "digits", "eval_gflop_per_image": 0.01, "train_exaflop": 0.015},
        **changes,
    }
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["suite", *arguments])
    return int(ended.value.code or 0)


HEADER = "ref,model,routing,experts,group_size,K,C,train_exaflop\n"


def test_a_suite_of_ones_own_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.csv").write_text(HEADER + "1,S/32,Dense,,,,,4.3\n")
    assert run(suite_file(tmp_path, tolerances={"train_exaflop": 0.05}), "--results", str(tmp_path)) == 0
    out = capsys.readouterr().out
    assert "1 of 1 printed values agree" in out
    for form in ("csv", "png", "svg", "pdf"):
        assert (tmp_path / "_files" / "mine" / "report" / f"agreement.{form}").is_file()
    table = pd.read_csv(tmp_path / "_files" / "mine" / "report" / "agreement.csv")
    assert set(table["quantity"]) == {"params", "eval_gflop_per_image", "train_exaflop"}


def test_what_lies_outside_its_tolerance_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "rows.csv").write_text(HEADER + "1,S/32,Dense,,,,,5.0\n2,S/32,Soft MoE,32,49,,,99.0\n")
    known = [{"table": "rows", "row": "2", "quantity": "train_exaflop", "tolerance": 0.99, "why": "a misprint"}]
    assert run(suite_file(tmp_path, known=known), "--results", str(tmp_path)) == 1
    shown = capsys.readouterr()
    assert "outside the tolerance: rows 1: train_exaflop" in shown.err
    assert "rows 2" not in shown.err
    assert "~ rows 2 train_exaflop: a misprint" in shown.out


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tables": ["vmoe_model"]}, r"mine.yaml:\d+: unknown table 'vmoe_model': did you mean 'vmoe_models'"),
        ({"tables": []}, "tables"),
        ({"tolerances": {"params": "digits"}}, "there is no tolerance for 'train_exaflop'"),
        ({"tolerances": {"parms": 0.1}}, "parms"),
        ({"cells": []}, "unknown key 'cells'"),
        (
            {"known": [{"table": "rows", "row": "9", "quantity": "params", "tolerance": 0.1, "why": "?"}]},
            "no row '9' of the table 'rows' prints 'params'",
        ),
    ],
)
def test_bad_suite_files(
    changes: dict[str, Any], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "rows.csv").write_text(HEADER + "1,S/32,Dense,,,,,4.3\n")
    with pytest.raises(BadInput, match=says):
        find.find(suite_file(tmp_path, **changes))


def test_options_for_cells_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("published-costs", "--seeds", "1") == 2
    assert "suite 'published-costs' runs no cells" in capsys.readouterr().err
