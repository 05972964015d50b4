"""What other people's code may rely on: the names of each room."""

import importlib

import pytest

PUBLIC = {
    "moebench": {"__version__", "load", "load_routing", "plot", "routers"},
    "moebench.data": {
        "DECODED_AS", "READABLE", "Dataset", "Format", "Pixels", "Prefetcher", "Source", "Split", "Task", "batches",
        "describe", "digits",
        "batch_thunks", "find", "hold_out_validation", "load", "names", "register", "with_channels",
    },
    "moebench.models": {
        "SIZES", "Block", "Experts", "Mlp", "MoE", "Preset", "RoutedBlock", "Size", "Vit", "VitConfig", "describe",
        "make_block", "mlp_or_experts", "moe_blocks", "names", "preset", "through", "TextConfig", "TextTower",
        "TwoTowers", "TwoTowersConfig", "text_preset",
    },
    "moebench.plot": {
        "test_time", "forest", "costs", "multiplier", "curves", "dots", "health", "pareto", "scaling", "scorecard",
        "speed", "contrastive",
    },
    "moebench.training": {
        "EvalPoint", "EvalReport", "LayerProgram", "Program", "Progress", "Schedule", "TrainState", "Training",
        "WideProgram", "calls_by_image", "compile_unoptimized", "compiled", "cross_entropy", "join_processes",
        "loss_spikes", "mesh", "processed_by_token", "train", "TwoTowersProgram", "WideTwoTowersProgram",
        "image_arrays", "with_image_arrays", "program_on_one_device",
    },
}  # fmt: skip


@pytest.mark.parametrize("module", PUBLIC)
def test_names(module: str) -> None:
    room = importlib.import_module(module)
    assert set(room.__all__) == PUBLIC[module]
    assert all(hasattr(room, name) for name in room.__all__)
