"""`moebench flops` and what it prints: counts of any model from shapes alone."""

import json
import subprocess
import sys

import jax
import pytest

from moebench.cli import main
from moebench.measuring import estimate, peak_bytes, traced
from moebench.models import VitConfig
from moebench.models.presets import Preset, Size
from moebench.training import Program, Schedule, compiled


def flops(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    main_in_process("flops", *arguments)
    return capsys.readouterr().out


def main_in_process(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    assert ended.value.code == 0


def test_json_has_every_number(capsys: pytest.CaptureFixture[str]) -> None:
    counted = json.loads(flops("s/32", "soft[experts=64]", "--json", capsys=capsys))
    # S: width 384, 12 blocks, MLP 1536; /32 of 224 pixels: 49 patches of 3072 numbers; the last 6 blocks have experts.
    # Patches, positions, attention, two norms, MLPs, experts, phi and scale, last norm, head of 29,593 classes.
    block = 4 * (384 * 384 + 384) + 2 * 2 * 384
    mlp = 2 * 384 * 1536 + 1536 + 384
    routing = 384 * 64 + 1
    head = 2 * 384 + 384 * 29_593 + 29_593
    embedding = 3072 * 384 + 384 + 49 * 384
    assert counted["params"] == embedding + 12 * block + 6 * mlp + 6 * (64 * mlp + routing) + head
    # A token meets 64 slots for 49 tokens: 64/49 experts of 64.
    assert counted["params_active"] == round(counted["params"] - 6 * mlp * (64 - 64 / 49))
    assert counted["parts"] == {
        "embed": 2 * 49 * 3072 * 384,
        "attention": 12 * 2 * (4 * 49 * 384**2 + 2 * 49**2 * 384),
        "mlp": 6 * 49 * 2 * 2 * 384 * 1536,
        "router": 6 * 2 * 49 * 64 * 384,
        "dispatch_combine": 6 * 2 * 2 * 49 * 64 * 384,
        "experts": 6 * 64 * 2 * 2 * 384 * 1536,
        "head": 2 * 384 * 29_593,
    }
    assert counted["flops_forward_per_image"] == sum(counted["parts"].values())
    # Backward every product twice, apart from the images' gradient.
    assert counted["flops_train_per_image"] == 3 * counted["flops_forward_per_image"] - counted["parts"]["embed"]
    assert counted["flops_train_per_image_as_printed"] == 1.5 * counted["flops_forward_per_image"]
    assert counted["closed_form"] == counted["parts"]
    assert (counted["slots"], counted["total_slots"], counted["group_images"]) == (1, 64, 1)
    assert counted["effective_capacity_factor"] == pytest.approx(64 / 49)
    assert counted["parameter_bytes"] == 4 * counted["params"]
    assert counted["operations"] == {"dot_general": counted["flops_forward_per_image"]}
    assert counted["elementwise"]["tanh"] == 6 * (49 + 64) * 1536


def test_a_text_tower_is_counted_beside_the_image_tower(capsys: pytest.CaptureFixture[str]) -> None:
    counted = json.loads(flops("mu/2", "dense[text_model=pico]", "--json", capsys=capsys))
    # Width 32, 1 block, MLP 128, 32 tokens out of 32,000; projected to the image tower's width 64.
    block = 4 * (32 * 32 + 32) + 2 * 2 * 32 + 2 * 32 * 128 + 128 + 32
    text = 32_000 * 32 + 32 * 32 + block + 2 * 32 + 32 * 64 + 64
    assert counted["text_params"] == text
    parts = {"attention": 2 * (4 * 32 * 32**2 + 2 * 32**2 * 32), "mlp": 32 * 2 * 2 * 32 * 128, "head": 2 * 32 * 64}
    assert {part: count for part, count in counted["text_parts"].items() if count} == parts
    assert counted["text_closed_form"] == counted["text_parts"]
    assert counted["flops_forward_per_text"] == sum(parts.values())
    # The image tower has no head; one number is the factor of the cosines.
    plain = json.loads(flops("mu/2", "dense", "--classes", "10", "--json", capsys=capsys))
    assert counted["params"] == plain["params"] - (64 * 10 + 10) + text + 1
    assert counted["flops_forward_per_image"] == plain["flops_forward_per_image"] - plain["parts"]["head"]
    assert "text tower  " in flops("mu/2", "dense[text_model=pico]", capsys=capsys)


def test_options_change_what_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--image-size", "32", "--classes", "10", "--group-images", "4", "--moe-layers", "last-n:1", "--json"]
    router = "tokens-choice[experts=4,capacity_factor=2.0]"
    counted = json.loads(flops("ti/8", router, *options, "--dispatch", "einsum", "--batch", "8", capsys=capsys))
    # 4 images of 16 patches, each with one choice, and room for two: 128 slots, half of which stay empty.
    assert (counted["slots"], counted["effective_capacity_factor"]) == (32, 2.0)
    assert counted["flops_padding"] == counted["parts"]["experts"] / 2
    assert counted["moe_layers"] == "11"
    assert counted["parts"]["head"] == 2 * 192 * 10
    # One-hot products between 64 tokens and 128 slots, both ways, shared by 4 images; the weights' own product beside.
    assert counted["closed_form"]["dispatch_combine"] == 2 * 2 * 64 * 128 * 192 / 4
    assert counted["parts"]["dispatch_combine"] == counted["closed_form"]["dispatch_combine"] + 64 * 128 / 4
    assert counted["batch"] == 8


def test_without_a_router_the_model_is_as_published(capsys: pytest.CaptureFixture[str]) -> None:
    dense = json.loads(flops("mu/2", "--json", capsys=capsys))
    assert (dense["router"], dense["slots"], dense["effective_capacity_factor"]) == ("dense", None, None)
    assert dense["parts"]["experts"] == dense["parts"]["router"] == 0
    assert dense["params_active"] == dense["params"]
    soft = json.loads(flops("soft-s/32", "--json", capsys=capsys))
    assert (soft["router"], soft["slots"]) == ("soft[experts=64]", 1)
    dense = json.loads(flops("soft-s/32", "dense", "--json", capsys=capsys))
    assert dense["params"] == json.loads(flops("s/32", "--json", capsys=capsys))["params"]


def test_the_table_names_what_it_counts(capsys: pytest.CaptureFixture[str]) -> None:
    shown = flops("mu/2", "bpr[experts=4,top_k=2]", capsys=capsys)
    for words in ("dispatch and combine", "experts", "parameters", "element-wise", "estimated for a batch of 8"):
        assert words in shown
    assert "8 for each of 4 experts" not in shown
    assert (
        "64 for each of 4 experts and each group of 8 images routed together, effective capacity factor 1.000" in shown
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["s/33"], "patches of 33 pixels do not tile images of 224 pixels"),
        (["s/16", "sotf[experts=4]"], "unknown router 'sotf': did you mean 'soft'?"),
        (
            ["s/16", "soft[total_slot=tokens]"],
            "unknown option 'total_slot' of router 'soft': did you mean 'total_slots'",
        ),
        (["s/16", "soft[expert=4]"], "unknown option 'expert' of router 'soft': did you mean 'experts'?"),
        (["s/16", "soft[experts=4]", "--dispatch", "einsum"], "unknown option 'dispatch' of router 'soft'"),
        (["s/16", "bpr[experts=4]", "--dispatch", "teleport"], "known are: einsum, gather, ragged"),
        (["s/16", "bpr[experts=4]", "--batch", "3"], "groups of 8 images, which do not divide a batch of 3"),
        (["s/16", "bpr[experts=4]", "--moe-layers", "last-n:9"], "last-n:K with K from 1 to 6"),
        (["vmoe-s/16x"], "no patch size"),
    ],
)
def test_bad_input(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["flops", *arguments])
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_the_largest_published_model_fits_a_laptop() -> None:
    program = (
        "import atexit, re, sys\n"
        "from jax import monitoring\n"
        "from moebench.cli import main\n"
        "events = []\n"
        "monitoring.register_event_duration_secs_listener(lambda event, *_, **__: events.append(event))\n"
        # Its own memory: what getrusage tells begins with that of the process which started it.
        "peak = lambda: re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1]\n"
        "compiled = lambda: sum('backend_compile' in event for event in events)\n"
        "atexit.register(lambda: print(peak(), len(events) > 0, compiled(), file=sys.stderr))\n"
        "main(['flops', 'vmoe-15b', '--json'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["params"] > 14e9
    kilobytes, traced, compiled = done.stderr.split()
    assert int(kilobytes) < 2e6
    # The model is traced and never compiled; the one program converts the type of a scalar.
    assert traced == "True"
    assert int(compiled) <= 1


def test_estimated_memory_is_near_what_the_compiler_plans() -> None:
    shape = Preset(Size(width=64, layers=2, mlp=256, heads=2), patch=2)
    config = VitConfig(shape, 16, 1, 10, "soft", {"experts": 8}, group_images=1, moe_blocks=(1,))
    program = Program(config, Schedule(10, 1e-3, 0.1, 0.1, 1.0), batch=16)
    state, batch = program.abstract_state, program.abstract_batch(16)
    guess = estimate(state.parameters, state.optimizer, traced(program.gradient, state, *batch))
    assert guess.parameters == sum(4 * leaf.size for leaf in jax.tree.leaves(state.parameters))
    # Two moments for each parameter, and a step count or two.
    assert guess.optimizer == pytest.approx(2 * guess.parameters, rel=1e-3)
    planned = peak_bytes(compiled(program.train_step, state, *batch, donate=(0,)))
    assert planned is not None
    assert 0.8 < guess.total / planned < 1.6


def test_random_keys_are_no_memory() -> None:
    state = {"key": jax.eval_shape(lambda: jax.random.key(0)), "x": jax.ShapeDtypeStruct((3,), "bfloat16")}
    assert estimate(state, {}, traced(lambda x: x, state["x"])).parameters == 6
