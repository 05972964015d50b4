"""Every key of a cell, declared once: type, default, meaning, scope and identity.

The identity of a key is its part in the cell's identity. A `CellSpec` goes from the grid of a suite to the program that
runs the cell. Every list of keys is derived from the fields here: the suite file, `moebench list keys`, the identity of
a cell, the pre-training on other images. A new key is one field here and its use.
"""

import enum
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from moebench.errors import BadInput
from moebench.spec.data_splits import parse_splits, splits_text
from moebench.spec.plain_values import whole

Scalar = str | int | float | bool | None
Precision = Literal["float32", "mixed", "bfloat16"]
Augment = Literal["none", "crop", "crop-flip"]
ContrastiveLoss = Literal["softmax", "sigmoid"]
Remat = Literal["none", "blocks", "dots"]
Count = Annotated[int, Field(ge=1, le=10**9), BeforeValidator(whole)]
"""A number of steps, images or slots, which may be written 1000.0; larger numbers overflow a program's counters."""
Pixels = Annotated[int, Field(ge=1, le=1 << 14), BeforeValidator(whole)]

HUB = "hf:"
"""Prefix of the name of a data set on the Hugging Face hub."""


def is_place(data: str) -> bool:
    """Return whether `data` is a path, a name on the hub, or splits.

    The splits are of a path or of a name on the hub. The data sets of moebench's own are no places.
    """
    return "/" in data or data.startswith((HUB, "~")) or parse_splits(data) is not None


def absolute_place(data: str) -> str:
    """Return a path as an absolute one, and every other name as given.

    The paths of splits become absolute as well.
    """
    splits = parse_splits(data)
    if splits is not None:
        paths = ("place",) if "place" in splits else tuple(splits)
        absolute = {key: value if value.startswith(HUB) else absolute_folder(value) for key, value in splits.items()}
        return str(splits_text({key: absolute[key] if key in paths else value for key, value in splits.items()}))
    if data.startswith(HUB) or not is_place(data):
        return data
    return absolute_folder(data)


def absolute_folder(path: str) -> str:
    """Return an absolute path, so that a cell can run in another folder."""
    return str(Path(path).expanduser().absolute())


class Scope(enum.Flag):
    """The parts of moebench's work that a key changes."""

    LAYER = enum.auto()
    """An MoE layer measured alone (`scope: layer`)."""
    PRETRAINING = enum.auto()
    """Training on `pretrain_data`."""
    DOWNSTREAM = enum.auto()
    """Training and evaluation on `data`."""
    TRAINING = PRETRAINING | DOWNSTREAM
    EVERYTHING = LAYER | PRETRAINING | DOWNSTREAM


@dataclass(frozen=True)
class Key:
    """Facts about a key besides its type, default and meaning."""

    scope: Scope = Scope.EVERYTHING
    """Parts of the work that the key changes."""
    since: int = 1
    """First version of the result table whose rows know the key. A cell's identity leaves later keys out at their
    default, so that older cells keep their identity."""
    off: Any = None
    """Value that means "nothing of the key"; None: the default."""
    in_identity: bool = True
    """Whether cells that differ in this key alone are different cells."""


def _block_number(value: Any) -> Any:
    """Return the text of a single block number.

    YAML reads 2,3 as a text and 2 as a number.
    """
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _absolute(resolve: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(lambda value: value if value is None else resolve(value))


class CellSpec(BaseModel):
    """One point of the grid: router, options, model, data set, schedule and seeds.

    Every field but `options`, `seeds` and `plugins` may be in a cell entry, and all but `router` in a profile too; any
    other key of an entry is an option of the router. Unless a field is marked otherwise, its key changes every
    measurement (`Scope.EVERYTHING`).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    router: str
    """Routing strategy; `moebench list routers` names them."""
    options: dict[str, Scalar] = Field(default_factory=dict)
    """Options of the router. In a suite each of them is a key of its own."""
    model: str = "mu/2"
    """Vision transformer around the MoE layers; `moebench list models` names them."""
    data: Annotated[str, Key(Scope.TRAINING), BeforeValidator(splits_text), _absolute(absolute_place)] = "digits"
    """Images to train and evaluate on: a data set's name, a path that contains a slash, hf: and a name on the Hugging
    Face hub, or a mapping of `train`, `test` and perhaps `validation` to paths (or to splits of one `place`), which
    the command line writes train=PATH,test=PATH."""
    image_size: Pixels | None = None
    """Side in pixels to which images are rendered or resized. Default: the data set's own size."""
    augment: Annotated[Augment | None, Key(Scope.TRAINING)] = None
    """Random changes of training images: none, shifts ("crop"), or shifts and reflections ("crop-flip"). Default: what
    the data set declares."""
    scope: Annotated[Literal["model", "layer"], Key(since=2)] = "model"
    """What is built and measured: the whole model, trained and evaluated; or one of its MoE layers alone, timed on
    random tokens. A layer takes the tokens of images of `image_size`, by default the size that the model was published
    for."""
    steps: Annotated[Count, Key(Scope.TRAINING)] = 250
    """Training steps."""
    batch: Count = 64
    """Images in each training step and in each timed batch."""
    seeds: Annotated[tuple[int, ...], Field(min_length=1), Key(in_identity=False)] = (0,)
    """Seeds; each gives one training and one row of results."""
    total_slots: Annotated[Count | Literal["tokens"] | None, Key(in_identity=False)] = None
    """Slots of all experts together for one image; "tokens" gives as many slots as the image has tokens, so that expert
    compute equals the dense MLP's. Default: what the router's options give."""
    group_images: Count | None = None
    """Images routed together as one group. Default: the router's own rule (1 for Soft MoE, 8 for sparse routers)."""
    moe_layers: Annotated[Annotated[str, BeforeValidator(_block_number)] | None, Key(Scope.TRAINING)] = None
    """Blocks whose MLP becomes an MoE layer: last-half, every-2, last-n:K, or block numbers such as 2,3. Default: the
    model's published layout, else last-half."""
    mlp_ratio: Annotated[float | None, Field(gt=0, le=1024), Key(since=3)] = None
    """Width of the MLPs, of the dense one and of each expert, over the width of the model; 4 in most published models.
    A dense model can so be widened to the parameters of a routed one. Default: the model's own."""
    position_init: Annotated[float | None, Field(ge=0, le=1024), Key(Scope.TRAINING, since=3)] = None
    """Standard deviation of the initial position embeddings, beside which embedded patches have about 1. Default: the
    model's own, 0.02 as in the papers."""
    precision: Precision = "float32"
    """Number format: "float32" throughout; "mixed" computes in bfloat16 and stores parameters, gradients and optimiser
    moments in float32; "bfloat16" stores these in bfloat16 too. Logits, softmaxes and norms are always float32."""
    remat: Annotated[Remat, Key(Scope.TRAINING, since=3)] = "none"
    """What the backward pass of a training step computes again instead of storing it, which saves memory and costs
    FLOPs: "none" stores everything; "dots" stores the results of matrix products and computes all else again; "blocks"
    stores each block's input and computes the whole block again, about a third more FLOPs. Results are equal but for
    rounding. Counts of FLOPs contain what is computed again."""
    learning_rate: Annotated[float, Field(gt=0), Key(Scope.TRAINING)] = 2e-3
    """Peak learning rate of AdamW."""
    weight_decay: Annotated[float, Field(ge=0), Key(Scope.TRAINING)] = 0.05
    """Decoupled weight decay of AdamW."""
    warmup: Annotated[float, Field(ge=0, lt=1), Key(Scope.TRAINING)] = 0.1
    """Share of the steps over which the learning rate rises linearly, before its cosine decay."""
    clip_norm: Annotated[float, Field(gt=0), Key(Scope.TRAINING)] = 1.0
    """Global norm to which gradients are clipped."""
    tune: Annotated[dict[str, tuple[float, ...]], Key(Scope.DOWNSTREAM, since=3)] = {}
    """Values to choose from for learning_rate, weight_decay, warmup, clip_norm or weights of the router's auxiliary
    losses, such as {learning_rate: [1e-3, 3e-3, 1e-2]}. Each combination is tried with one seed on a validation split
    that is held out of the training images; all seeds run with the combination of the smallest validation loss.
    Pre-training is not tuned: it takes the keys themselves."""
    eval_every: Annotated[Count | None, Key(Scope.DOWNSTREAM, since=3)] = None
    """Steps between two evaluations on the test split during the training, for curves of held-out loss and the compute
    multiplier; the last step is always evaluated. Default: none but the last.
    """
    timing_budget_s: Annotated[float, Field(ge=0), Key(Scope.LAYER | Scope.DOWNSTREAM, off=0.0)] = 3.0
    """Seconds for timing training and again for timing inference; 0 leaves the cell untimed."""
    checkpoint_every_s: Annotated[float, Field(ge=0), Key(Scope.DOWNSTREAM, off=0.0, in_identity=False)] = 60.0
    """Seconds of training between two checkpoints, from which a killed cell resumes; 0 writes none."""
    devices: Annotated[str, Key(Scope.TRAINING)] = "1x1"
    """Device mesh, written DATAxEXPERT: a batch is split over all devices, the experts with their slots over the second
    number of devices. Tokens travel to their experts and back between these."""
    test_time: Annotated[tuple[dict[str, Scalar], ...], Key(Scope.DOWNSTREAM, since=2)] = ()
    """Further settings in which the trained model is evaluated, without new training: options of the router by name, or
    `router` for another router with the same parameters. Written as cells are: mappings whose lists are multiplied
    out."""
    pretrain_data: Annotated[
        str | None, Key(Scope.DOWNSTREAM, since=2), BeforeValidator(splits_text), _absolute(absolute_place)
    ] = None
    """Images to pre-train on, written as `data` is. The pre-trained model is probed with a few shots of `data`, then
    fine-tuned on `data` with a new head. Cells whose pre-training is equal share the pre-trained model."""
    pretrain_steps: Annotated[Count | None, Key(Scope.DOWNSTREAM, since=2)] = None
    """Steps of pre-training. Default: `steps`."""
    pretrain_image_size: Annotated[Pixels | None, Key(Scope.DOWNSTREAM, since=2)] = None
    """Side in pixels of the images of pre-training; positions are interpolated afterwards. Default: the size that
    `pretrain_data` has."""
    init_from: Annotated[str | None, Key(Scope.DOWNSTREAM, since=2), _absolute(absolute_folder)] = None
    """Folder of a saved model to start from instead of pre-training. Options left out are the saved model's."""
    text_model: Annotated[str | None, Key(Scope.DOWNSTREAM, since=3)] = None
    """Size of a text tower such as mu, which makes the cell contrastive: it learns to embed each image of `data`
    close to its captions. Default: none, and the cell learns to classify."""
    text_router: Annotated[str | None, Key(Scope.DOWNSTREAM, since=3)] = None
    """Routing strategy of the text tower with its options, such as soft[experts=4]. Default: dense."""
    text_length: Annotated[Count, Key(Scope.DOWNSTREAM, since=3)] = 32
    """Tokens of a caption that the text tower reads: shorter captions are filled up, longer ones are cut."""
    contrastive_loss: Annotated[ContrastiveLoss, Key(Scope.DOWNSTREAM, since=3)] = "softmax"
    """Loss of a cell with a `text_model`: "softmax" over the batch in both directions, or "sigmoid" for each pair."""
    freeze: Annotated[Literal["image"] | None, Key(Scope.DOWNSTREAM, since=3)] = None
    """The value image leaves a pre-trained image tower as it is, so that only the text tower learns (locked-image
    tuning). Default: both towers learn."""
    save_model: Annotated[bool, Key(Scope.DOWNSTREAM, since=2)] = False
    """Save each seed's trained model beside the results, for other cells to start from."""
    record_routing: Annotated[Count | None, Key(Scope.DOWNSTREAM, since=3)] = None
    """Test images whose routing is recorded after the training, equal for all cells, for `moebench look` and
    `moebench.load_routing`. Default: none."""
    record_during_training: Annotated[Count | None, Key(Scope.DOWNSTREAM, since=3)] = None
    """Number of recordings along the training, each after twice the steps of the one before, that of the trained model
    included. Default: that of the trained model alone."""
    record_seeds: Annotated[Count | None, Key(Scope.DOWNSTREAM, since=3)] = None
    """Seeds below this number are recorded: 1 records seed 0 alone. Default: all seeds."""
    plugins: Annotated[tuple[str, ...], Key(in_identity=False)] = ()
    """Files that register routers (`--plugin`). A suite cannot name such files: a suite is data, and running a suite
    executes no user's code."""

    @classmethod
    def keys(cls) -> tuple[str, ...]:
        """Return the keys that a suite may set besides the router's options."""
        return tuple(name for name in cls.model_fields if name not in ("options", "seeds", "plugins"))

    @classmethod
    def declared(cls) -> dict[str, Key]:
        """Return the declaration of each field's key."""
        return {
            name: next((mark for mark in field.metadata if isinstance(mark, Key)), Key())
            for name, field in cls.model_fields.items()
        }

    @classmethod
    def outside(cls, scope: Scope) -> dict[str, Any]:
        """Return the keys that change nothing in any part of `scope`.

        Each key comes with its value for "nothing of the key".
        """
        return {
            name: cls.model_fields[name].default if key.off is None else key.off
            for name, key in cls.declared().items()
            if not key.scope & scope
        }

    @property
    def mesh_shape(self) -> tuple[int, int]:
        """The two numbers of `devices`.

        Raises:
            BadInput: `devices` is not two positive numbers.
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
        """Return plain values, for a JSON file."""
        return self.model_dump(mode="json")

    def identity(self) -> dict[str, Any]:
        """Return the plain values that identify the cell.

        Left out are keys outside of an identity, later keys at their default, tuned keys unless a pre-training takes
        them, and, for a layer measured alone, keys that change nothing in it.
        """
        plain, declared = self.as_json(), self.declared()
        defaults = type(self)(router=self.router).as_json()
        idle = self.outside(Scope.LAYER) if self.scope == "layer" else {}
        return {
            name: value
            for name, value in plain.items()
            if declared[name].in_identity
            and name not in idle
            and (name not in self.tune or self.pretrain_data is not None)
            and not (declared[name].since > 1 and value == defaults[name])
        }
