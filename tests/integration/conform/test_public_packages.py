"""What public PyTorch packages implement, by their own code: each verdict was checked by reading it once.

soft-moe-pytorch 0.1.9: RMS norms on tokens and slots in place of unit lengths, the experts get the normed tokens, and
nn.GELU is exact. mixture-of-experts 0.2.3 and st-moe-pytorch 0.1.8: capacity int(C·S/E), at least 4, without k, and a
second choice that is dropped at random unless told otherwise. transformers 5 has no capacity: Mixtral, Qwen3-MoE and
DeepSeek-V3 divide the chosen gates by their sum, so that a single choice weighs 1, and OLMoE does not.
"""

import pytest
from paths import REPOSITORY

from moebench.conform import diagnose, load_adapter

PACKAGES = [
    ("soft_moe_pytorch", "soft_moe_pytorch_layer.py", "soft", {"rms-experts-input", "exact-gelu", "no-epsilon"}),
    (
        "mixture_of_experts",
        "mixture_of_experts_layer.py",
        "gshard",
        {"no-expert-bias", "exact-gelu", "capacity-mesh-tf"},
    ),
    ("st_moe_pytorch", "st_moe_pytorch_router.py", "gshard", {"capacity-mesh-tf", "negligible-choices"}),
    ("transformers", "transformers_routers.py:mixtral", "dropless", {"renormalised-at-1"}),
    ("transformers", "transformers_routers.py:olmoe", "dropless", set()),
    ("transformers", "transformers_routers.py:qwen3_moe", "dropless", {"renormalised-at-1"}),
    ("transformers", "transformers_routers.py:deepseek_v3", "loss-free", {"renormalised-at-1"}),
]


@pytest.mark.parametrize(("package", "adapter", "strategy", "rules"), PACKAGES)
def test_the_rules_of_a_package_are_named(package: str, adapter: str, strategy: str, rules: set[str]) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip(package, reason=f"the package {package} is not installed")
    found = diagnose(load_adapter(str(REPOSITORY / "examples" / "conform" / adapter)), strategy)
    assert {variant.name for variant in found.explained_by} == rules
    assert found.conforms is not bool(rules)
