"""The result table's one schema: name, type, unit and meaning of every column."""

from dataclasses import dataclass

import pyarrow as pa

SCHEMA_VERSION = 3
STATUSES = ("ok", "diverged", "oom", "timeout", "crashed", "skipped")


@dataclass(frozen=True)
class Column:
    """One column of the result table; a row is one seed of one cell."""

    name: str
    type: pa.DataType
    unit: str
    group: str
    meaning: str


_TEXT, _COUNT, _NUMBER, _TIME = pa.string(), pa.int64(), pa.float64(), pa.timestamp("us", tz="UTC")
_NUMBERS, _COUNTS, _TEXTS = pa.list_(_NUMBER), pa.list_(_COUNT), pa.list_(_TEXT)
_PER_LAYER_AND_EXPERT = pa.list_(_NUMBERS)


TEST_TIME_FIELDS: tuple[tuple[str, pa.DataType, str, str], ...] = (
    ("setting", _TEXT, "JSON", "what is changed after training; {} is the setting of the training"),
    ("router", _TEXT, "", "the router in that setting"),
    ("top_k", pa.int32(), "", "experts each token chooses in it; null where tokens do not choose"),
    ("capacity_factor", _NUMBER, "", "capacity factor in it; null where there is none"),
    ("slots_per_expert", pa.int32(), "slots", "slots of each expert for one group of images in it"),
    ("total_slots", pa.int32(), "slots", "slots of all experts for one group in it"),
    ("accuracy", _NUMBER, "share", "top-1 accuracy on the test split"),
    ("eval_loss", _NUMBER, "nats", "mean cross-entropy on the test split"),
    ("flops_forward_per_image", _NUMBER, "FLOPs", "forward pass for one image, empty slots included"),
    ("flops_used_per_image", _NUMBER, "FLOPs", "the same without empty slots: the mean over the test images"),
    (
        "infer_s_per_image",
        _NUMBER,
        "s",
        "forward pass with its counting for one image of a test batch, the median over the batches",
    ),
    ("infer_vs_trained", _NUMBER, "ratio", "that time over the trained setting's on the same batch, the median"),
    ("dropped_tokens", _NUMBER, "share", "tokens that no expert processes; mean over MoE layers"),
    ("dropped_assignments", _NUMBER, "share", "(token, choice) pairs over capacity"),
    ("slot_utilisation", _NUMBER, "share", "filled slots / all slots"),
    ("expert_calls_per_token", _NUMBER, "", "(token, expert) pairs processed / tokens; null where slots hold mixtures"),
    ("expert_calls_per_token_std", _NUMBER, "", "the same of each test image: standard deviation over the images"),
)
"""Of one setting of `test_time`: name, type, unit and meaning."""
TEST_TIME = pa.struct([pa.field(name, kind) for name, kind, _, _ in TEST_TIME_FIELDS])


def _group(name: str, *rows: tuple[str, pa.DataType, str, str]) -> tuple[Column, ...]:
    return tuple(Column(column, kind, unit, name, meaning) for column, kind, unit, meaning in rows)


def _interval(name: str, unit: str, meaning: str) -> tuple[tuple[str, pa.DataType, str, str], ...]:
    """A measured value, the bounds of its 95 % interval, and the samples behind it."""
    return (
        (name, _NUMBER, unit, f"{meaning}; the median of the samples"),
        (f"{name}_ci_low", _NUMBER, unit, f"{name}: lower bound of the 95 % interval of the median"),
        (f"{name}_ci_high", _NUMBER, unit, f"{name}: upper bound of the 95 % interval of the median"),
        (f"{name}_samples", _NUMBERS, unit, f"{name}: every sample, in the order taken"),
    )


COLUMNS: tuple[Column, ...] = (
    *_group(
        "identity",
        ("schema_version", pa.int32(), "", "version of this table's layout"),
        ("suite", _TEXT, "", "name of the suite, or 'run' for a single cell"),
        ("run_id", _TEXT, "", "the run that made the row; sorts by time"),
        ("cell_id", _TEXT, "", "hash of what was asked for and of the device's kind, without the seed"),
        ("fingerprint", _TEXT, "", "hash of the code, library versions, JAX settings and images that made the row"),
        ("seed", pa.int32(), "", "seed of initial weights, order of images and routing noise"),
        ("attempt", pa.int32(), "", "1 for the first run of this cell and seed, then counting up"),
        ("status", _TEXT, "", "one of: " + ", ".join(STATUSES)),
        ("status_reason", _TEXT, "", "why the status is not ok"),
        ("started_at", _TIME, "UTC", "when the cell began"),
    ),
    *_group(
        "inputs",
        ("router", _TEXT, "", "registered name of the routing strategy"),
        ("model", _TEXT, "", "backbone's preset, size/patch"),
        ("scope", _TEXT, "", "what was built and timed: model, or layer for one of its MoE layers alone"),
        ("data", _TEXT, "", "data set; random tokens where a layer was timed alone"),
        ("image_size", pa.int32(), "pixels", "side of the square image"),
        ("classes", pa.int32(), "", "classes of the data set"),
        ("tokens_per_image", pa.int32(), "tokens", "patches of an image"),
        ("experts", pa.int32(), "", "experts of each MoE layer; 1 for dense"),
        ("slots_per_expert", pa.int32(), "slots", "slots of each expert for one group of images"),
        ("total_slots", pa.int32(), "slots", "slots of all experts for one group: experts × slots_per_expert"),
        ("slots_per_image", _NUMBER, "slots", "slots of all experts for one image: total_slots / group_images"),
        ("top_k", pa.int32(), "", "experts each token chooses; null where tokens do not choose"),
        ("capacity_factor", _NUMBER, "", "capacity factor asked for; null where the router has none"),
        ("effective_capacity_factor", _NUMBER, "", "total_slots / (tokens of a group × top_k or 1)"),
        ("group_images", pa.int32(), "images", "images routed together"),
        ("dispatch", _TEXT, "", "how tokens reach the slots: gather, einsum or ragged"),
        ("moe_layers", _TEXT, "", "blocks that hold experts, numbered from 0"),
        ("steps", _COUNT, "steps", "training steps"),
        ("batch_size", pa.int32(), "images", "images of a training step"),
        (
            "precision",
            _TEXT,
            "",
            "float32; mixed: bfloat16 compute on float32 parameters, gradients and moments; bfloat16: those as well; "
            "logits, softmaxes and norms are always float32",
        ),
        ("learning_rate", _NUMBER, "", "peak learning rate"),
        ("pretrain_data", _TEXT, "", "data set of the pre-training, or folder of the saved model; null without either"),
        ("pretrain_steps", _COUNT, "steps", "steps of that training; null where it was not this cell's"),
        ("config", _TEXT, "JSON", "everything that was asked for, with defaults filled in"),
    ),
    *_group(
        "cost",
        ("params", _COUNT, "", "parameters of the model"),
        ("params_active", _COUNT, "", "parameters that one token can meet: of top_k experts, or of its share of slots"),
        ("flops_forward_per_image", _NUMBER, "FLOPs", "forward pass for one image; a multiply-add is 2 FLOPs"),
        ("flops_train_step", _NUMBER, "FLOPs", "matrix products of one training step, backward pass included"),
        ("flops_train_total", _NUMBER, "FLOPs", "flops_train_step × steps"),
        ("flops_router", _NUMBER, "FLOPs", "of a forward pass for one image: routing logits"),
        ("flops_dispatch_combine", _NUMBER, "FLOPs", "of the same: moving tokens to slots and back"),
        ("flops_experts", _NUMBER, "FLOPs", "of the same: the experts' MLPs, empty slots included"),
        ("flops_padding", _NUMBER, "FLOPs", "of flops_experts: slots that stayed empty in the evaluation"),
        (
            "flops_forward_hlo",
            _NUMBER,
            "FLOPs",
            "forward pass for one image as the compiler counts it, null if it cannot",
        ),
    ),
    *_group(
        "time",
        (
            "compile_s",
            _NUMBER,
            "s",
            "compiling the cell's programs: initial weights, training step, inference, evaluation",
        ),
        *_interval("train_step_s", "s", "one training step; of a layer alone, its forward and backward pass"),
        *_interval("train_step_vs_dense", "ratio", "train_step_s over that of the dense twin timed beside it"),
        *_interval("infer_s_per_image", "s", "inference for one image, at the training batch size"),
        *_interval("infer_vs_dense", "ratio", "infer_s_per_image over that of the dense twin timed beside it"),
        *_interval(
            "train_step_cpu_vs_dense",
            "ratio",
            "as train_step_vs_dense, of the processors' time in place of wall-clock, which other processes disturb "
            "less; null on accelerators",
        ),
        *_interval("infer_cpu_vs_dense", "ratio", "as infer_vs_dense, of the processors' time likewise"),
        *_interval(
            "infer_latency_s",
            "s",
            "inference of one image, from call to result; null where a group has more images, or devices share them",
        ),
        *_interval("infer_latency_vs_dense", "ratio", "infer_latency_s over that of the dense twin timed beside it"),
        *_interval("infer_max_batch_s_per_image", "s", "inference for one image, at infer_max_batch"),
        (
            "infer_max_batch",
            _COUNT,
            "images",
            "training batch doubled while it fits the accelerator, at most 4 times; null where it does not, or on CPUs",
        ),
        ("train_wall_s", _NUMBER, "s", "training this seed, data and curve included"),
        (
            "input_s_per_step",
            _NUMBER,
            "s",
            "making a batch (taking its images, shifting, scaling) while earlier steps run, mean",
        ),
        (
            "input_share",
            _NUMBER,
            "share",
            "of train_wall_s: waiting for batches; at most this was lost, since the device may have had steps to do",
        ),
        ("eval_wall_s", _NUMBER, "s", "evaluating this seed on the test split"),
        ("timing_wall_s", _NUMBER, "s", "warm-up and timed samples, shared by the cell's seeds: warmup_s + timed_s"),
        ("cell_wall_s", _NUMBER, "s", "the whole cell, all seeds, from its process's first line to its last"),
        ("dense_compile_s", _NUMBER, "s", "of cell_wall_s: compiling the dense twin's programs"),
        ("warmup_s", _NUMBER, "s", "of cell_wall_s: running programs until their times are steady"),
        ("timed_s", _NUMBER, "s", "of cell_wall_s: the rounds whose samples are kept"),
        ("training_s", _NUMBER, "s", "of cell_wall_s: training all seeds"),
        ("evaluation_s", _NUMBER, "s", "of cell_wall_s: evaluating all seeds"),
        ("test_time_s", _NUMBER, "s", "of cell_wall_s: trying trained models in other settings, compiling included"),
        ("pretrain_s", _NUMBER, "s", "of cell_wall_s: training upstream, or reading a kept model, compiling included"),
        ("few_shot_s", _NUMBER, "s", "of cell_wall_s: probing with a few shots, compiling included"),
        ("other_s", _NUMBER, "s", "of cell_wall_s: what is in none of these accounts and not in compile_s"),
        ("timing_flags", _TEXTS, "", "what to know before trusting the times; empty is good"),
        ("timing_outliers", _COUNT, "samples", "timed samples far outside the quartiles, of all programs; they count"),
        (
            "other_process_cpu_share",
            _NUMBER,
            "share",
            "processors' time that other processes had while the cell was timed",
        ),
        ("reference_kernel_s", _NUMBER, "s", "a fixed kernel that ran beside the training steps; the median"),
        (
            "reference_kernel_drift",
            _NUMBER,
            "share",
            "how much slower it was in the second half of a timing than in the first",
        ),
        ("clock_mhz_before", _NUMBER, "MHz", "clock of the accelerator, else of the processors, before the timing"),
        ("clock_mhz_after", _NUMBER, "MHz", "the same after it"),
        ("temperature_c_before", _NUMBER, "°C", "temperature of the same before the timing, null where it is not told"),
        ("temperature_c_after", _NUMBER, "°C", "the same after it"),
    ),
    *_group(
        "memory",
        ("train_peak_bytes", _COUNT, "bytes", "of each device, training: arguments + outputs + temporaries − aliases"),
        ("infer_peak_bytes", _COUNT, "bytes", "of each device, inference: the same"),
        (
            "train_bytes_estimate",
            _COUNT,
            "bytes",
            "training, estimated from shapes: parameters, gradients, optimiser state, activations",
        ),
    ),
    *_group(
        "efficiency",
        ("train_intensity", _NUMBER, "FLOPs/byte", "flops_train_step / the bytes a step moves as its compiler counts"),
        ("infer_intensity", _NUMBER, "FLOPs/byte", "the same of inference"),
        ("peak_flops_per_s", _NUMBER, "FLOPs/s", "a large matrix product on the device, measured beside the cell"),
        ("peak_bytes_per_s", _NUMBER, "bytes/s", "a large copy on the device, bytes read and written"),
        ("train_mfu", _NUMBER, "share", "FLOPs a second of a training step / peak_flops_per_s"),
        ("infer_mfu", _NUMBER, "share", "the same of inference"),
        (
            "train_roofline",
            _NUMBER,
            "share",
            "FLOPs a second of a training step / the least of peak_flops_per_s and train_intensity × peak_bytes_per_s; "
            "above 1 where caches spare memory",
        ),
        ("infer_roofline", _NUMBER, "share", "the same of inference"),
    ),
    *_group(
        "routing",
        ("dropped_tokens", _NUMBER, "share", "tokens that no expert processes; mean over MoE layers"),
        ("dropped_tokens_max_layer", _NUMBER, "share", "the same in the worst layer"),
        ("dropped_assignments", _NUMBER, "share", "(token, choice) pairs over capacity"),
        ("load_cv", _NUMBER, "", "std / mean over experts of the tokens processed"),
        ("max_violation", _NUMBER, "", "largest load / mean load − 1"),
        ("router_entropy", _NUMBER, "", "mean entropy of a token's gates / log(experts)"),
        ("dead_experts", _NUMBER, "share", "experts that got no token in the evaluation pass"),
        ("slot_utilisation", _NUMBER, "share", "filled slots / all slots"),
        (
            "under_dispatched_tokens",
            _NUMBER,
            "share",
            "soft routers: tokens whose dispatch weights sum to less than 0.25",
        ),
        ("tokens_per_slot_90", _NUMBER, "tokens", "soft routers: tokens that carry 90 % of a slot's weight, mean"),
        (
            "expert_calls_per_token",
            _NUMBER,
            "",
            "(token, expert) pairs processed / tokens, mean over MoE layers; null where slots hold mixtures",
        ),
        ("expert_calls_per_token_std", _NUMBER, "", "the same of each test image: standard deviation over the images"),
        (
            "expert_load",
            _PER_LAYER_AND_EXPERT,
            "share",
            "tokens processed by each expert / tokens, by layer and expert",
        ),
        (
            "expert_load_requested",
            _PER_LAYER_AND_EXPERT,
            "share",
            "the same before capacity: tokens that asked for the expert",
        ),
    ),
    *_group(
        "quality",
        ("accuracy", _NUMBER, "share", "top-1 accuracy on the test split after the last step"),
        ("eval_loss", _NUMBER, "nats", "mean cross-entropy on the test split"),
        ("few_shot_1", _NUMBER, "share", "test accuracy of a linear probe on frozen features, 1 image of each class"),
        ("few_shot_5", _NUMBER, "share", "the same of 5 images; null where a class has fewer"),
        ("few_shot_10", _NUMBER, "share", "the same of 10 images"),
        ("saved_model", _TEXT, "", "folder of the trained model, for init_from; null where none was kept"),
        ("train_loss", _NUMBER, "nats", "mean cross-entropy over the last tenth of the steps"),
        ("diverged_step", _COUNT, "steps", "step whose loss was not finite; null if none"),
        ("curve_step", _COUNTS, "steps", "steps of the training curve"),
        ("curve_loss", _NUMBERS, "nats", "training loss at those steps, mean since the step before"),
        ("curve_accuracy", _NUMBERS, "share", "accuracy on the training batches, likewise"),
        ("curve_gradient_norm", _NUMBERS, "", "median of gradient_norm since the step before"),
        ("curve_gradient_norm_max", _NUMBERS, "", "its maximum likewise"),
        ("gradient_norm", _NUMBER, "", "global norm of the gradient before clipping; the median over the steps"),
        ("gradient_norm_max", _NUMBER, "", "the same, the maximum over the steps"),
        ("clipped_steps", _NUMBER, "share", "steps whose gradient was clipped"),
        (
            "loss_spike_steps",
            _COUNTS,
            "steps",
            "where spikes begin: losses 7 standard deviations above the mean of the 100 steps before, and by a tenth "
            "of the first loss; steps in a row are one spike",
        ),
    ),
    *_group(
        "test time",
        (
            "test_time",
            pa.list_(TEST_TIME),
            "",
            "the trained model in other settings, the trained one first, without training again: "
            "moebench.results.at_test_time gives them flat, and says what the fields mean",
        ),
    ),
    *_group(
        "environment",
        ("device_kind", _TEXT, "", "device as JAX names it"),
        ("device_count", pa.int32(), "", "devices the cell used"),
        ("platform", _TEXT, "", "cpu, gpu or tpu"),
        ("hostname", _TEXT, "", "machine"),
        ("cpu", _TEXT, "", "processor's model"),
        ("cpu_count", pa.int32(), "", "processors the cell could use"),
        ("load_average", _NUMBER, "", "the machine's load over the last minute when the timing began"),
        ("python_version", _TEXT, "", ""),
        ("jax_version", _TEXT, "", ""),
        ("jaxlib_version", _TEXT, "", ""),
        ("flax_version", _TEXT, "", ""),
        ("optax_version", _TEXT, "", ""),
        ("numpy_version", _TEXT, "", ""),
        ("pillow_version", _TEXT, "", ""),
        ("scikit_learn_version", _TEXT, "", ""),
        ("moebench_version", _TEXT, "", ""),
        ("git_commit", _TEXT, "", "commit of moebench's checkout, with '+' if files differ; null outside one"),
        (
            "jax_settings",
            _TEXT,
            "JSON",
            "settings of JAX and XLA that change programs, times or randomness and are not at their defaults; {} if "
            "all are; null in rows from before the column",
        ),
    ),
)

SCHEMA: pa.Schema = pa.schema(
    [pa.field(column.name, column.type) for column in COLUMNS],
    metadata={"moebench_schema_version": str(SCHEMA_VERSION)},
)
