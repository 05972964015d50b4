"""What public PyTorch packages implement, by their own code: each verdict was checked by reading it once.

soft-moe-pytorch 0.1.9: RMS norms on tokens and slots in place of unit lengths, the experts get the normed tokens, and
nn.GELU is exact. mixture-of-experts 0.2.3 and st-moe-pytorch 0.1.8: capacity int(C·S/E), at least 4, without k, and a
second choice that is dropped at random unless told otherwise. transformers 5 has no capacity: Mixtral, Qwen3-MoE and
DeepSeek-V3 divide the chosen gates by their sum, so that a single choice weighs 1, and OLMoE does not.
"""

from typing import Any

import pytest
import yaml
from paths import REPOSITORY

from moebench.conform import diagnose, load_adapter

FOLDER = REPOSITORY / "examples" / "conform"
PACKAGES = yaml.safe_load((FOLDER / "packages.yaml").read_text("utf-8"))


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package["adapter"])
def test_the_rules_of_a_package_are_named(package: dict[str, Any]) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    pytest.importorskip(package["import"], reason=f"the package {package['package']} is not installed")
    found = diagnose(load_adapter(str(FOLDER / package["adapter"])), package["router"])
    assert {variant.name for variant in found.explained_by} == set(package["differs_by"])
    assert found.conforms is not bool(package["differs_by"])
