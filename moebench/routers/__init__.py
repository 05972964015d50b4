"""Routing strategies: tokens in, a Routing out."""

from moebench.routers.ablations import Identity, SoftUniform, Uniform, UniformSoft
from moebench.routers.assigned import Base, Sinkhorn
from moebench.routers.dense import Dense
from moebench.routers.dropless import Dropless
from moebench.routers.experts_choice import ExpertsChoice
from moebench.routers.explaining import explanations
from moebench.routers.hashed import Hash
from moebench.routers.health import RoutingCounts
from moebench.routers.loss_free import LossFree, Quantile
from moebench.routers.mixture_of_depths import MixtureOfDepths
from moebench.routers.plugins import load_plugin
from moebench.routers.registry import (
    broken_packages,
    check_options,
    create,
    find,
    names,
    options,
    register,
    summary,
)
from moebench.routers.relu import Relu
from moebench.routers.router import Router, RouterState, RoutingFlops
from moebench.routers.routing import ExpertMlps, Routing, SoftRouting
from moebench.routers.slot_routing import SlotRouting
from moebench.routers.smear import Smear
from moebench.routers.soft import Soft
from moebench.routers.sparse import SparseRouter
from moebench.routers.switch import GShard, Switch
from moebench.routers.threshold import ExpertRace, Threshold
from moebench.routers.tokens_choice import BatchPrioritized, TokensChoice
from moebench.routers.trial import slots_per_expert
from moebench.routers.zero_experts import ZeroExperts

__all__ = [
    "Base",
    "BatchPrioritized",
    "Dense",
    "Dropless",
    "ExpertMlps",
    "ExpertRace",
    "ExpertsChoice",
    "GShard",
    "Hash",
    "Identity",
    "LossFree",
    "MixtureOfDepths",
    "Quantile",
    "Relu",
    "Router",
    "RouterState",
    "Routing",
    "RoutingCounts",
    "RoutingFlops",
    "Sinkhorn",
    "SlotRouting",
    "Smear",
    "Soft",
    "SoftRouting",
    "SoftUniform",
    "SparseRouter",
    "Switch",
    "Threshold",
    "TokensChoice",
    "Uniform",
    "UniformSoft",
    "ZeroExperts",
    "broken_packages",
    "check_options",
    "create",
    "explanations",
    "find",
    "load_plugin",
    "names",
    "options",
    "register",
    "slots_per_expert",
    "summary",
]
