"""Declare the columns that say how good a trained model is and how its training went."""

from moebench.results.columns.column import NUMBER, NUMBERS, TEXT, WHOLE, WHOLES, Column, in_group

QUALITY = in_group(
    "quality",
    Column(
        "accuracy",
        NUMBER,
        "share",
        "top-1 accuracy on the test split after the last step",
        "Accuracy",
        "higher",
        "seed",
        ("main", "quality axis", "scaled axis", "export"),
    ),
    Column(
        "eval_loss",
        NUMBER,
        "nats",
        "mean cross-entropy on the test split",
        "Test loss",
        "lower",
        "seed",
        ("quality axis", "scaled axis"),
    ),
    *(
        Column(
            f"few_shot_{shots}",
            NUMBER,
            "share",
            f"test accuracy of a linear probe on frozen features, fitted to {shots} {images} of each class; null if a "
            "class has fewer",
            f"{shots}-shot accuracy",
            "higher",
            "seed",
            ("main", "quality axis", "scaled axis"),
        )
        for shots, images in ((1, "image"), (5, "images"), (10, "images"))
    ),
    Column(
        "saved_model",
        TEXT,
        "",
        "folder of the trained model, for init_from; null if the model was not saved",
        "Saved model",
        varies="seed",
    ),
    Column(
        "train_loss",
        NUMBER,
        "nats",
        "mean cross-entropy over the last tenth of the steps",
        "Training loss",
        "lower",
        "seed",
    ),
    Column(
        "diverged_step",
        WHOLE,
        "steps",
        "first step whose loss was not finite; null if there is none",
        "Step of divergence",
        None,
        "seed",
    ),
    Column("curve_step", WHOLES, "steps", "steps at which the training curve is recorded", "Steps of the curve"),
    Column(
        "curve_loss",
        NUMBERS,
        "nats",
        "training loss of the training curve: mean since the step recorded before",
        "Training loss over steps",
        varies="seed",
    ),
    Column(
        "curve_accuracy",
        NUMBERS,
        "share",
        "accuracy on training batches of the training curve: mean since the step recorded before",
        "Training accuracy over steps",
        varies="seed",
    ),
    Column(
        "curve_gradient_norm",
        NUMBERS,
        "",
        "gradient_norm of the training curve: median since the step recorded before",
        "Gradient norm over steps",
        varies="seed",
    ),
    Column(
        "curve_gradient_norm_max",
        NUMBERS,
        "",
        "gradient norm of the training curve: maximum since the step recorded before",
        "Largest gradient norm over steps",
        varies="seed",
    ),
    Column(
        "gradient_norm",
        NUMBER,
        "",
        "global norm of the gradient before clipping; median over the steps",
        "Gradient norm",
        None,
        "seed",
    ),
    Column(
        "gradient_norm_max",
        NUMBER,
        "",
        "global norm of the gradient before clipping; maximum over the steps",
        "Largest gradient norm",
        None,
        "seed",
    ),
    Column(
        "clipped_steps", NUMBER, "share", "share of steps whose gradient was clipped", "Clipped steps", None, "seed"
    ),
    Column(
        "loss_spike_steps",
        WHOLES,
        "steps",
        "first steps of loss spikes: losses 7 standard deviations above the mean of the 100 steps before, and by a "
        "tenth of the first loss; consecutive steps are one spike",
        "Loss spikes",
        varies="seed",
    ),
)
