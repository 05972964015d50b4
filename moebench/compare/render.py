"""A comparison as text for readers and programs: one line, tables, Markdown, JSON."""

from collections.abc import Mapping, Sequence
from math import isnan
from typing import TYPE_CHECKING, Any

from moebench.compare.compare import BETTER, NEITHER, WORSE, Report
from moebench.compare.metrics import PROCESSOR_TIMES, TIMED, smallest_effect
from moebench.reports.markdown import MOST_ROWS
from moebench.reports.quantities import quantity, written, written_points
from moebench.results.markdown_table import escaped, markdown_table

if TYPE_CHECKING:
    from rich.table import Table

Row = Mapping[Any, Any]
_CLAIMS = "Claims of the suite, judged on either side"
_CLAIM_HEADINGS = ("claim", "A", "B")
_LISTED = 40
_LEVEL = 0.05


def sentence(report: Report, a: str, b: str) -> str:
    """Return the verdict in one line.

    The line names the metrics in which A is better, worse, or not significantly different.
    """
    parts = []
    for verdict in (BETTER, WORSE, NEITHER):
        rows = report.overall[report.overall["verdict"] == verdict].to_dict("records")
        those = [f"{_lower(named(row))} ({written_change(row)}{_detectable(row)})" for row in rows]
        if those:
            parts.append(f"{verdict} in {' and '.join(filter(None, [', '.join(those[:-1]), those[-1]]))}")
    pairs = "1 pair of cells" if report.pairs == 1 else f"{report.pairs} pairs of cells"
    return f"{a} against {b}, {pairs}: {'; '.join(parts)}. {correction(report)}"


def correction(report: Report) -> str:
    """Return the sentence about the number of comparisons that verdicts are corrected for."""
    together, cells = report.comparisons
    if not cells:
        return "Counted metrics have no error."
    if cells == 1:
        return "One comparison, at the 5 % level."
    metrics = f"{together} metric{'s' * (together > 1)} over all cells"
    single = f", {cells} on single cells" if cells > together else ""
    return f"Verdicts are at the 5 % level, corrected for the number of comparisons (Holm): {metrics}{single}."


def render_tables(report: Report) -> "list[Table]":
    """Return a table for each metric, and one for the verdicts on claims.

    The table of a metric has a line for each pair of cells, and one for all pairs.
    """
    from rich.table import Table
    from rich.text import Text

    tables = []
    for metric, lines in _lines(report).items():
        table = Table(box=None, pad_edge=False, header_style="bold", title=Text(_title(report, metric)))
        table.title_justify = "left"
        headings = _headings(metric)
        for heading in headings:
            table.add_column(heading, justify="left" if heading in (headings[0], headings[-1]) else "right")
        for place, line in enumerate(lines):
            if place == len(lines) - 1 and place:
                table.add_section()
            table.add_row(*(Text(text) for text in line))
        tables.append(table)
    if report.claims:
        table = Table(box=None, pad_edge=False, header_style="bold", title=Text(_CLAIMS))
        table.title_justify = "left"
        for heading in _CLAIM_HEADINGS:
            table.add_column(heading)
        for found in _claim_lines(report):
            table.add_row(*map(Text, found))
        tables.append(table)
    return tables


def markdown(report: Report, a: str, b: str, outcomes: Sequence[str] = ()) -> str:
    """Return the comparison in GitHub's Markdown: the verdict, the gates, the tables.

    Args:
        report: the comparison.
        a: name of selection A.
        b: name of selection B.
        outcomes: results of the gates, a line each.
    """
    parts = [f"**{escaped(line)}**" for line in (sentence(report, a, b), *outcomes)]
    for metric, lines in _lines(report).items():
        headings = _headings(metric)
        numbers = [False, *[True] * (len(headings) - 2), False]
        parts += [f"### {escaped(_title(report, metric))}", markdown_table(headings, lines, numbers)]
    if report.claims:
        parts += [f"### {_CLAIMS}", markdown_table(_CLAIM_HEADINGS, _claim_lines(report), [False] * 3)]
    notes = [*legend(report), *unmatched(report), *report.notes]
    parts.append("\n".join(f"- {escaped(note)}" for note in notes))
    return "\n\n".join(parts) + "\n"


def _claim_lines(report: Report) -> list[tuple[str, ...]]:
    several = len({claim.suite for claim in report.claims}) > 1
    return [(f"{each.suite}: " * several + each.says, each.a.text, each.b.text) for each in report.claims]


def legend(report: Report) -> list[str]:
    """Return a sentence for each column of the tables."""
    together, cells = report.comparisons
    lines = [
        "[ ]: interval of 95 %, each for itself.",
        "detectable: the change that would have been found with 80 % power, after the correction.",
        "A better: of all pairs of a seed or timing of A and one of B, those in which A's is the better, in %.",
    ]
    if cells > 1:
        each = f"for {cells} comparisons of single cells" + f" and {together} of all cells" * (cells > together)
        lines.append(f"p: corrected {each} (Holm).")
    if cells:
        lines.append(
            f"A difference is significant if p is below {_LEVEL}, unless its interval is smaller than what matters."
        )
    return lines


def named(row: Row) -> str:
    """Return the title of the metric of a row, with the clock that timed it."""
    metric = row["metric"]
    if row["clock"] == "processor" and metric in PROCESSOR_TIMES:
        return quantity(PROCESSOR_TIMES[metric]).title
    return quantity(metric).title + (", partly processor time" if row["clock"] == "both" else "")


def unmatched(report: Report) -> list[str]:
    """Return a sentence for each side that has cells without a counterpart.

    Long lists are cut.
    """
    return [
        f"Only in {side}, not compared: {', '.join(cells[:_LISTED])}"
        + (f" and {len(cells) - _LISTED} more, in --json." if len(cells) > _LISTED else ".")
        for side, cells in (("A", report.only_a), ("B", report.only_b))
        if cells
    ]


def record(report: Report, a: str, b: str) -> dict[str, Any]:
    """Return the comparison as plain values for JSON; a missing number is None.

    Args:
        report: the comparison.
        a: name of selection A.
        b: name of selection B.
    """
    together, cells = report.comparisons
    metrics = []
    for row in report.overall.to_dict("records"):
        own = report.rows[report.rows["metric"] == row["metric"]].drop(columns="metric")
        metrics.append({**_plain(row), "pairs": [_plain(each) for each in own.to_dict("records")]})
    return {
        "a": a,
        "b": b,
        "sentence": sentence(report, a, b),
        "verdicts": {row["metric"]: row["verdict"] for row in metrics},
        "correction": {"method": "Holm", "level": 0.05, "comparisons_together": together, "comparisons_single": cells},
        "metrics": metrics,
        "claims": [
            {"suite": each.suite, "says": each.says}
            | {
                side: {"verdict": verdict.verdict, "text": verdict.text}
                for side, verdict in (("a", each.a), ("b", each.b))
            }
            for each in report.claims
        ],
        "only_a": list(report.only_a),
        "only_b": list(report.only_b),
        "environment": {key: list(values) for key, values in report.environment.items()},
        "notes": list(report.notes),
    }


def written_change(row: Row) -> str:
    """Return a change and its interval as text.

    Examples are `+12.3 % [+10.1, +14.6]` of a time and `+0.4 points [−0.2, +1.0]` of a share. Changes of other metrics
    are in the metric's unit.
    """
    unit, text = _unit_of_change(row["metric"]), _change(row)
    number, bracket, bounds = text.partition(" [")
    return f"{number} {unit}{bracket}{bounds}" if unit else text


def _detectable(row: Row) -> str:
    """Return the minimum detectable difference of a row without a significant difference.

    The text is empty for other rows.
    """
    if row["verdict"] != NEITHER or isnan(row["detectable"]) or not row["detectable"]:
        return ""
    unit = _unit_of_change(row["metric"])
    return f"; {_found(row)}{' ' * bool(unit)}{unit} would have been found with 80 % power"


def _found(row: Row) -> str:
    """Return the detectable change as a number, in the unit of changes of the metric."""
    value, metric = row["detectable"], row["metric"]
    if isnan(value):
        return "–"
    return written_points(value).lstrip("+") if _unit_of_change(metric) else written(value, quantity(metric).kind)


def _unit_of_change(metric: str) -> str:
    """Return the unit of changes of times and shares.

    The text is empty for other metrics, whose unit follows the number.
    """
    return "%" if metric in TIMED else "points" if quantity(metric).kind == "share" else ""


def _change(row: Row) -> str:
    metric, (value, low, high) = row["metric"], (row[f"change{end}"] for end in ("", "_low", "_high"))
    kind = quantity(metric).kind
    if _unit_of_change(metric):
        return written_points(value) + ("" if isnan(low) else f" [{written_points(low)}, {written_points(high)}]")
    texts = [f"{'+' * (number > 0)}{written(number, kind)}" for number in (value, low, high)]
    return texts[0] if isnan(low) or low == high else f"{texts[0]} [{texts[1]}, {texts[2]}]"


def _lines(report: Report) -> dict[str, list[tuple[str, ...]]]:
    """Return the lines of each metric's table.

    If there are many pairs, the lines are the first pairs, and the number of further pairs.
    """
    found = {}
    for together in report.overall.to_dict("records"):
        own = report.rows[report.rows["metric"] == together["metric"]].to_dict("records")
        lines = [_line(row, _name(row)) for row in own[:MOST_ROWS]]
        if len(own) > MOST_ROWS:
            lines.append(
                (f"… and {len(own) - MOST_ROWS} more, in --json", *[""] * (len(_headings(together["metric"])) - 1))
            )
        if len(own) > 1:
            lines.append(_line(together, f"all {len(own)}"))
        found[together["metric"]] = lines
    return found


def _name(row: Row) -> str:
    return str(row["a"]) if row["a"] == row["b"] else f"{row['a']} / {row['b']}"


def _line(row: Row, name: str) -> tuple[str, ...]:
    of = quantity(row["metric"])
    low, high = row["improvement_low"], row["improvement_high"]
    chance = f"{100 * row['improvement']:.0f}" + (
        "" if isnan(low) or low == high else f" [{100 * low:.0f}, {100 * high:.0f}]"
    )
    return (
        name,
        written(row["value_a"], of.kind),
        written(row["value_b"], of.kind),
        _change(row),
        _found(row),
        chance,
        _p_value(row["p_corrected"]),
        row["verdict"],
    )


def _headings(metric: str) -> tuple[str, ...]:
    unit = _unit_of_change(metric)
    return ("A / B", "A", "B", f"change, {unit}" if unit else "change", "detectable", "A better", "p", "verdict")


def _p_value(p: float) -> str:
    """Return a p-value with enough digits to show its side of the level."""
    if isnan(p):
        return "–"
    texts = (f"{p:.{digits}g}" for digits in range(2, 9))
    return "< 0.001" if p < 0.001 else next((text for text in texts if float(text) != _LEVEL), str(_LEVEL))


def _title(report: Report, metric: str) -> str:
    """Return the metric, its test, and the smallest change that matters."""
    tests = dict.fromkeys(report.rows.loc[report.rows["metric"] == metric, "test"])
    together = report.overall[report.overall["metric"] == metric].to_dict("records")[0]
    least = smallest_effect(metric)
    matters = f"{100 * least:g} {'%' if metric in TIMED else 'points'} matter" if least else "any difference matters"
    return f"{named(together)} ({', '.join(tests)}; {matters})"


def _lower(title: str) -> str:
    """Return a title in lower case, for use within a sentence; abbreviations stay in capitals."""
    return title if title[:2].isupper() else title[:1].lower() + title[1:]


def _plain(row: Row) -> dict[str, Any]:
    return {key: None if isinstance(value, float) and isnan(value) else value for key, value in row.items()}
