"""What a cell is asked to do: the record that travels from a suite's grid to the program that runs it."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from moebench.errors import BadInput

Scalar = str | int | float | bool | None
Precision = Literal["float32", "mixed", "bfloat16"]
Augment = Literal["none", "crop", "crop-flip"]
Scope = Literal["model", "layer"]


HUB = "hf:"
"""Before the name of a data set of the Hugging Face hub."""


def is_place(data: str) -> bool:
    """Whether this is a path or a name of the hub, and not a data set of moebench's own: it has a slash, or hf:."""
    return "/" in data or data.startswith((HUB, "~"))


def absolute_place(data: str) -> str:
    """A path as it means the same in any folder; names as they are."""
    if data.startswith(HUB) or not is_place(data):
        return data
    return absolute_folder(data)


def absolute_folder(path: str) -> str:
    """A path as it means the same in any folder."""
    return str(Path(path).expanduser().absolute())


class CellSpec(BaseModel):
    """One point of the grid: a router with its options on a model, a data set and a schedule, for some seeds.

    Every field but `router`, `options`, `seeds` and `plugins` may stand in a suite's profile or cell entry; any other
    key of an entry is an option of the router.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    router: str
    options: dict[str, Scalar] = Field(default_factory=dict)
    model: str = "mu/2"
    data: str = "digits"
    """A name, a path with a slash in it, or hf: and a name of the Hugging Face hub."""
    image_size: int | None = Field(None, ge=1)
    """Side in pixels to which images are rendered or resized; None takes the data set's own."""
    augment: Augment | None = None
    """How training images are changed at random: shifted ("crop"), or shifted and mirrored ("crop-flip"). None takes
    the data set's habit."""
    scope: Scope = "model"
    """What is built and measured: the model, trained on the data set; or one of its MoE layers alone, timed on random
    tokens, as many as images of `image_size` have, or of the size that the model was published for. Then data set,
    schedule and `moe_layers` are of no account."""
    steps: int = Field(250, ge=1)
    batch: int = Field(64, ge=1)
    seeds: tuple[int, ...] = Field((0,), min_length=1)
    total_slots: int | Literal["tokens"] | None = None
    """Slots of all experts for one image; "tokens" makes the expert compute that of the dense MLP. None leaves
    the slots to the router's own options."""
    group_images: int | None = Field(None, ge=1)
    """Images routed together; None takes the router's own habit (1 for Soft MoE, 8 for sparse routers)."""
    moe_layers: str | None = None
    """Which blocks hold experts: last-half, every-2, last-n:K, or block numbers such as 2,3. None takes the model's
    habit: last-half, unless it was published otherwise."""
    precision: Precision = "float32"
    """"mixed" computes in bfloat16 and keeps parameters, gradients and the optimiser's moments in float32; "bfloat16"
    keeps those in bfloat16 as well. Logits, softmaxes and norms are float32 in all three."""
    learning_rate: float = Field(2e-3, gt=0)
    weight_decay: float = Field(0.05, ge=0)
    warmup: float = Field(0.1, ge=0, lt=1)
    """Share of the steps over which the learning rate rises linearly, before its cosine decay."""
    clip_norm: float = Field(1.0, gt=0)
    timing_budget_s: float = Field(3.0, ge=0)
    """Seconds for timing each of training and inference; 0 leaves the cell untimed."""
    checkpoint_every_s: float = Field(60.0, ge=0)
    """Seconds of training between two checkpoints, from which a killed cell goes on; 0 keeps none."""
    devices: str = "1x1"
    """A mesh of devices, written DATAxEXPERT: each batch is split over the first number of them, the experts with their
    slots over the second."""

    test_time: tuple[dict[str, Scalar], ...] = ()
    """Settings in which the trained model is evaluated as well, without training again: options of the router by name,
    and `router` for another one with the same parameters. A suite writes them as it writes cells: mappings whose lists
    are multiplied out."""

    pretrain_data: str | None = None
    """Data set on which the model is trained first. What it has learned there is probed with a few shots of `data`,
    and then trained on `data` with a fresh head; cells that agree on everything upstream share the model."""
    pretrain_steps: int | None = Field(None, ge=1)
    """Steps of the training upstream; None takes `steps`."""
    pretrain_image_size: int | None = Field(None, ge=1)
    """Side in pixels of the images upstream; None takes that data set's own. Positions are interpolated."""
    init_from: str | None = None
    """Folder of a kept model to start from in place of a training upstream. Options that are left out are its own."""
    save_model: bool = False
    """Keep each seed's trained model beside the results, for other cells to start from."""

    plugins: tuple[str, ...] = ()
    """Files that register routers. A suite cannot name them: it is data, and running it runs nobody's code."""

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """The keys that a suite may set besides the router's own options."""
        return tuple(name for name in cls.model_fields if name not in ("options", "seeds", "plugins"))

    @property
    def mesh_shape(self) -> tuple[int, int]:
        """The two numbers of `devices`.

        Raises:
            BadInput: they are not two, or not positive.
        """
        data, by, expert = self.devices.partition("x")
        if not (by and data.isdecimal() and expert.isdecimal() and int(data) and int(expert)):
            raise BadInput(
                f"devices '{self.devices}' is no mesh: write DATAxEXPERT, such as 2x4 for batches in 2 parts and "
                "experts in 4.",
                key="devices",
            )
        return int(data), int(expert)

    def as_json(self) -> dict[str, Any]:
        """Plain values, for a JSON file."""
        return self.model_dump(mode="json")
