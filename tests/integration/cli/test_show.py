"""`moebench show ROUTER[…]`: the slots that a router has, by numbers worked by hand."""

import pytest

from moebench import routers
from moebench.cli import main
from moebench.inside.schema import ROUTING_COLUMNS
from moebench.spec.tasks import TASK_KINDS


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[str], str]:
    with pytest.raises(SystemExit) as ended:
        main(["show", *arguments])
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out.splitlines(), printed.err


def test_slots_of_a_group_on_the_smallest_model(capsys: pytest.CaptureFixture[str]) -> None:
    # 8 × 8 pixels in patches of 2 × 2 are 16 tokens, 8 images 128. 128 · 2 choices / 8 experts = 32 slots each: 256 for
    # 256 choices, so none has to stay empty.
    code, lines, err = shown(capsys, "bpr[experts=8,top_k=2]")
    assert (code, err) == (0, "")
    assert lines == [
        "router bpr[experts=8,top_k=2] in mu/2, 8 × 8 pixels",
        "each group: 8 images, 128 tokens",
        "",
        "slots_per_expert           32",
        "total_slots                256",
        "effective_capacity_factor  1.000",
        "padding                    0.0 % of the experts' rows stay empty at least",
    ]


def test_padding_that_a_public_system_s_rounding_makes(capsys: pytest.CaptureFixture[str]) -> None:
    # 224 / 16 = 14 patches a side, 196 tokens. ceil(196 · 1.05 / 32) = 7, up to a multiple of 4: 8 slots, 256 in all;
    # 256 / 196 = 1.306, and 60 of 256 slots = 23.4 % find no token. In groups of 2 images ceil(12.86) = 13, so 16.
    cell = "tokens-choice[experts=32,capacity_factor=1.05,capacity_rule=vmoe]"
    _, lines, _ = shown(capsys, cell, "--model", "s/16", "--group-images", "1")
    assert [line.split()[1] for line in lines[3:]] == ["8", "256", "1.306", "23.4"]
    assert lines[1] == "each group: 1 image, 196 tokens"
    _, lines, _ = shown(capsys, cell, "--model", "s/16", "--group-images", "2")
    assert [line.split()[1] for line in lines[3:5]] == ["16", "512"]


def test_a_name_without_options_is_taken_as_a_cell_where_a_model_is_given(capsys: pytest.CaptureFixture[str]) -> None:
    # C · S = 0.125 · 16 tokens = 2 slots of the one expert.
    _, lines, _ = shown(capsys, "mixture-of-depths", "--image-size", "8")
    assert lines[4] == "total_slots                2"
    code, lines, err = shown(capsys, "bpr", "--model", "s/16")
    assert (code, lines) == (2, [])
    assert err == "moebench: router 'bpr' needs the option 'experts', such as bpr[experts=8].\n"


@pytest.mark.parametrize("name", sorted(set(routers.names())))
def test_every_option_of_a_router_is_explained(name: str) -> None:
    texts = routers.explanations(name)
    assert list(texts) == list(routers.options(name))
    assert all(text.endswith(".") for text in texts.values())


def test_a_router_is_shown_with_its_options_and_its_paper(capsys: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = shown(capsys, "bpr")
    assert code == 0
    assert "paper: https://arxiv.org/abs/2106.05974" in lines
    place = lines.index("  priority               max")
    assert lines[place + 1].startswith("    Priority of a token for slots: max, its largest gate")
    first = lines.index("options, with their defaults, as written in brackets or in a suite:")
    assert max(map(len, lines[first:])) < 80


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "xyzzy",
            "unknown name 'xyzzy': `moebench list routers|suites|models|datasets|columns|keys` says what there is.",
        ),
        ("flops", "unknown name 'flops': did you mean one of flops_dispatch_combine, flops_experts, "),
        ("mu2", "unknown name 'mu2': did you mean 'mu/2'?"),
    ],
)
def test_an_unknown_name_is_answered_shortly(name: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = shown(capsys, name)
    assert code == 2
    assert message in err


@pytest.mark.parametrize("kind", TASK_KINDS)
def test_a_task_of_any_number_is_shown(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    # No list names a task of this number.
    name = f"{kind}-{96 if kind in ('lookup', 'words') else 12}"
    code, lines, _ = shown(capsys, name)
    assert (code, lines[0]) == (0, f"data set {name}")


def test_columns_of_recordings_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["list", "columns", "--routing"])
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert ended.value.code in (0, None)
    assert list(lines) == [column.name for column in ROUTING_COLUMNS]
    assert lines["cell"].split()[1] == "string"
    with pytest.raises(SystemExit) as ended:
        main(["list", "routers", "--routing"])
    assert ended.value.code == 2
    assert "--routing is for `moebench list columns`, not for 'routers'" in capsys.readouterr().err
