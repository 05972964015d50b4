"""Columns of a routing recording, and the facts about a cell beside its rows."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from moebench.results.columns.column import TEXT, WHOLE, Column, in_group

ROUTING_VERSION = 1
"""Version of the layout of recordings; a file of another version is recorded again, not upgraded."""
VERSION_KEY = b"moebench_routing_version"
FACTS_KEY = b"moebench_recording"
NO_EXPERT = -1
"""Number in the column `expert` of a token without a listed expert."""

_NAMES = pa.dictionary(pa.int32(), TEXT)
_SHORT, _HALF = pa.int16(), pa.float16()
_INT, _FLOAT = pa.int32(), pa.float32()

ROUTING_COLUMNS: tuple[Column, ...] = (
    *in_group(
        "identity",
        Column("suite", _NAMES, "", "name of the suite, or 'run' for a single cell", "Suite"),
        Column("cell_id", _NAMES, "", "hash of the cell's settings and of the kind of device", "Cell id"),
        Column("cell", _NAMES, "", "the cell as written on the command line, router[option=value]", "Cell"),
        Column("router", _NAMES, "", "registered name of the routing strategy", "Router"),
        Column("seed", _INT, "", "seed of the trained model", "Seed"),
        Column("step", _INT, "", "training steps before the recording", "Step"),
    ),
    *in_group(
        "place",
        Column("layer", _SHORT, "", "number of the MoE layer's block, from 0", "Layer"),
        Column("image", _INT, "", "number of the image in the test split, from 0", "Image"),
        Column("group", _INT, "", "number of the group of images that are routed together", "Group"),
        Column("place", _SHORT, "", "place of the image in its group, from 0", "Place in group"),
        Column("label", _INT, "", "class of the image", "Class"),
        Column("prediction", _INT, "", "class that the model gives the image", "Predicted class"),
        Column(
            "token",
            _SHORT,
            "",
            "number of the token in its image: patches row by row, a class token before them; -1 for the slot weights "
            "that a recording of a soft router leaves out, in one row for each slot",
            "Token",
        ),
    ),
    *in_group(
        "routing",
        Column("experts", _SHORT, "", "experts that a row can name", "Experts"),
        Column(
            "expert",
            _SHORT,
            "",
            "expert that the token chose or that chose the token; -1 if there is none, or, for a soft router, in the "
            "row of the weights left out",
            "Expert",
        ),
        Column("slot", _SHORT, "", "slot of the expert; -1 if slots hold single tokens", "Slot"),
        Column(
            "rank",
            _SHORT,
            "",
            "place of the expert among the token's experts, 0 for the first choice; -1 if there is no order",
            "Rank",
        ),
        Column(
            "gate", _FLOAT, "", "the token's gate at the expert, before capacity; null for soft routers", "Gate"
        ),
        Column("confidence", _HALF, "", "largest gate of the token over all experts; null if left out", "Confidence"),
        Column("dispatch", _HALF, "", "weight of the token in the slot; null for hard routers", "Dispatch weight"),
        Column(
            "combine", _HALF, "", "weight of the slot's or expert's output in the token's output", "Combine weight"
        ),
        Column("dropped", pa.bool_(), "", "whether the choice of the expert is beyond its capacity", "Dropped"),
        Column(
            "priority",
            _INT,
            "",
            "place of the token in the order in which the tokens of its group take slots, 0 for the first; -1 in array "
            "order",
            "Priority",
        ),
    ),
)  # fmt: skip
IMAGE_COLUMNS: tuple[Column, ...] = in_group(
    "images",
    Column("image", WHOLE, "", "number of the image in the test split, from 0", "Image"),
    Column("label", WHOLE, "", "class of the image", "Class"),
    Column("png", pa.binary(), "", "the image as PNG, reduced to at most 112 pixels a side", "Picture"),
)

ROUTING_SCHEMA: pa.Schema = pa.schema([pa.field(each.name, each.type) for each in ROUTING_COLUMNS])
IMAGE_SCHEMA: pa.Schema = pa.schema([pa.field(each.name, each.type) for each in IMAGE_COLUMNS])


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Facts about a whole recording: the cell, its shapes, and the tables of its layers."""

    suite: str
    cell_id: str
    run_id: str
    seed: int
    attempt: int
    cell: str
    router: str
    options: Mapping[str, Any]
    """Every option of the router, with defaults filled in."""
    model: str
    data: str
    image_size: int
    """Pixels of a side of the model's input images."""
    grid: int
    """Patches in a row of an image."""
    class_token: bool
    classes: int
    tokens: int
    """Tokens of an image, the class token included."""
    experts: int
    group_images: int
    layers: tuple[int, ...]
    steps: tuple[int, ...]
    """Training steps before each recording, the last one that of the trained model."""
    kind: str
    """hard if slots contain single tokens; soft if slots contain mixtures of tokens."""
    chosen_by: str
    """tokens, if each token ranks its experts and takes slots in an order; experts, if each expert takes the tokens of
    its largest gates; mask, if tokens take experts and a full expert keeps its largest gates; nobody otherwise."""
    kept: int | None
    """Largest dispatch weights of each slot that a soft recording keeps; None if it keeps all."""
    images: str
    """Digest of the recorded images."""
    expert_pairs: Mapping[str, list[Any]]
    """Columns layer, expert, other, cosine, cka: similarity of the outputs of two experts on the same tokens."""
    slot_pairs: Mapping[str, list[Any]]
    """Columns layer, slot, other, cosine: similarity of the parameters of two slots of a soft router."""
    swaps: Mapping[str, list[Any]]
    """Columns layer, swap, accuracy, trained_accuracy: accuracy on the recorded images with another routing in one
    layer."""

    def as_json(self) -> str:
        """Return the facts as a JSON text."""
        return json.dumps(dataclasses.asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> "Facts":
        """Return the facts of a JSON text."""
        values = json.loads(text)
        for name in ("layers", "steps"):
            values[name] = tuple(values[name])
        return cls(**values)

    @property
    def top_k(self) -> int:
        """Experts of each token in evaluation, 1 for routers without the option."""
        return int(self.options.get("eval_top_k") or self.options.get("top_k") or 1)

    @property
    def capacity_factor(self) -> float | None:
        """Capacity factor in evaluation; None without a limit."""
        own = self.options.get("eval_capacity_factor")
        return self.options.get("capacity_factor") if own is None else own
