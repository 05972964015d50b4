"""Results printed in papers, shown beside measured results and always marked as printed.

All tables are from "From Sparse to Soft Mixtures of Experts", arXiv 2308.00951v2: `soft_moe_figure6.csv` from its
Figure 6 (quality over experts), `soft_moe_long_runs.csv` from its Tables 1 and 8 (quality over cost). Quality is the
10-shot accuracy on ImageNet after training on JFT-4B. `soft_moe_lit.csv` is its Table 3: image towers frozen after
training on JFT-4B, beside a ViT-g text tower that was trained on WebLI.
"""

import csv
from importlib import resources

import pandas as pd

SOURCE = "arXiv 2308.00951"
_ROUTERS = {"Experts Choice": "experts-choice", "Soft MoE": "soft", "Tokens Choice": "tokens-choice"}
_UNITS = {"M": 1e6, "B": 1e9}


def results() -> pd.DataFrame:
    """Return the printed results, one row for each trained model.

    Columns: `source`, `label`, `router` by moebench's name, `path` (rows of one line), and, named as in the result
    table and NaN if not printed, `accuracy` (share, ImageNet 10-shot), `experts`, `params`, `flops_forward_per_image`,
    `flops_train_total`, `infer_s_per_image` (seconds on a TPUv3 core).
    """
    return pd.DataFrame([*_over_experts(), *_over_cost()])


PRINTED_TESTS = {
    "zero_shot_seen": "ImageNet",
    "image_to_text_r1": "COCO",
    "text_to_image_r1": "COCO",
}
"""Data set of the printed result that is shown beside each column of two towers."""


def image_text_results() -> pd.DataFrame:
    """Return the printed results of frozen image towers beside a text tower.

    There is one row for each image tower.

    Columns: `source`, `label`, `router` by moebench's name, and, as shares, `zero_shot_seen` (ImageNet),
    `zero_shot_cifar100`, `zero_shot_pet`, `image_to_text_r1` and `text_to_image_r1` (COCO).
    """
    return pd.DataFrame(
        [
            {
                "source": f"{SOURCE}, Table {row['table']}",
                "label": row["model"],
                "router": "dense" if row["model"].startswith("ViT") else "soft",
                "zero_shot_seen": float(row["imagenet_zero_shot"]) / 100,
                "zero_shot_cifar100": float(row["cifar100_zero_shot"]) / 100,
                "zero_shot_pet": float(row["pet_zero_shot"]) / 100,
                "image_to_text_r1": float(row["coco_image_to_text"]) / 100,
                "text_to_image_r1": float(row["coco_text_to_image"]) / 100,
            }
            for row in _rows("soft_moe_lit.csv")
        ]
    )


def _over_experts() -> list[dict[str, object]]:
    return [
        {
            "source": f"{SOURCE}, Figure 6",
            "label": f"{row['routing']}, {row['experts']} experts, {row['slots_or_assignments_per_token']} a token",
            "router": _ROUTERS[row["routing"]],
            "path": f"{row['routing']} {row['slots_or_assignments_per_token']}",
            "accuracy": float(row["in_10shot"]) / 100,
            "experts": float(row["experts"]),
        }
        for row in _rows("soft_moe_figure6.csv")
    ]


def _over_cost() -> list[dict[str, object]]:
    # Table 8 repeats most of Table 1; each model counts once for each number of steps, with the values of Table 8.
    rows = {(row["model"], row["steps"]): row for row in _rows("soft_moe_long_runs.csv") if row["in_10shot"]}
    return [
        {
            "source": f"{SOURCE}, Table {row['table']}",
            "label": f"{row['model']}, {float(row['steps']) / 1e6:g} M steps",
            "router": "dense" if row["model"].startswith("ViT") else "soft",
            "accuracy": float(row["in_10shot"]) / 100,
            "params": float(row["params"][:-1]) * _UNITS[row["params"][-1]],
            "flops_forward_per_image": 1e9 * float(row["eval_gflop_per_image"]),
            "flops_train_total": 2e18 * float(row["train_exaflop"]),  # a multiply-add is printed as 1 FLOP
            "infer_s_per_image": 1e-3 * float(row["eval_ms_per_image"]),
        }
        for row in rows.values()
    ]


def _rows(name: str) -> list[dict[str, str]]:
    text = (resources.files("moebench.papers") / "tables" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
