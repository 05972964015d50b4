"""Compare any framework's layer with a paper's layer, and name variants that explain differences."""

from moebench.conform.adapter import Adapter, load_adapter
from moebench.conform.diagnose import Diagnosis, diagnose
from moebench.conform.reference import Layer, reference
from moebench.conform.variants import STRATEGIES, VARIANTS, Variant

__all__ = [
    "STRATEGIES",
    "VARIANTS",
    "Adapter",
    "Diagnosis",
    "Layer",
    "Variant",
    "diagnose",
    "load_adapter",
    "reference",
]
