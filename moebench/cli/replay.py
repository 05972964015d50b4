"""The command `replay`, which routes recorded logits under any rule."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from moebench.cli import options

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = (
    ("rule", "", False),
    ("slots_per_expert", "slots", False),
    ("effective_capacity_factor", "effective C", False),
    ("dropped_tokens", "tokens dropped", True),
    ("dropped_tokens_max_layer", "worst layer", True),
    ("dropped_assignments", "choices dropped", True),
    ("max_violation_requested", "max violation before", False),
    ("max_violation", "after capacity", False),
    ("dead_experts", "dead experts", True),
    ("slot_utilisation", "slots filled", True),
    ("router_entropy", "entropy", False),
)


def replay(
    logits: Annotated[
        Path,
        typer.Argument(
            metavar="LOGITS",
            help="Recorded router logits: .npy, .npz or .safetensors with an array [layers, tokens, experts] or one "
            "[tokens, experts] a layer; .parquet with a list column 'logits' and a column 'layer'.",
        ),
    ],
    router: Annotated[
        list[str],
        typer.Option("--router", metavar="RULE", help="A router with options; lists are multiplied out; repeatable."),
    ],
    group: Annotated[
        int | None,
        typer.Option("--group", min=1, metavar="TOKENS", help="Tokens routed together; by default the file's groups."),
    ] = None,
    assignments: Annotated[
        bool,
        typer.Option("--assignments", help="LOGITS has chosen experts [layers, tokens, k], best first."),
    ] = False,
    experts: Annotated[
        int | None, typer.Option("--experts", min=1, help="Experts of each layer; needed with --assignments.")
    ] = None,
    devices: Annotated[
        int | None, typer.Option("--devices", min=1, help="Also print the load of N devices that share the experts.")
    ] = None,
    redundant: Annotated[
        int, typer.Option("--redundant", min=0, help="Copies of busy experts beside them, for --devices.")
    ] = 0,
    layers: Annotated[bool, typer.Option("--layers", help="A line for each layer, not for each rule.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write all rows to a .parquet or .csv file.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", metavar="FILE", help="Draw drops and balance: .png, .svg or .pdf.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print all rows as JSON.")] = False,
    plugins: options.Plugins = None,
) -> None:
    """Route recorded logits under other rules; count drops and load.

    Works for models that were trained elsewhere: top k, capacity, order and group size are changed after the fact.
    """
    from moebench.errors import BadInput
    from moebench.replay import open_recording, parse_rules
    from moebench.replay import replay as route

    options.load_plugins(plugins)
    recording = open_recording(logits)
    width = recording.layers[0].width
    if assignments != (experts is not None):
        raise BadInput("--assignments and --experts go together: choices do not give the number of experts.")
    found = [
        rule for text in router for rule in parse_rules(text, experts or width, choices=width if assignments else None)
    ]
    frame = route(recording, found, group, assignments=assignments)
    if devices is not None:
        frame = _with_devices(frame, devices, redundant)
    if out is not None:
        options.say(_write(frame, out))
    if figure is not None:
        from moebench.reports.figures.save import save
        from moebench.reports.replayed import draw

        for path in save(draw(frame), figure.with_suffix(""), formats=[figure.suffix.removeprefix(".")]):
            options.say(path)
    if as_json:
        options.say(json.dumps([_finite(row) for row in frame.to_dict("records")], indent=1))
    else:
        _print(frame, recording.tokens, len(recording.layers), layers=layers)


def _with_devices(frame: "pd.DataFrame", devices: int, redundant: int) -> "pd.DataFrame":
    """Add the largest load of a device over the mean load.

    The load is given for contiguous and for balanced placement.

    Args:
        frame: the rows of the rules.
        devices: number of devices that share the experts.
        redundant: copies of busy experts.
    """
    import numpy as np

    from moebench.replay import place

    places = [place(np.array(load), devices, redundant) for load in frame["expert_load"]]
    return frame.assign(
        device_load_contiguous=[each.contiguous for each in places],
        device_load_balanced=[each.balanced for each in places],
    )


def _write(frame: "pd.DataFrame", out: Path) -> Path:
    """Publish the rows as a .parquet or .csv file, and return its path."""
    from moebench.errors import BadInput
    from moebench.files import publishing
    from moebench.results.csv_files import write_csv_frame

    if out.suffix not in (".parquet", ".csv"):
        raise BadInput(f"--out should end in .parquet or .csv, not '{out}'.")
    with publishing(out) as temporary:
        if out.suffix == ".csv":
            write_csv_frame(frame, temporary)
        else:
            frame.to_parquet(temporary, index=False)
    return out


def _finite(row: Mapping[Any, Any]) -> dict[Any, Any]:
    """Replace NaN by None, which JSON can represent."""
    return {key: None if isinstance(value, float) and value != value else value for key, value in row.items()}


def _print(frame: "pd.DataFrame", tokens: int, layers_count: int, *, layers: bool) -> None:
    from rich.table import Table

    from moebench.cli.narrow_tables import print_table
    from moebench.replay.run import summarised

    shown = frame if layers else summarised(frame)
    columns = [column for column in _COLUMNS if column[0] in shown and shown[column[0]].notna().any()]
    if layers:
        columns.insert(1, ("layer", "layer", False))
    for name, title in (
        ("device_load_contiguous", "busiest device, contiguous"),
        ("device_load_balanced", "balanced"),
    ):
        if name in frame:
            shown = shown if layers else shown.assign(**{name: frame.groupby("rule", sort=False)[name].mean().values})
            columns.append((name, title, False))
    table = Table(
        *(title or name for name, title, _ in columns),
        box=None,
        pad_edge=False,
        title=f"{tokens:,} tokens, {layers_count} layers" + ("" if layers else ", means over the layers"),
    )
    for _, row in shown.iterrows():
        table.add_row(*(_text(row[name], share) for name, _, share in columns))
    print_table(options.console(), table)


def _text(value: Any, share: bool) -> str:
    if isinstance(value, str):
        from rich.markup import escape

        return escape(value)  # no markup: a bracket of a rule is a bracket
    if value != value:
        return ""
    return f"{100 * value:.1f} %" if share else f"{value:.3g}"
