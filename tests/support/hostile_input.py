"""Suite files and command lines as nobody should write them, tried in one process that can be measured and may crash.

    python hostile_input.py suites FOLDER COUNT      mutated suite files, read and resolved
    python hostile_input.py commands FOLDER COUNT    mutated command lines, run without training

Prints a JSON object: how often each end came, the faults with what caused them, and the growth of memory in MiB.
"""

import contextlib
import io
import json
import os
import random
import resource
import shlex
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from moebench.cells import queries
from moebench.cli import main as command_line
from moebench.errors import BadInput
from moebench.suites import suite_file

SUITE = """\
name: small
question: Which router wins?
profiles:
  cpu: {model: mu/4, steps: 20, batch: 16, seeds: [0, 1], time_limit_s: 60}
  gpu: {model: s/16, data: fractals-100, image_size: 64, precision: mixed, seeds: [0, 1, 2], memory_limit_gib: 8}
cells:
  - router: dense
  - {router: [soft, experts-choice], experts: [2, 4], moe_layers: last-n:1}
  - router: bpr
    experts: 4
    top_k: 2
    capacity_factor: 1.05
    group_images: 8
    test_time: [{capacity_factor: 0.5}, {router: tokens-choice, top_k: 1}]
figures: [pareto, scaling]
"""
WRONG: tuple[Any, ...] = (
    None, True, -1, 0, 1, 3, 2.5, 1e3, 1e400, float("nan"), 10**30, "", " ", "soft", "no such thing", "1e3",
    "a" * 10_000,
    "\x00", "\x1b[31mred", "é\u202e", "../../x", "/dev/zero", "=1+1", "<script>", "{}", "2020-99-99", [], {}, [[]],
    [None],
    {"a": {"b": []}}, [1, "x"], {1: 2}, {"router": "soft"}, list(range(2000)),
)  # fmt: skip
TEXTS = (
    "!!int abc", "!!python/object:os.system x", "&a [*a]", "*none", "<<: 3", "? [x]\n: y", "2020-99-99", "0x1G",
    "1_0:60",
    "{", "]", "- -", "\t", "|", "%", "@", "`", "'", '"', ": :", "---\n", "...\n", "#", "!!binary é", "[" * 600,
    "9" * 5_000,
)  # fmt: skip
COMMANDS = (
    "list routers", "list columns --routing", "list keys", "show soft", "show bpr[experts=8,top_k=2] --model s/16",
    "show accuracy", "show mu/2", "env", "suite small.yaml --dry-run",
    "suite small.yaml --dry-run --filter router=soft",
    "suite small.yaml --dry-run --seeds 0-4 --profile gpu",
    "suite scaling-experts --dry-run --profile cpu --filter experts=4",
    "run soft[experts=4] --steps 5 --dry-run", "flops mu/4 soft[experts=4]", "results ls", "results verify",
    "results export x.csv",
    "plot pareto --suite small --out x.png", "dashboard --suite small --out x.html", "report --suite small --out x.md",
    "compare router=soft router=dense --suite small", "conform --template torch", "replay logits.npz --router bpr",
    "results merge elsewhere", "results compact",
)  # fmt: skip
WORDS = (
    "", " ", "-", "--", "--help", "--no-such", "--seeds", "--seeds=9-1", "--seeds=a", "--filter", "--filter=x",
    "--filter==",
    "--out", "--out=/nowhere/at/all.png", "--results=/dev/null", "--results=\x1b[31m", "--profile=", "--suite=../../x",
    "soft[", "soft[experts]", "soft[experts=]", "soft[experts=-1]", "soft[experts=1e400]", "soft[experts=[1,2]]",
    "[]", "=",
    "1e999", "é", "\u202e", "a" * 3_000, "/dev/zero", ".", "..", "~nobody/x", "hf:", "mu/0", "mu/-1", "mu/999999999999",
    "*", "$(true)", "'", "\\", "\n", "NaN",
)  # fmt: skip


def places(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a tree of mappings and lists."""
    if at:
        yield at
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in children:
        yield from places(value, (*at, key))


def mutated_suite(draw: random.Random) -> str:
    """A suite with one to three mistakes, in its values or in its text."""
    if draw.random() < 0.6:
        tree = yaml.safe_load(SUITE)
        for _ in range(draw.randint(1, 3)):
            at = draw.choice(list(places(tree)))
            around = tree
            for key in at[:-1]:
                around = around[key]
            kind = draw.random()
            if kind < 0.2:
                del around[at[-1]]
            elif kind < 0.35 and isinstance(around, dict):
                around[draw.choice(("expert", "router", "seeds", "steps", "x\ny", 7))] = draw.choice(WRONG)
            else:
                around[at[-1]] = draw.choice(WRONG)
        return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)
    text = SUITE
    for _ in range(draw.randint(1, 3)):
        spot, kind = draw.randrange(len(text) + 1), draw.randrange(5)
        if kind == 0:
            text = text[:spot] + draw.choice(TEXTS) + text[spot:]
        elif kind == 1:
            text = text[:spot] + text[spot + draw.choice((1, 4, 40)) :]
        elif kind == 2:
            text = text[:spot] + chr(draw.choice((0, 7, 0x85, 0x2028, 0xFEFF, 0x1F600))) + text[spot:]
        elif kind == 3:
            lines = text.splitlines(keepends=True)
            lines.insert(draw.randrange(len(lines) + 1), draw.choice(lines))
            text = "".join(lines)
        else:
            lines = text.splitlines(keepends=True)
            lines[draw.randrange(len(lines))] = draw.choice(("  ", "\t", "- ")) + draw.choice(lines)
            text = "".join(lines)
    return text


def mutated_command(draw: random.Random) -> list[str]:
    """A command line with one to three mistakes."""
    words = shlex.split(draw.choice(COMMANDS))
    for _ in range(draw.randint(1, 3)):
        spot = draw.randrange(len(words) + 1)
        kind = draw.randrange(4)
        if kind == 0:
            words.insert(spot, draw.choice(WORDS))
        elif kind == 1:
            words[spot : spot + 1] = [draw.choice(WORDS)]
        elif kind == 2:
            del words[spot : spot + 1]
        elif words:
            word = words[min(spot, len(words) - 1)]
            at = draw.randrange(len(word) + 1)
            words[min(spot, len(words) - 1)] = (
                word[:at] + draw.choice("=[],/.-x9\u00e9") + word[at + draw.randint(0, 1) :]
            )
    # What would train is worked out only.
    return [*words, "--dry-run"] if words[:1] in (["suite"], ["run"]) and "--dry-run" not in words else words


def is_sentence(text: str) -> bool:
    """Whether a message can be printed on a line and says something in our own words."""
    foreign = ("Input should", "pydantic", "Value error", "while parsing", "Traceback", "yaml.")
    return text.isprintable() and 10 < len(text) < 1_500 and not any(word in text for word in foreign)


def tried_suite(folder: Path, draw: random.Random) -> tuple[str, str]:
    """How reading and resolving a mutated suite ended, and its text."""
    text = mutated_suite(draw)
    path = folder / "suite.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        suite = suite_file.load(path)
        cells = [cell for profile in suite.profiles.values() for cell in profile.cells]
        found = queries.resolve([cell.spec.as_json() for cell in cells[:8]])
        errors = [answer["error"] for answer in found if "error" in answer]
    except BadInput as mistake:
        errors = [str(mistake)]
    except BaseException:
        return traceback.format_exc(limit=-4), text
    odd = [error for error in errors if not is_sentence(error)]
    return (f"no sentence: {odd[0]!r}" if odd else "refused" if errors else "accepted"), text


def tried_command(folder: Path, draw: random.Random) -> tuple[str, str]:
    """How a mutated command ended, and its words."""
    words = mutated_command(draw)
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            command_line(words)
    except SystemExit as end:
        text = err.getvalue()
        if end.code in (0, 1):
            return ("accepted" if "Traceback" not in text else text), repr(words)
        if end.code == 2:
            lines = [line for line in text.splitlines() if line.strip()]
            # At most three lines of usage and a sentence; or the help, for a group of commands without a command.
            good = (1 <= len(lines) <= 4 or "\nCommands:\n" in text) and all(
                len(line) < 1_500 and line.isprintable() for line in lines
            )
            return ("refused" if good and "Traceback" not in text else f"no sentence: {text[:2000]!r}"), repr(words)
        return f"exit code {end.code}: {text[:500]!r}", repr(words)
    except BaseException:
        return traceback.format_exc(limit=-4), repr(words)
    return "no exit code", repr(words)


def main(what: str, folder: Path, count: int) -> None:
    tried: Callable[[Path, random.Random], tuple[str, str]] = {"suites": tried_suite, "commands": tried_command}[what]
    os.environ["MOEBENCH_CACHE"] = str(folder / "cache")
    os.chdir(folder)
    Path("small.yaml").write_text(SUITE)
    draw, ends, faults = random.Random(420), Counter[str](), {}
    printed = sys.stdout
    with contextlib.redirect_stdout(io.StringIO()):
        first = suite_file.load(Path("small.yaml")).profiles["cpu"].cells[:8]
        assert not [answer for answer in queries.resolve([cell.spec.as_json() for cell in first]) if "error" in answer]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(count):
            end, cause = tried(folder, draw)
            if end not in ("accepted", "refused"):
                faults[f"{number}: {cause[:3000]}"] = end
                end = "fault"
            ends[end] += 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"ends": ends, "faults": faults, "grown_mib": grown}), file=printed)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
