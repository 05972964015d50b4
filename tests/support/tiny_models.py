"""The smallest model and data that train: two blocks of width 8, and stripes to tell apart."""

from dataclasses import fields
from typing import Any

import numpy as np

from moebench import routers
from moebench.data import Split
from moebench.models import TextConfig, TwoTowersConfig, VitConfig
from moebench.models.presets import Preset, Size
from moebench.training import Schedule

# Positions as large as patches, so that a model of few steps tells places apart.
TINY = Preset(Size(width=8, layers=2, mlp=12, heads=2), patch=2, position_init=1.0)


def tiny(router: str = "dense", precision: str = "float32", **options: object) -> VitConfig:
    return VitConfig(
        preset=TINY,
        image_size=4,
        channels=1,
        classes=3,
        router=router,
        router_options=options,
        group_images=routers.find(router).group_images,
        moe_blocks=(1,),
        precision=precision,
    )


SCHEDULE = Schedule(steps=30, learning_rate=1e-2, weight_decay=0.0, warmup=0.1, clip_norm=1.0)


def stripes(count: int) -> Split:
    """Images whose brightest quarter is their class: learnable in a few steps."""
    labels = np.arange(count, dtype=np.int32) % 3
    images = np.zeros((count, 4, 4, 1), np.float32)
    images[np.arange(count), labels] = 3
    return Split(images, labels)


def two_towers(router: str = "dense", **options: Any) -> TwoTowersConfig:
    """Two towers of width 8 and captions of four tokens, of which an option of `TwoTowersConfig` changes the rest."""
    image = tiny(router) if router == "dense" else tiny(router, experts=4)
    text = TextConfig(
        preset=TINY,
        image_size=0,
        channels=0,
        classes=8,
        router="dense",
        router_options={},
        group_images=1,
        moe_blocks=(),
        vocabulary=7,
        length=4,
    )
    values = {field.name: getattr(image, field.name) for field in fields(image)}
    return TwoTowersConfig(**{**values, "classes": 0, "text": text, **options})


def captions(labels: np.ndarray) -> np.ndarray:
    """A caption for each class, whose second word names the class."""
    found = np.zeros((len(labels), 4), np.int32)
    found[:, :2] = np.stack([np.ones_like(labels), labels + 2], axis=1)
    return found
