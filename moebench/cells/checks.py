"""Combinations of keys that a specification may not have.

Each check raises BadInput with the key at fault.
"""

from moebench import routers
from moebench.errors import BadInput
from moebench.spec.cell_spec import CellSpec
from moebench.spec.tasks import parse_task


def check_pretraining(spec: CellSpec) -> None:
    """Raise unless the keys of pre-training and start fit each other."""
    for key in ("pretrain_steps", "pretrain_image_size"):
        if getattr(spec, key) is not None and spec.pretrain_data is None:
            raise BadInput(f"{key} needs pretrain_data, the data set to train on first.", key=key)
    if spec.pretrain_data is None and spec.init_from is None:
        return
    if routers.find(spec.router).needs_truth:
        raise BadInput(
            f"router '{spec.router}' learns no parameters that a trained model could pass on: leave "
            f"{'pretrain_data' if spec.pretrain_data is not None else 'init_from'} out.",
            key="pretrain_data" if spec.pretrain_data is not None else "init_from",
        )
    if spec.pretrain_data is not None and spec.init_from is not None:
        raise BadInput("pretrain_data and init_from both give the initial parameters; leave one out.", key="init_from")
    if spec.mesh_shape != (1, 1):
        raise BadInput(
            f"a start from a trained model is for one device: leave devices={spec.devices} out.", key="devices"
        )
    if spec.init_from is not None and spec.total_slots is not None:
        raise BadInput(
            f"init_from has the slots of the saved model: leave total_slots={spec.total_slots} out.", key="total_slots"
        )


def check_contrastive(spec: CellSpec) -> None:
    """Raise unless the keys of contrastive cells fit each other and the rest."""
    if spec.text_model is None:
        defaults = CellSpec.model_fields
        for key in ("text_router", "text_length", "contrastive_loss", "freeze"):
            if getattr(spec, key) != defaults[key].default:
                raise BadInput(f"{key} needs text_model, the size of a text tower such as mu.", key=key)
        return
    if spec.text_length < 2:
        raise BadInput(
            "text_length=1 leaves no room for words beside the token that ends a caption.", key="text_length"
        )
    if spec.freeze is not None and spec.pretrain_data is None and spec.init_from is None:
        raise BadInput(
            "freeze=image needs a trained image tower: add pretrain_data or init_from, or leave freeze out.",
            key="freeze",
        )
    if spec.freeze is not None and spec.augment not in (None, "none"):
        raise BadInput(
            f"freeze=image embeds each training image once: leave augment={spec.augment} out.", key="augment"
        )
    of_labels = (
        ("tune", "compares tries by their loss in", "leave tune out and give one learning_rate"),
        ("test_time", "compares settings by their accuracy in", "leave test_time out"),
        (
            "record_routing",
            "records routing beside the predictions of",
            f"leave it or text_model={spec.text_model} out",
        ),
    )
    for key, does, right in of_labels:
        if getattr(spec, key):
            raise BadInput(
                f"{key} {does} classification, which a cell with text_model does not learn: {right}.", key=key
            )
    if spec.text_router is not None and spec.mesh_shape != (1, 1):
        raise BadInput(
            f"text_router={spec.text_router} is for one device: leave it or devices={spec.devices} out.",
            key="text_router",
        )
    if routers.find(spec.router).needs_truth:
        raise BadInput(
            f"router '{spec.router}' routes by the right expert of each patch, which no pairs of images and captions "
            "know.",
            key="router",
        )


def check_eval_every(spec: CellSpec) -> None:
    """Raise if the training is over before its first evaluation."""
    if spec.eval_every is not None and spec.eval_every > spec.steps:
        raise BadInput(
            f"eval_every={spec.eval_every} is longer than the training: use at most steps={spec.steps}.",
            key="eval_every",
        )


def check_tune(spec: CellSpec) -> None:
    """Raise if the data set has no images to choose hyperparameters on."""
    task = parse_task(spec.data)
    if spec.tune and task is not None and task[0] == "lookup":
        raise BadInput(
            f"tune chooses by the loss on images that were held out of the training, whose labels are random in "
            f"{spec.data}: leave tune out and give one learning_rate.",
            key="tune",
        )


def check_recording(spec: CellSpec) -> None:
    """Raise unless the keys of recordings fit each other and the devices."""
    if spec.record_routing is None:
        for key in ("record_during_training", "record_seeds"):
            if getattr(spec, key) is not None:
                raise BadInput(f"{key} needs record_routing, the number of images to record.", key=key)
    elif spec.mesh_shape != (1, 1):
        raise BadInput(f"record_routing is for one device: leave devices={spec.devices} out.", key="record_routing")


def check_truth(spec: CellSpec, known: bool) -> bool:
    """Return whether the router receives the truth about each patch.

    Args:
        spec: gives router and data.
        known: whether the data set knows the right expert of each patch.

    Raises:
        BadInput: the router needs a truth that the data set does not know.
    """
    needed = routers.find(spec.router).needs_truth
    if needed and not known:
        raise BadInput(
            f"router '{spec.router}' routes by the right expert of each patch, which data set {spec.data} does not "
            "know: use a diagnostic task such as domains-16, needles-2, lookup-1024 or skewed-16.",
            key="data",
        )
    return needed


def check_layer(spec: CellSpec) -> None:
    """Raise unless one MoE layer of the specification can be measured alone."""
    if routers.find(spec.router).routes_through == "block":
        raise BadInput(
            f"router '{spec.router}' takes tokens into whole blocks, so that it has no layer to measure alone.",
            key="router",
        )
    if spec.mesh_shape != (1, 1):
        raise BadInput(f"scope=layer is for one device: leave devices={spec.devices} out.", key="devices")
    if not spec.timing_budget_s:
        raise BadInput("scope=layer with timing_budget_s=0 leaves nothing to measure.", key="timing_budget_s")


def check_groups(spec: CellSpec, group_images: int) -> None:
    """Raise unless a batch can be split into groups.

    Args:
        spec: gives the batch.
        group_images: images routed together.
    """
    if spec.batch % group_images:
        raise BadInput(
            f"router '{spec.router}' routes groups of {group_images} images, which do not divide a batch of "
            f"{spec.batch}: use a batch that is a multiple of {group_images}, or another group_images.",
            key="group_images" if spec.group_images else "batch",
        )


def check_mesh(spec: CellSpec, experts: int, group_images: int) -> None:
    """Raise unless images, groups and experts can be split over the devices.

    Args:
        spec: gives devices and batch.
        experts: experts of each MoE layer; 1 for dense.
        group_images: images routed together.
    """
    data_shards, expert_shards = spec.mesh_shape
    count = data_shards * expert_shards
    if experts > 1 and experts % expert_shards:
        raise BadInput(
            f"devices={spec.devices} splits experts into {expert_shards} parts, which do not divide {experts} experts.",
            key="devices",
        )
    if spec.batch % count:
        raise BadInput(
            f"devices={spec.devices} are {count} devices, which do not divide a batch of {spec.batch}: use a batch "
            f"that is a multiple of {count}.",
            key="devices",
        )
    if spec.batch // count % group_images:
        raise BadInput(
            f"devices={spec.devices} splits a batch of {spec.batch} into parts of {spec.batch // count} images, and "
            f"groups of {group_images} would straddle them: use a batch that is a multiple of {count * group_images}.",
            key="devices",
        )
    if count > 1 and spec.test_time:
        raise BadInput(f"test_time is for one device, and devices={spec.devices} are {count}.", key="test_time")
