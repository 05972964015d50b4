"""Write the pages of the routers from their declarations: rule, picture, options, source, agreement and variants."""

import inspect
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from moebench import routers
from moebench.conform import STRATEGIES, VARIANTS, Variant
from moebench.conform.reference import settings_of

ROOT = Path(__file__).parents[1]
ARXIV = re.compile(r"\b\d{4}\.\d{5}\b")
_VECTORS = {"soft": "soft", "tokens-choice": "tc_*vanilla", "bpr": "tc_*bpr", "experts-choice": "ec"}
"""Names of the cases that hold the results of the authors' code for a router."""
HOW_TO_READ = (
    "Rows are tokens, colours experts, and darker is more weight. A dot marks an expert that takes the token, a cross "
    "a choice beyond the expert's capacity. Hatched rows are dropped tokens. Neighbouring tokens are alike, and many "
    "lean to expert 0, so that capacity matters. All routers get the same tokens and logits."
)


def cell(text: str) -> str:
    """Escape a text for a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def router_page(name: str, note: str) -> str:
    """Return the page of a router.

    Args:
        name: of the router.
        note: which state of the router its picture shows.
    """
    return "\n".join(_lines(name, note)) + "\n"


def _lines(name: str, note: str) -> Iterator[str]:
    summary, _, rule = (inspect.getdoc(routers.find(name)) or "").partition("\n")
    yield f"# {name}\n\n{summary}\n\n## Rule\n\n{_for_markdown(rule)}\n"
    yield f"## Picture\n\n![Gates, dispatch and combine weights of {name}]({name}.svg)\n\n{note} {HOW_TO_READ}\n"
    if options := routers.options(name):
        texts = routers.explanations(name)
        yield "## Options\n\n| Option | Default | Meaning |\n| --- | --- | --- |"
        for option, default in options.items():
            given = "must be given" if default is inspect.Parameter.empty else f"`{json.dumps(default)}`"
            yield f"| `{option}` | {given} | {cell(texts.get(option, ''))} |"
        yield ""
    yield "## Source\n"
    papers = list(dict.fromkeys(ARXIV.findall(summary + rule)))
    yield "\n".join(f"- [arXiv {paper}](https://arxiv.org/abs/{paper})" for paper in papers) or "No paper: a control."
    if name in STRATEGIES:
        yield f"\nThe rule is that of {STRATEGIES[name].source}."
    yield "\n## Agreement with public code\n"
    yield from agreement(name)
    if name in STRATEGIES:
        yield "\n## Known variants\n\nRules that public code has otherwise, as `moebench conform` names them.\n"
        yield "| The layer agrees if … | Known from |\n| --- | --- |"
        yield from (f"| {cell(variant.says)} | {cell(variant.who)} |" for variant in variants(name))


def _for_markdown(rule: str) -> str:
    """Return the body of a docstring as Markdown in which asterisks and underscores stay as they are."""
    parts = re.split(r"(`[^`]*`)", rule.strip())
    return "".join(part if part.startswith("`") else re.sub(r"([*_<|])", r"\\\1", part) for part in parts)


def variants(name: str) -> list[Variant]:
    """Return the known variants of a strategy that change one of its rules."""
    rules = settings_of(name)
    known = VARIANTS[STRATEGIES[name].family]
    return [each for each in known if any(rules.get(key) != value for key, value in each.changes)]


def packages() -> list[dict[str, Any]]:
    """Return what public packages implement."""
    text = (ROOT / "examples" / "conform" / "packages.yaml").read_text("utf-8")
    found: list[dict[str, Any]] = yaml.safe_load(text)
    return found


def agreement(name: str) -> Iterator[str]:
    """Yield what is known of public code that implements a router: the authors' code, then packages."""
    cases = sorted((ROOT / "tests" / "data" / "routing_vectors").glob(f"{_VECTORS.get(name, '-')}_*.json"))
    if cases:
        facts = json.loads(cases[0].read_text("utf-8"))
        code = facts["system"].split(" via ")[0]
        yield (
            f"Outputs, weights and gradients agree with those of `{code}` (commit {facts['vmoe_commit']}) in "
            f"{len(cases)} cases, to rounding in float32 and in float64. A test compares them.\n"
        )
    elif not any(each["router"] == name for each in packages()):
        yield "Not compared with public code; tests compare the router with numbers worked by hand."
    by_name = {each.name: each.says for known in VARIANTS.values() for each in known}
    rows = [each for each in packages() if each["router"] == name]
    if rows:
        yield "| Package | Layer | Compared with this router |\n| --- | --- | --- |"
    for each in rows:
        differs = "; ".join(by_name[rule] for rule in each["differs_by"])
        verdict = f"Agrees if {differs}" if differs else "Agrees"
        yield f"| {each['package']} {each['version']} | {cell(each['layer'])} | {cell(verdict)} |"


def index(names: list[str]) -> str:
    """Return the list of the routers, and their pictures under each other."""
    lines = ["# Routers\n", "| Router | Rule |", "| --- | --- |"]
    lines += [f"| [`{name}`]({name}.md) | {cell(routers.summary(name))} |" for name in names]
    lines += ["\n## How they route the same tokens\n", f"{HOW_TO_READ}\n"]
    for name in names:
        lines.append(f"[{name}]({name}.md)\n\n![Gates, dispatch and combine weights of {name}]({name}.svg)\n")
    return "\n".join(lines)
