"""Declare the columns that identify a row and those that were asked for."""

from moebench.results.columns.column import NUMBER, SMALL, TEXT, TIME, WHOLE, Column, in_group

STATUSES = ("ok", "diverged", "oom", "timeout", "crashed", "skipped")

IDENTITY = in_group(
    "identity",
    Column("schema_version", SMALL, "", "version of the table's layout", "Schema version"),
    Column("suite", TEXT, "", "name of the suite, or 'run' for a single cell", "Suite", sections=("export",)),
    Column("run_id", TEXT, "", "name of the run that made the row; sorts by time", "Run"),
    Column("cell_id", TEXT, "", "hash of the cell's settings and of the kind of device, without the seed", "Cell id"),
    Column(
        "fingerprint",
        TEXT,
        "",
        "hash of the code, library versions, JAX settings and images that made the row",
        "Fingerprint",
    ),
    Column(
        "seed",
        SMALL,
        "",
        "seed of initial weights, order of images and routing noise",
        "Seed",
        varies="seed",
        sections=("export",),
    ),
    Column("attempt", SMALL, "", "1 for the first run of this cell and seed, then counting up", "Attempt"),
    Column("status", TEXT, "", "one of: " + ", ".join(STATUSES), "Status", varies="seed", sections=("export",)),
    Column("status_reason", TEXT, "", "why the status is not ok", "Reason", varies="seed"),
    Column("started_at", TIME, "UTC", "time at which the cell began", "Started at"),
)

INPUTS = in_group(
    "inputs",
    Column("router", TEXT, "", "registered name of the routing strategy", "Router", sections=("export",)),
    Column("model", TEXT, "", "preset of the backbone, as size/patch", "Model", sections=("export",)),
    Column("scope", TEXT, "", "what is built and timed: model, or layer for one MoE layer alone", "Scope"),
    Column("data", TEXT, "", "data set; random tokens if one layer is timed alone", "Data", sections=("export",)),
    Column("image_size", SMALL, "pixels", "side of the square image", "Image size"),
    Column("classes", SMALL, "", "classes of the data set", "Classes"),
    Column("tokens_per_image", SMALL, "tokens", "patches of an image", "Tokens per image"),
    Column(
        "experts",
        SMALL,
        "",
        "experts of each MoE layer; 1 for dense",
        "Experts",
        sections=("input axis", "export"),
    ),
    Column(
        "slots_per_expert",
        SMALL,
        "slots",
        "slots of each expert for one group of images",
        "Slots per expert",
        sections=("input axis", "label"),
    ),
    Column(
        "total_slots",
        SMALL,
        "slots",
        "slots of all experts for one group of images: experts × slots_per_expert",
        "Slots per group of images",
        sections=("export",),
    ),
    Column(
        "slots_per_image",
        NUMBER,
        "slots",
        "slots of all experts for one image: total_slots / group_images",
        "Slots per image",
        sections=("input axis",),
    ),
    Column(
        "top_k",
        SMALL,
        "",
        "experts that each token chooses; null if tokens do not choose",
        "Experts per token, k",
        sections=("input axis", "label"),
    ),
    Column(
        "capacity_factor",
        NUMBER,
        "",
        "capacity factor of the settings; null if the router has none",
        "Capacity factor",
        sections=("input axis", "label"),
    ),
    Column(
        "effective_capacity_factor",
        NUMBER,
        "",
        "total_slots / (tokens of a group × top_k, or × 1 if tokens do not choose)",
        "Effective capacity factor",
    ),
    Column("group_images", SMALL, "images", "images routed together", "Images per group", sections=("label",)),
    Column(
        "dispatch", TEXT, "", "how tokens reach their slots: gather, einsum or ragged", "Dispatch", sections=("label",)
    ),
    Column("moe_layers", TEXT, "", "blocks that hold experts, numbered from 0", "MoE layers", sections=("label",)),
    Column("steps", WHOLE, "steps", "training steps", "Training steps", sections=("label",)),
    Column("batch_size", SMALL, "images", "images of a training step", "Batch size", sections=("label",)),
    Column(
        "precision",
        TEXT,
        "",
        "float32; mixed: bfloat16 compute on float32 parameters, gradients and moments; bfloat16: bfloat16 for all of "
        "these; logits, softmaxes and norms are always float32",
        "Precision",
        sections=("environment", "label"),
    ),
    Column("learning_rate", NUMBER, "", "peak learning rate", "Learning rate", sections=("input axis", "label")),
    Column(
        "pretrain_data",
        TEXT,
        "",
        "data set of the pre-training, or folder of the saved model; null without either",
        "Pre-training data",
        sections=("label",),
    ),
    Column(
        "pretrain_steps",
        WHOLE,
        "steps",
        "steps of the pre-training; null if this cell did not pre-train",
        "Pre-training steps",
        sections=("label",),
    ),
    Column("config", TEXT, "JSON", "all settings of the cell, defaults included", "Settings"),
)
