"""Load recordings of routing as pandas frames: assignments of tokens, and tables of layers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from moebench.errors import BadInput, unknown
from moebench.inside.files import images_path, read_facts, read_images, read_rows, recording_paths
from moebench.inside.schema import ROUTING_SCHEMA, Facts
from moebench.results.suite_folder import suite_folders
from moebench.spec.entry import parse_cell
from moebench.spec.plain_values import Plain

if TYPE_CHECKING:
    import pandas as pd

EXAMPLE = "bpr[experts=8,record_routing=256]"


@dataclass(frozen=True)
class Recording:
    """One recorded seed of a cell, whose rows are read on demand."""

    path: Path
    facts: Facts

    @property
    def name(self) -> str:
        """Name of the cell and its seed for a reader."""
        return f"{self.facts.cell}, seed {self.facts.seed}"

    def frame(
        self,
        columns: Sequence[str] | None = None,
        *,
        layers: Sequence[int] | None = None,
        images: Sequence[int] | None = None,
        all_steps: bool = False,
    ) -> "pd.DataFrame":
        """Return the rows of the recording, in the order of steps, layers, images and tokens.

        Args:
            columns: columns of `ROUTING_SCHEMA`; None for all.
            layers: block numbers of MoE layers; None for all.
            images: numbers of images in the test split; None for all.
            all_steps: whether to include recordings during training, not only the trained model's rows.

        Raises:
            BadInput: a layer or an image was not recorded, or a column does not exist.
        """
        for name in columns or ():
            if name not in ROUTING_SCHEMA.names:
                raise unknown("column", name, ROUTING_SCHEMA.names, listing="moebench list columns --routing")
        filters: dict[str, Sequence[int]] = {} if all_steps else {"step": self.facts.steps[-1:]}
        if layers is not None:
            self.check_layers(layers)
            filters["layer"] = layers
        if images is not None:
            filters["image"] = images
        table = read_rows(self.path, columns, filters)
        if images is not None and not table.num_rows:
            raise BadInput(f"{self.name}: none of the images {_few(images)} was recorded.")
        frame: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
        return frame

    def check_layers(self, layers: Iterable[int]) -> None:
        """Raise unless every layer is a recorded MoE layer.

        Raises:
            BadInput: a layer is no recorded MoE layer.
        """
        for layer in layers:
            if layer not in self.facts.layers:
                raise BadInput(f"{self.name}: layer {layer} is no MoE layer; {_few(self.facts.layers)} are.")

    def check_expert(self, expert: int) -> None:
        """Raise unless there is an expert of that number.

        Raises:
            BadInput: there is no such expert.
        """
        if not 0 <= expert < self.facts.experts:
            raise BadInput(f"{self.name}: there is no expert {expert}; experts are 0 to {self.facts.experts - 1}.")

    @cached_property
    def experts(self) -> "pd.DataFrame":
        """Similarity of each two experts: layer, expert, other, cosine, cka."""
        return self._table(self.facts.expert_pairs)

    @cached_property
    def slots(self) -> "pd.DataFrame":
        """Cosine of the parameters of each two slots: layer, slot, other, cosine."""
        return self._table(self.facts.slot_pairs)

    @cached_property
    def swaps(self) -> "pd.DataFrame":
        """Accuracy with another routing in one layer: layer, swap, accuracy, trained_accuracy."""
        return self._table(self.facts.swaps)

    def pictures(self) -> dict[int, np.ndarray]:
        """Return the recorded images by their numbers.

        Raises:
            BadInput: the file of the images is missing.
        """
        pictures = read_images(self.path.parent, self.facts)
        if not pictures:
            missing = images_path(self.path.parent, self.facts.images)
            raise BadInput(f"the images of {self.name} are missing: there is no file {missing}.")
        return pictures

    def _table(self, columns: Mapping[str, list[Any]]) -> "pd.DataFrame":
        import pandas as pd

        facts = self.facts
        return pd.DataFrame(dict(columns)).assign(cell=facts.cell, router=facts.router, seed=facts.seed)


def find_recordings(
    results: Path | str = "results",
    suite: str | None = None,
    cells: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
) -> list[Recording]:
    """Return the newest recordings of cells, in the order of their files.

    Args:
        results: the results folder.
        suite: name of one suite; None for all.
        cells: cells as written on the command line, such as "soft" or "bpr[experts=8]"; every given option must agree.
            An empty sequence takes all cells.
        seeds: seeds; None for all.

    Raises:
        BadInput: the folder is missing, or has no recording of a cell; the message names the command that records.
    """
    root = Path(results)
    if not root.is_dir():
        raise BadInput(f"no results in {root}: there is no such folder.")
    folders = {each.suite: each for each in suite_folders(root)}
    if suite is not None and suite not in folders:
        raise unknown("suite among the results", suite, folders)
    chosen = list(folders.values()) if suite is None else [folders[suite]]
    paths = [path for each in chosen for folder in each.recording_folders() for path in recording_paths(folder)]
    found = [Recording(path, read_facts(path)) for path in paths]
    if not found:
        where = f"suite '{suite}' in {root}" if suite else f"{root}"
        raise BadInput(
            f"{where} has no recordings of routing: `moebench run '{EXAMPLE}'` makes one, and so does the key "
            "record_routing of a suite's profile."
        )
    for text in cells:
        if not any(_is_cell(text, each.facts) for each in found):
            known = ", ".join(dict.fromkeys(each.facts.cell for each in found))
            raise BadInput(
                f"no recording of '{text}' in {root}; recorded are {known}. `moebench run '{_recording(text)}'` "
                "records one."
            )
    if cells:
        found = [each for each in found if any(_is_cell(text, each.facts) for text in cells)]
    if seeds is not None:
        there = sorted({each.facts.seed for each in found})
        found = [each for each in found if each.facts.seed in seeds]
        if not found:
            raise BadInput(f"seed {_few(seeds)} was not recorded; {_few(there)} were.")
    return found


def load_routing(
    results: Path | str = "results",
    suite: str | None = None,
    *,
    cells: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    layers: Sequence[int] | None = None,
    images: Sequence[int] | None = None,
    columns: Sequence[str] | None = None,
    all_steps: bool = False,
) -> "pd.DataFrame":
    """Load recorded routing as one frame.

    Each row is a pair of a token and an expert or a slot.

    Args:
        results: the results folder.
        suite: name of one suite; None for all.
        cells: cells as written on the command line, such as "soft" or "bpr[experts=8]"; an empty sequence takes all.
        seeds: seeds; None for all.
        layers: block numbers of MoE layers; None for all.
        images: numbers of images in the test split; None for all.
        columns: names as `moebench list columns --routing` prints them; None for all.
        all_steps: whether to include recordings during training, not only the trained models' rows.

    Raises:
        BadInput: a folder, suite, cell, seed, layer, image or column does not exist, there is no recording at all, or a
            file has an older layout.
    """
    import pandas as pd

    found = find_recordings(results, suite, cells, seeds)
    frames = [each.frame(columns, layers=layers, images=images, all_steps=all_steps) for each in found]
    for name in frames[0].columns:
        if isinstance(frames[0][name].dtype, pd.CategoricalDtype):
            union = pd.api.types.union_categoricals([frame[name] for frame in frames]).categories
            frames = [frame.assign(**{name: frame[name].cat.set_categories(union)}) for frame in frames]
    return pd.concat(frames, ignore_index=True)


def check_same_images(recordings: Sequence[Recording]) -> None:
    """Raise unless recordings that are shown side by side have equal images.

    Raises:
        BadInput: two recordings have different images.
    """
    first = recordings[0]
    for other in recordings[1:]:
        if other.facts.images != first.facts.images:
            raise BadInput(
                f"{first.name} ({first.facts.data}) and {other.name} ({other.facts.data}) were recorded on different "
                "images: choose cells of the same data, image size and record_routing."
            )


def _is_cell(text: str, facts: Facts) -> bool:
    """Return whether `text`, a cell as on the command line, names the recording's cell."""
    if text in (facts.cell, facts.cell_id):
        return True
    wanted = parse_cell(text)
    held = {**facts.options, "router": facts.router, "model": facts.model, "data": facts.data}
    return all(_same(held.get(key, _MISSING), value) for key, value in wanted.items())


_MISSING = object()


def _same(held: Any, wanted: Plain) -> bool:
    return bool(held == wanted) or (held is not _MISSING and str(held) == str(wanted))


def _recording(cell: str) -> str:
    """Return the cell as a text that makes `moebench run` record it."""
    parsed = parse_cell(cell)
    options = [f"{key}={value}" for key, value in parsed.items() if key not in ("router", "record_routing")]
    return f"{parsed['router']}[{','.join([*options, 'record_routing=256'])}]"


def _few(numbers: Iterable[int]) -> str:
    """Return numbers as text for a sentence, the first eight of them."""
    listed = list(numbers)
    return ", ".join(map(str, listed[:8])) + (f" and {len(listed) - 8} more" if len(listed) > 8 else "")
