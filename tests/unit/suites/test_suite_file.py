"""The suite file: what a valid one means, and where each mistake is said to stand."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moebench.errors import BadInput
from moebench.spec import yaml_source
from moebench.spec.cell_spec import CellSpec
from moebench.spec.entry import build_spec, expand, parse_cell, parse_seeds
from moebench.spec.limits import Limits
from moebench.suites import find
from moebench.suites.grid import Filter, choose
from moebench.suites.suite_file import Suite, validate

HEAD = "name: small\nquestion: Is it small?\n"
CPU = "profiles:\n  cpu: {model: mu/2, steps: 3, seeds: [0, 1]}\n"  # lines 3 and 4
CELLS = "cells:\n  - {router: dense}\n  - {router: [soft, bpr], experts: [2, 4]}\n"  # lines 5 to 7


def suite(text: str) -> Suite:
    return validate(yaml_source.parse(text, Path("s.yaml")))


def test_entries_are_products_and_add_up() -> None:
    profile = suite(HEAD + CPU + CELLS).profile("cpu")
    # One dense cell, and 2 routers × 2 numbers of experts, the first key varying slowest.
    assert [(cell.spec.router, cell.spec.options) for cell in profile.cells] == [
        ("dense", {}),
        ("soft", {"experts": 2}),
        ("soft", {"experts": 4}),
        ("bpr", {"experts": 2}),
        ("bpr", {"experts": 4}),
    ]
    assert {(cell.spec.steps, cell.spec.seeds) for cell in profile.cells} == {(3, (0, 1))}


def test_an_entry_overrides_its_profile_and_a_profile_its_cells() -> None:
    text = HEAD + (
        "profiles:\n"
        "  cpu: {steps: 3}\n"
        "  gpu: {steps: 9, time_limit_s: 60, cells: [{router: soft, experts: 64}]}\n"
        "cells:\n"
        "  - {router: dense, steps: 5}\n"
        "figures: [scaling]\n"
    )
    read = suite(text)
    assert read.figures == ("scaling",)
    assert [cell.spec.steps for cell in read.profile("cpu").cells] == [5]
    gpu = read.profile("gpu")
    assert [(cell.spec.steps, cell.spec.options) for cell in gpu.cells] == [(9, {"experts": 64})]
    assert (read.profile("cpu").limits, gpu.limits) == (Limits(3600.0, None), Limits(60.0, None))


def test_data_may_be_a_mapping_of_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = HEAD + (
        "profiles:\n"
        "  cpu: {data: {train: ./a, test: ./b}}\n"
        "cells:\n"
        "  - {router: dense}\n"
        "  - {router: soft, data: [digits, {test: ./c, train: ./a}]}\n"
    )
    splits = [f"train={tmp_path}/a,test={tmp_path}/{test}" for test in "bc"]
    assert [cell.spec.data for cell in suite(text).profile("cpu").cells] == [splits[0], "digits", splits[1]]
    with pytest.raises(BadInput, match=r"^s.yaml:4: unknown key .tset. of data: did you mean .test.\?$"):
        suite(text.replace("test: ./b", "tset: ./b"))


def test_the_platform_chooses_the_profile() -> None:
    read = suite(HEAD + "profiles: {cpu: {}, gpu: {}}\ncells: [{router: dense}]\n")
    assert read.profile_for("cpu").name == "cpu"
    assert read.profile_for("gpu").name == "gpu"
    assert read.profile_for("tpu").name == "gpu"
    with pytest.raises(BadInput, match="no profile for the platform 'gpu'; give --profile: cpu"):
        suite(HEAD + CPU + CELLS).profile_for("gpu")
    with pytest.raises(BadInput, match=r"unknown profile 'cpy' of suite 'small': did you mean 'cpu'\?"):
        read.profile("cpy")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "s.yaml:1: a suite is a mapping with the keys name, question"),
        ("- 1\n", "s.yaml:1: a suite is a mapping with the keys name, question"),
        (HEAD + "name: twice\n", "s.yaml:3: the key 'name' occurs twice, first in line 1"),
        (HEAD + CPU + CELLS + "figurs: []\n", "s.yaml:8: unknown key 'figurs': did you mean 'figures'?"),
        (HEAD + CPU + CELLS + "figures: [pie]\n", "s.yaml:8: item 1 of 'figures' should be 'forest', 'pareto'"),
        (CPU + CELLS, "s.yaml:1: the key 'name' is missing"),
        (HEAD + CELLS, "s.yaml:1: the key 'profiles' is missing"),
        ("name: 3\nquestion: q\n" + CPU + CELLS, "s.yaml:1: 'name' should be a text, not 3"),
        ("name: run\nquestion: q\n" + CPU + CELLS, "s.yaml:1: the name 'run' is reserved for single cells"),
        ("name: A b\nquestion: q\n" + CPU + CELLS, "s.yaml:1: 'name' should"),
        (HEAD + CPU + "cells: []\n", "s.yaml:5: 'cells' should"),
        (HEAD + CPU + "cells: [dense]\n", "s.yaml:5: item 1 of 'cells' should be a mapping of keys to values"),
        (HEAD + CPU + "cells:\n  - {experts: 2}\n", "s.yaml:6: the key 'router' is missing"),
        (
            HEAD + CPU + "cells:\n  - router: soft\n    experts: []\n",
            "s.yaml:7: the list of 'experts' is empty, so the entry spans no cell",
        ),
        (
            HEAD + CPU + "cells:\n  - {router: soft, experts: {a: 1}}\n",
            "s.yaml:6: 'experts' should be one value, not a mapping",
        ),
        (
            HEAD + CPU + "cells:\n  - {router: soft, total_slots: all}\n",
            "s.yaml:6: 'total_slots' should be a whole number from 1 to 1,000,000,000 or 'tokens', not 'all'",
        ),
        (HEAD + CPU + "cells:\n  - {router: soft, seeds: [0]}\n", "s.yaml:6: 'seeds' belongs to a profile"),
        (HEAD + CPU + CELLS + "  - router: dense\n", "s.yaml:8: a cell of 'dense' is in line 6 already"),
        (
            HEAD + "profiles:\n  cpu:\n    stepz: 3\n" + CELLS,
            "s.yaml:5: unknown key 'stepz': did you mean 'steps'?",
        ),
        (HEAD + "profiles:\n  cpu:\n    top_k: 1\n" + CELLS, "belongs under 'cells'"),
        (
            HEAD + "profiles:\n  cpu:\n    steps: many\n" + CELLS,
            "s.yaml:5: 'steps' should be a whole number from 1 to 1,000,000,000, not 'many'.",
        ),
        (
            HEAD + "profiles:\n  cpu:\n    steps: 0\n" + CELLS,
            "s.yaml:5: 'steps' should be a whole number from 1 to 1,000,000,000, not 0.",
        ),
        (HEAD + "profiles:\n  cpu:\n    steps: [1, 2]\n" + CELLS, "s.yaml:5: 'steps' of a profile should be one"),
        (HEAD + "profiles:\n  cpu: {seeds: [1, 1]}\n" + CELLS, "s.yaml:4: the seed 1 occurs twice in 'seeds'"),
        (HEAD + "profiles:\n  cpu: {seeds: []}\n" + CELLS, "s.yaml:4: 'seeds' is empty"),
        (HEAD + "profiles:\n  cpu: {seeds: 3}\n" + CELLS, "s.yaml:4: 'seeds' should be a list"),
        (
            HEAD + "profiles:\n  cpu: {seeds: [-1]}\n" + CELLS,
            "s.yaml:4: a seed is a whole number from 0 to 2147483647, not -1",
        ),
        (
            HEAD + "profiles:\n  cpu: {time_limit_s: 0}\n" + CELLS,
            "s.yaml:4: 'time_limit_s' should be a number greater than 0",
        ),
        (
            HEAD + "profiles:\n  cpu: {memory_limit_gib: lots}\n" + CELLS,
            "s.yaml:4: 'memory_limit_gib' should be a number greater than 0, not 'lots'",
        ),
        (
            HEAD + "profiles:\n  cpu: {learning_rate: .nan}\n" + CELLS,
            "s.yaml:4: .nan is not a finite number",
        ),
        (HEAD + "cells: [\n", "s.yaml:4: not valid YAML"),
        (HEAD + "3: x\n", "s.yaml:3: a key must be a text, not '3'"),
        (HEAD + "question: !!python/object:os.system x\n", "s.yaml:3: the key 'question' occurs twice"),
        ("name: !!python/name:os.system x\n", "s.yaml:1: not valid YAML: tags with '!' are not taken"),
    ],
)
def test_a_mistake_names_file_line_and_key(text: str, message: str) -> None:
    with pytest.raises(BadInput) as raised:
        suite(text)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_aliases_cannot_blow_a_file_up() -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefg", "bcdefgh", strict=True)]
    with pytest.raises(BadInput, match="too large or nested too deeply"):
        suite("\n".join(lines))
    with pytest.raises(BadInput, match="too large or nested too deeply"):
        suite("a: &a [*a]\n")


def test_a_grid_without_bound_is_refused() -> None:
    numbers = str(list(range(1, 200)))
    entry = f"cells:\n  - {{router: soft, experts: {numbers}, steps: {numbers}}}\n"
    with pytest.raises(BadInput, match=r"s.yaml:6: the entry spans 39,601 cells; a suite may have 10,000"):
        suite(HEAD + CPU + entry)  # 199² = 39,601


def test_an_exponent_without_a_dot_is_a_number() -> None:
    read = suite(HEAD + "profiles: {cpu: {learning_rate: 1e-3}}\n" + CELLS)
    assert read.profile("cpu").cells[0].spec.learning_rate == 0.001


def test_a_mistake_found_later_is_placed_in_the_entry_or_in_the_profile() -> None:
    cell = suite(HEAD + CPU + CELLS).profile("cpu").cells[1]
    assert str(cell.error("too many.", "experts")) == "s.yaml:7: too many."
    assert str(cell.error("too long.", "steps")) == "s.yaml:4: too long."
    assert str(cell.error("odd.", "capacity_factor")) == "s.yaml:7: odd."


@given(st.dictionaries(st.sampled_from("abcde"), st.lists(st.integers(0, 9), min_size=1, unique=True), max_size=4))
def test_a_product_has_every_combination_once(entry: dict[str, list[int]]) -> None:
    cells = list(expand(entry))
    size = 1
    for values in entry.values():
        size *= len(values)
    assert len(cells) == len({tuple(cell.items()) for cell in cells}) == size
    assert all(cell[key] in entry[key] for cell in cells for key in entry)


def test_settings_are_multiplied_out_like_cells_and_make_none() -> None:
    entry = "  - {router: bpr, experts: [2, 4], test_time: [{top_k: [1, 2], capacity_factor: 0.5}, {top_k: 2}]}\n"
    cells = suite(HEAD + CPU + "cells:\n" + entry).profile("cpu").cells
    tried = ({"top_k": 1, "capacity_factor": 0.5}, {"top_k": 2, "capacity_factor": 0.5}, {"top_k": 2})
    assert [(cell.spec.options, cell.spec.test_time) for cell in cells] == [
        ({"experts": 2}, tried),
        ({"experts": 4}, tried),
    ]


@pytest.mark.parametrize(
    ("test_time", "message"),
    [
        ("{top_k: 1}", "s.yaml:6: 'test_time' should be a list of mappings such as [{top_k: [1, 2]}], not a mapping"),
        ("[1]", "s.yaml:6: 'test_time' should be a list of mappings"),
        ("[{top_k: {a: 1}}]", "s.yaml:6: 'top_k' in 'test_time' should be one value, not a mapping"),
        ("[{top_k: 1}, {top_k: [1, 2]}]", "s.yaml:6: the setting {'top_k': 1} in 'test_time' occurs twice"),
        ("[{}]", "s.yaml:6: the setting {} in 'test_time' changes nothing"),
    ],
)
def test_a_mistake_in_a_setting_names_its_line(test_time: str, message: str) -> None:
    with pytest.raises(BadInput) as raised:
        suite(HEAD + CPU + f"cells:\n  - {{router: bpr, experts: 2, test_time: {test_time}}}\n")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("dense", {"router": "dense"}),
        ("soft[]", {"router": "soft"}),
        ("soft[experts=16, steps=5]", {"router": "soft", "experts": 16, "steps": 5}),
        ("bpr[capacity_factor=1.05]", {"router": "bpr", "capacity_factor": 1.05}),
        ("soft[moe_layers=2,3,experts=4]", {"router": "soft", "moe_layers": "2,3", "experts": 4}),
        (
            "dense[text_router=bpr[experts=4,top_k=1],steps=5]",
            {"router": "dense", "text_router": "bpr[experts=4,top_k=1]", "steps": 5},
        ),
    ],
)
def test_a_cell_on_the_command_line(text: str, values: dict[str, object]) -> None:
    assert parse_cell(text) == values


@pytest.mark.parametrize(
    "text", ["", "soft[", "soft[experts=2", "[experts=2]", "soft[16]", "soft[a=1,a=2]", "a b", "soft[a=b[c]"]
)
def test_what_is_no_cell_is_said(text: str) -> None:
    with pytest.raises(BadInput):
        parse_cell(text)


def specs() -> list[CellSpec]:
    return [cell.spec for cell in suite(HEAD + CPU + CELLS).profile("cpu").cells]


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ([], [0, 1, 2, 3, 4]),
        (["router=soft"], [1, 2]),
        (["router=soft,dense"], [0, 1, 2]),
        (["experts=4"], [2, 4]),
        (["router=bpr", "experts=2,4"], [3, 4]),
        (["router=soft,experts=2,4"], [1, 2]),
        (["model=mu/2"], [0, 1, 2, 3, 4]),
    ],
)
def test_filters_choose_cells(filters: list[str], kept: list[int]) -> None:
    assert choose(specs(), [one for text in filters for one in Filter.parse(text)]) == kept


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        (["router"], "'router' is no selection"),
        (["ruter=soft"], "unknown key 'ruter' of --filter: did you mean 'router'?"),
        (["router=sofd"], "unknown router 'sofd' of --filter: did you mean 'soft'?"),
        (["experts=3"], "unknown experts '3' of --filter"),
        (["router=dense", "experts=2"], "no cell passes all of the filters together"),
    ],
)
def test_a_filter_that_finds_nothing_is_said(filters: list[str], message: str) -> None:
    with pytest.raises(BadInput) as raised:
        choose(specs(), [one for text in filters for one in Filter.parse(text)])
    assert message in str(raised.value)


def test_seeds_on_the_command_line() -> None:
    assert parse_seeds("0,2, 5") == (0, 2, 5)
    for wrong in ("", "0,0", "a", "-1", "1.5", "0,,1"):
        with pytest.raises(BadInput):
            parse_seeds(wrong)


def test_a_wrong_value_names_its_key() -> None:
    with pytest.raises(BadInput) as raised:
        build_spec({"router": "soft", "precision": "half"})
    assert raised.value.key == "precision"
    assert str(raised.value) == "'precision' should be 'float32', 'mixed' or 'bfloat16', not 'half'."


def test_the_shipped_suite_is_the_one_of_its_question() -> None:
    read = find.find("scaling-experts")
    assert {name: len(profile.cells) for name, profile in read.profiles.items()} == {
        "cpu": 12,  # dense, dense widened, 2 routers × 2 numbers of experts, and 2 × 3
        "quick": 5,
        "gpu": 19,  # dense, 2 × 3, and 2 × 6
        "gpu-large": 19,
    }
    assert all(cell.spec.seeds == (0, 1, 2, 3) for cell in read.profile("cpu").cells)
    with pytest.raises(BadInput, match=r"unknown suite 'scaling-expert': did you mean 'scaling-experts'\?"):
        find.find("scaling-expert")
    with pytest.raises(BadInput, match=r"there is no suite file nowhere\.yaml"):
        find.find("nowhere.yaml")


def test_every_shipped_suite_is_valid_and_bears_its_files_name() -> None:
    names = find.shipped()
    assert "scaling-experts" in names
    assert [find.find(name).name for name in names] == list(names)
