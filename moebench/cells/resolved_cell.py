"""A cell that can be built: its label, input columns, configuration and identity."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moebench import models, routers
from moebench.cells.fingerprint import VERSIONS, code
from moebench.cells.images import pair_source, source
from moebench.cells.tries import Try
from moebench.code.digests import digest
from moebench.evaluation.test_time_settings import Setting
from moebench.measuring import shapes
from moebench.models import TwoTowersConfig, VitConfig
from moebench.spec.cell_spec import CellSpec, Scope

if TYPE_CHECKING:
    import moebench.data
    import moebench.data.pairs

TWIN = "dense"
"""Router of the dense twin, beside which a cell is timed."""


@dataclass(frozen=True)
class ResolvedCell:
    """A specification with defaults filled in, and the model that it describes."""

    spec: CellSpec
    """The specification as given; `resolve_cell` fills in data set, image size and augmentation."""
    model: VitConfig
    router: routers.Router
    """A router of this cell for tokens of width 1, with its options filled in; its parameters are shapes."""
    settings: tuple[Setting, ...] = ()
    """Settings in which the trained model is evaluated, that of the training first."""
    tries: tuple[Try, ...] = ()
    """Combinations of hyperparameters to choose from; empty if nothing is tuned."""
    pretraining: "ResolvedCell | None" = None
    """The cell that trains the initial model of this cell; None without pre-training."""
    saved_model: str = ""
    """Digest of the saved model that this cell starts from, because the folder may contain another model later."""

    @property
    def label(self) -> str:
        """Router with the options that differ from their defaults, as written on the command line."""
        defaults = routers.options(self.spec.router)
        given = {
            key: value
            for key, value in self.model.router_options.items()
            if value != defaults[key] and key not in self.spec.tune
        }
        options = ",".join(f"{key}={value}" for key, value in given.items())
        return f"{self.spec.router}[{options}]" if options else self.spec.router

    @property
    def mlp_ratio(self) -> float:
        """Width of the MLPs over the width of the model."""
        size = self.model.preset.size
        return size.mlp / size.width

    @property
    def inputs(self) -> dict[str, Any]:
        """Input columns of the result table."""
        layer, options = shapes(self.model, self.router), self.router.options
        spec = self.spec
        columns = {
            "router": spec.router,
            "model": spec.model,
            "scope": spec.scope,
            "data": spec.data,
            "data_digest": self._content.get("data"),
            "image_size": self.model.image_size,
            "classes": self.model.classes or None,
            "tokens_per_image": self.model.tokens,
            "experts": self.router.experts,
            "slots_per_expert": layer.slots_per_expert,
            "total_slots": layer.total_slots,
            "slots_per_image": layer.total_slots / self.model.group_images,
            "top_k": options.get("top_k"),
            "capacity_factor": options.get("capacity_factor"),
            "effective_capacity_factor": layer.total_slots / (layer.group_tokens * options.get("top_k", 1)),
            "eval_slots_per_expert": layer.eval_slots_per_expert,
            "eval_total_slots": layer.eval_total_slots,
            "eval_effective_capacity_factor": layer.eval_total_slots
            / (layer.group_tokens * (options.get("eval_top_k") or options.get("top_k", 1))),
            "group_images": self.model.group_images,
            "dispatch": options.get("dispatch"),
            "moe_layers": ",".join(map(str, self.model.moe_blocks)),
            "mlp_ratio": self.mlp_ratio,
            "position_init": self.model.preset.position_init,
            "steps": spec.steps,
            "batch_size": spec.batch,
            "pretrain_data": self.pretraining.spec.data if self.pretraining else spec.init_from,
            "pretrain_steps": self.pretraining.spec.steps if self.pretraining else None,
            **self._text_inputs,
            "precision": spec.precision,
            "learning_rate": None if "learning_rate" in spec.tune else spec.learning_rate,
            "config": json.dumps(self.config, sort_keys=True),
        }
        if spec.scope == "layer":
            unused = dict.fromkeys(("classes", *(name for name in CellSpec.outside(Scope.LAYER) if name in columns)))
            columns |= unused | {"data": "random tokens"}
        return columns

    @property
    def _text_inputs(self) -> dict[str, Any]:
        """Input columns of a text tower; empty for a cell that classifies."""
        spec = self.spec
        if spec.text_model is None:
            return {}
        return {
            "text_model": spec.text_model,
            "text_router": spec.text_router or "dense",
            "text_length": spec.text_length,
            "contrastive_loss": spec.contrastive_loss,
            "freeze": spec.freeze,
        }

    @property
    def config(self) -> dict[str, Any]:
        """All keys with defaults filled in, without keys that cannot change a result."""
        # A plugin counts by its content, which is part of the fingerprint, and not by its path.
        # A router that is a plain module declares no defaults.
        options = {**self.model.router_options, **self.router.options}
        filled_in = {
            "options": {key: value for key, value in options.items() if key not in self.spec.tune},
            "group_images": self.model.group_images,
            "moe_layers": self.spec.moe_layers or self.model.preset.moe_layers,
            "mlp_ratio": self.mlp_ratio,
            "position_init": self.model.preset.position_init,
        }
        identity = self.spec.identity()
        own = models.preset(self.spec.model)
        for key, same in (
            ("mlp_ratio", self.model.preset.size == own.size),
            ("position_init", self.model.preset.position_init == own.position_init),
        ):
            if same:  # written out by the user or taken from the model
                identity.pop(key, None)
        return identity | {name: value for name, value in filled_in.items() if name in identity}

    @property
    def images(self) -> "moebench.data.Source | moebench.data.pairs.PairSource | None":
        """Source of the images, with captions for two towers; None for a layer alone.

        A layer alone gets random tokens.
        """
        if self.spec.scope == "layer":
            return None
        return source(self.spec.data) if self.spec.text_model is None else pair_source(self.spec.data)

    @property
    def _content(self) -> dict[str, str]:
        """Digests of a user's own images, by the key that names their path."""
        named = {"data": self.images, "pretrain_data": self.pretraining.images if self.pretraining else None}
        found = {key: images.identity() for key, images in named.items() if images is not None}
        return {key: content for key, content in found.items() if content}

    @property
    def is_ready(self) -> bool:
        """Whether the images can be read at once and no validation split needs a check."""
        return not self.tries and all(
            cell.images is None or cell.images.is_ready(cell.spec.image_size)
            for cell in (self, self.pretraining)
            if cell is not None
        )

    @property
    def routers(self) -> tuple[str, ...]:
        """Names of all routers whose code gives this cell's results."""
        others = [setting.model.router for setting in self.settings] + ([TWIN] if self.spec.timing_budget_s else [])
        if isinstance(self.model, TwoTowersConfig) and self.model.text is not None:
            others.append(self.model.text.router)
        return tuple(sorted({self.spec.router, *others}))

    def identity(self, device: Mapping[str, Any]) -> dict[str, str]:
        """Return `cell_id`, a digest of specification and device, and `fingerprint`, a digest of all else.

        The fingerprint changes when code, versions or data change, so that a row with another fingerprint is stale.

        Args:
            device: columns of the environment.
        """
        # A user's images count by their content: a copy at another path is equal data.
        config = self.config | {key: content for key, content in self._content.items() if key in self.config}
        return {
            # JAX calls every processor "cpu", but their times cannot be compared.
            "cell_id": digest([json.dumps(config, sort_keys=True), device["device_kind"], device["cpu"]]),
            "fingerprint": digest(
                [
                    *code(*self.routers),
                    *(str(device[version]) for version in VERSIONS),
                    device["jax_settings"],
                    self.images.identity() if self.images else "",
                    *([self.pretraining.identity(device)["fingerprint"]] if self.pretraining else []),
                    *([self.saved_model] if self.saved_model else []),
                ]
            ),
        }
