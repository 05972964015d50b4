"""Columns of the result table for a diagnostic task.

The values follow from the truth about each token of the test split.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from moebench.data import Split, Task
from moebench.data.tasks.lookup import bits
from moebench.data.tasks.scenes import NO_GROUP
from moebench.evaluation.pass_over_split import Evaluation
from moebench.inside import analyses
from moebench.inside.columns import DRAWS
from moebench.inside.load import Recording
from moebench.models import Preset

Row = dict[str, Any]


@dataclass(frozen=True)
class TaskTruth:
    """The right answers of a diagnostic task on a test split."""

    task: Task
    by_token: Int[np.ndarray, "image token"]
    """The right expert of each token; 255 if the token has none."""

    @classmethod
    def read(cls, task: Task, split: Split, preset: Preset) -> "TaskTruth":
        """Read the truth about the tokens of a model, as `Vit.truth` does.

        Args:
            task: the diagnostic task.
            split: test split of the task, whose images contain the truth.
            preset: the model's preset, which gives the patch.
        """
        pixels = split.truth
        assert pixels is not None
        side = pixels.shape[1] // preset.patch
        squares = pixels.reshape(len(pixels), side, preset.patch, side, preset.patch)
        found = squares.min((2, 4)).reshape(len(pixels), -1).astype(np.int64)
        return cls(task, np.pad(found, ((0, 0), (int(preset.class_token), 0)), constant_values=NO_GROUP))

    @property
    def needles(self) -> Bool[np.ndarray, "image token"] | None:
        """Whether each token is a needle; None for other tasks."""
        return self.by_token != NO_GROUP if self.task.kind == "needles" else None

    def evaluated(self, evaluation: Evaluation) -> Row:
        """Return the columns that follow from a pass over the test split."""
        if self.task.kind == "lookup":
            return {"memorised_bits": bits(evaluation.loss, len(self.by_token))}
        if self.task.kind == "skewed":
            rare = self.by_token[:, -1] >= (self.task.count + 1) // 2
            return {"tail_accuracy": float(evaluation.image_correct[rare].mean()) if rare.any() else None}
        return {"needles_processed": needles_processed(self.needles, evaluation.processed)}

    def recorded(self, recording: Recording) -> Row:
        """Return the columns that follow from a recording of the routing."""
        if self.task.kind not in ("domains", "skewed") or recording.facts.experts < 2:
            return {}
        frame = recording.frame()
        frame["label"] = self.by_token[frame["image"].to_numpy(), -1]
        found = analyses.expert_information(frame, "class", draws=DRAWS)
        return {"domain_information": float(found["excess"].mean())}


def needles_processed(
    needles: Bool[np.ndarray, "image token"] | None, processed: Float[np.ndarray, "image token"] | None
) -> float | None:
    """Return the share of the needles that an expert processes, or None.

    The result is None if the task or the router has no such share.

    Args:
        needles: whether each token is a needle; None if the task has no needles.
        processed: share of the MoE layers in which an expert processes each token; None if slots contain mixtures.
    """
    if needles is None or processed is None:
        return None
    return float(processed[needles].mean(dtype=np.float64))
