"""Columns that are counted: parameters, FLOPs, bytes, and the use of the device."""

from moebench.results.columns.column import NUMBER, WHOLE, Column, in_group

COST = in_group(
    "cost",
    Column(
        "params",
        WHOLE,
        "",
        "parameters of the model, of both towers where there is a text tower",
        "Parameters",
        "lower",
        sections=("main", "cost axis", "scaled axis"),
    ),
    Column(
        "params_active",
        WHOLE,
        "",
        "parameters that process one token: those of top_k experts, or of the token's share of slots if tokens do not "
        "choose",
        "Active parameters",
        "lower",
        sections=("cost axis",),
    ),
    Column(
        "text_params",
        WHOLE,
        "",
        "parameters of the text tower; null without a text tower",
        "Parameters of the text tower",
    ),
    Column(
        "flops_forward_per_text",
        NUMBER,
        "FLOPs",
        "FLOPs of embedding one caption; a multiply-add is 2 FLOPs; null without a text tower",
        "Forward FLOPs per caption",
        "lower",
    ),
    Column(
        "flops_forward_per_image",
        NUMBER,
        "FLOPs",
        "FLOPs of the forward pass for one image; a multiply-add is 2 FLOPs",
        "Forward FLOPs per image",
        "lower",
        sections=("main", "cost axis", "scaled axis", "export"),
    ),
    Column(
        "flops_train_step",
        NUMBER,
        "FLOPs",
        "FLOPs in matrix products of one training step, backward pass included; with freeze: image those of the text "
        "tower alone, since images are embedded once before the first step",
        "FLOPs of a training step",
        "lower",
    ),
    Column(
        "flops_train_total",
        NUMBER,
        "FLOPs",
        "FLOPs of the whole training: flops_train_step × steps",
        "Training FLOPs",
        "lower",
        sections=("cost axis",),
    ),
    Column(
        "flops_router",
        NUMBER,
        "FLOPs",
        "FLOPs of the routing logits in a forward pass for one image",
        "FLOPs of the router",
        "lower",
    ),
    Column(
        "flops_dispatch_combine",
        NUMBER,
        "FLOPs",
        "FLOPs of moving tokens to slots and back in a forward pass for one image",
        "FLOPs of dispatch and combine",
        "lower",
    ),
    Column(
        "flops_experts",
        NUMBER,
        "FLOPs",
        "FLOPs of the experts' MLPs in a forward pass for one image, empty slots included",
        "FLOPs of the experts",
        "lower",
    ),
    Column(
        "routed_flops_share",
        NUMBER,
        "share",
        "share of the FLOPs of a forward pass in MoE layers: logits, dispatch, experts and combine, or the blocks that "
        "tokens are routed through; 0 for dense",
        "Routed share of the FLOPs",
    ),
    Column(
        "flops_padding",
        NUMBER,
        "FLOPs",
        "part of flops_experts spent on slots that stayed empty in the evaluation",
        "FLOPs of empty slots",
        "lower",
        "seed",
    ),
    Column(
        "flops_forward_hlo",
        NUMBER,
        "FLOPs",
        "FLOPs of the forward pass for one image as the compiler counts them, every trip of a loop included; null if "
        "the compiler gives no count, or does not know how often a loop runs",
        "Forward FLOPs per image, compiler's count",
        "lower",
    ),
)

MEMORY = in_group(
    "memory",
    Column(
        "train_peak_bytes",
        WHOLE,
        "bytes",
        "bytes of each device in training: arguments + outputs + temporaries − aliases",
        "Peak memory in training",
        "lower",
        sections=("main", "cost axis"),
    ),
    Column(
        "infer_peak_bytes",
        WHOLE,
        "bytes",
        "bytes of each device in inference: arguments + outputs + temporaries − aliases",
        "Peak memory in inference",
        "lower",
        sections=("cost axis",),
    ),
    Column(
        "train_bytes_estimate",
        WHOLE,
        "bytes",
        "bytes in training, estimated from shapes: parameters, gradients, optimiser state, activations",
        "Estimated memory in training",
        "lower",
    ),
)

EFFICIENCY = in_group(
    "efficiency",
    Column(
        "train_intensity",
        NUMBER,
        "FLOPs/byte",
        "flops_train_step over the bytes that a training step moves as the compiler counts them",
        "Arithmetic intensity of training",
    ),
    Column(
        "infer_intensity",
        NUMBER,
        "FLOPs/byte",
        "FLOPs of an inference batch over the bytes that it moves as the compiler counts them",
        "Arithmetic intensity of inference",
    ),
    Column(
        "peak_flops_per_s",
        NUMBER,
        "FLOPs/s",
        "FLOPs per second of a large matrix product on the device, measured after the cell's timing while no other "
        "cell computes",
        "Measured peak",
    ),
    Column(
        "peak_bytes_per_s",
        NUMBER,
        "bytes/s",
        "bytes read and written per second of a large copy on the device",
        "Measured bandwidth",
    ),
    Column(
        "train_mfu",
        NUMBER,
        "share",
        "FLOPs per second of a training step / peak_flops_per_s",
        "Share of the peak in training",
        "higher",
    ),
    Column(
        "infer_mfu",
        NUMBER,
        "share",
        "FLOPs per second of inference / peak_flops_per_s",
        "Share of the peak in inference",
        "higher",
    ),
    Column(
        "train_roofline",
        NUMBER,
        "share",
        "FLOPs per second of a training step over the smaller of peak_flops_per_s and train_intensity × "
        "peak_bytes_per_s; above 1 if caches spare memory",
        "Share of the roofline in training",
        "higher",
    ),
    Column(
        "infer_roofline",
        NUMBER,
        "share",
        "FLOPs per second of inference over the smaller of peak_flops_per_s and infer_intensity × peak_bytes_per_s; "
        "above 1 if caches spare memory",
        "Share of the roofline in inference",
        "higher",
    ),
)
