"""Columns on the quality of a trained model and on its training."""

from moebench.results.columns.column import BOOLS, HALVES, NUMBER, NUMBERS, SMALL, TEXT, WHOLE, WHOLES, Column, in_group

QUALITY = in_group(
    "quality",
    Column(
        "accuracy",
        NUMBER,
        "share",
        "top-1 accuracy on the test split after the last step; null for a cell with a text tower",
        "Accuracy",
        "higher",
        "seed",
        ("main", "quality axis", "scaled axis", "export"),
    ),
    Column(
        "eval_loss",
        NUMBER,
        "nats",
        "mean cross-entropy on the test split; of a cell with a text tower, mean contrastive loss over batches of test "
        "pairs",
        "Test loss",
        "lower",
        "seed",
        ("quality axis", "scaled axis"),
    ),
    Column(
        "tail_accuracy",
        NUMBER,
        "share",
        "top-1 accuracy on test images of the rarer half of the domains of skewed-K; null for other data",
        "Accuracy on rare domains",
        "higher",
        "seed",
        ("scaled axis",),
    ),
    Column(
        "memorised_bits",
        NUMBER,
        "bits",
        "bits that the model stores of the labels of lookup-N, N · (log 16 − loss) / log 2; null for other data",
        "Memorised bits",
        "higher",
        "seed",
        ("scaled axis",),
    ),
    Column(
        "image_correct",
        BOOLS,
        "",
        "whether each test image was classified correctly after the last step, in the test split's own order",
        "Correct test images",
        varies="seed",
    ),
    Column(
        "image_log_likelihood",
        HALVES,
        "nats",
        "log probability of the label of each test image, in the test split's own order",
        "Log likelihood of test images",
        varies="seed",
    ),
    Column(
        "test_set",
        TEXT,
        "",
        "hash of the images and labels of the test split; rows with the same hash can be paired by image",
        "Test set",
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
    *(
        Column(
            f"zero_shot_{name}",
            NUMBER,
            "share",
            f"zero-shot accuracy on images of one object whose combination of colour and shape {occurs} in training; "
            "all combinations are candidates, so that chance is 1 / zero_shot_classes; null without a text tower",
            f"Zero-shot accuracy, {name}",
            "higher",
            "seed",
            ("main", "quality axis", "scaled axis"),
        )
        for name, occurs in (("seen", "occurs"), ("unseen", "never occurs"))
    ),
    Column(
        "zero_shot_classes", SMALL, "", "classes among which zero-shot classification chooses", "Classes of zero-shot"
    ),
    *(
        Column(
            f"{way}_r{depth}",
            NUMBER,
            "share",
            f"recall at {depth}: share of {queries} among the {depth} that score highest; null without a text tower",
            f"{title} R@{depth}",
            "higher",
            "seed",
            ("main", "quality axis", "scaled axis") if depth == 1 else ("quality axis", "scaled axis"),
        )
        for way, title, queries in (
            ("image_to_text", "Image to text", "images with a caption of their own"),
            ("text_to_image", "Text to image", "captions with their image"),
        )
        for depth in (1, 5, 10)
    ),
    Column("retrieval_images", SMALL, "images", "test images among which retrieval searches", "Images of retrieval"),
    Column(
        "retrieval_captions",
        SMALL,
        "",
        "captions of these images, all of which retrieval searches",
        "Captions of retrieval",
    ),
    Column(
        "binding_accuracy",
        NUMBER,
        "share",
        "share of images that score higher with their caption than with one in which two objects have exchanged their "
        "colours; chance is 1/2; null without a text tower",
        "Binding accuracy",
        "higher",
        "seed",
        ("main", "quality axis", "scaled axis"),
    ),
    Column(
        "relations_accuracy",
        NUMBER,
        "share",
        "share of images that score higher with their caption than with one in which a relation is reversed, which a "
        "tower trained on labels alone cannot know; chance is 1/2; null without a text tower",
        "Relations accuracy",
        "higher",
        "seed",
        ("main", "quality axis", "scaled axis"),
    ),
    Column(
        "captions_cut",
        NUMBER,
        "share",
        "share of the training and test captions that are longer than text_length and lose their last tokens; null "
        "without a text tower",
        "Captions cut",
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
        "mean cross-entropy, or contrastive loss, over the last tenth of the steps",
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
        "accuracy on training batches of the training curve: mean since the step recorded before; with a text tower, "
        "share of images whose own caption scores highest in the batch",
        "Training accuracy over steps",
        varies="seed",
    ),
    Column(
        "curve_eval_step",
        WHOLES,
        "steps",
        "steps after which the test split was evaluated, the last step among them; null without eval_every",
        "Steps of the test curve",
        varies="seed",
    ),
    Column(
        "curve_eval_loss",
        NUMBERS,
        "nats",
        "mean cross-entropy on the test split after each of curve_eval_step",
        "Test loss over steps",
        varies="seed",
    ),
    Column(
        "curve_accuracy_eval",
        NUMBERS,
        "share",
        "top-1 accuracy on the test split after each of curve_eval_step; with a text tower, share of images whose own "
        "caption scores highest in its batch",
        "Test accuracy over steps",
        varies="seed",
    ),
    Column(
        "compute_multiplier",
        NUMBER,
        "ratio",
        "training FLOPs of the dense cell trained alike over those with which the cell reaches the final test loss of "
        "dense; if it never does, the share of dense's FLOPs with which dense reaches the cell's; reports work it out "
        "from curve_eval_loss, result files have null",
        "Compute multiplier",
        "higher",
        "cell",
        ("main", "scaled axis"),
    ),
    Column(
        "time_multiplier",
        NUMBER,
        "ratio",
        "compute_multiplier with measured training time in place of FLOPs",
        "Time multiplier",
        "higher",
        "cell",
        ("main", "scaled axis"),
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
