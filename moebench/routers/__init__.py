"""Public names of the routing strategies, each of which maps tokens to a Routing."""

from moebench.routers.contract import slots_of, slots_per_expert
from moebench.routers.hard_routing import SlotRouting
from moebench.routers.metrics import RoutingCounts
from moebench.routers.option_docs import explanations
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
from moebench.routers.router import NO_EXPERT, Router, RouterState, RoutingFlops
from moebench.routers.routing import ExpertMlps, Routing, SoftRouting
from moebench.routers.sparse import SparseRouter
from moebench.routers.strategies.ablations import Identity, SoftUniform, Uniform, UniformSoft
from moebench.routers.strategies.balanced_assignment import BaseLayer, Sinkhorn
from moebench.routers.strategies.dense import Dense
from moebench.routers.strategies.dropless import Dropless
from moebench.routers.strategies.experts_choice import ExpertsChoice
from moebench.routers.strategies.hash_layer import Hash
from moebench.routers.strategies.loss_free import LossFree, Quantile
from moebench.routers.strategies.mixture_of_depths import MixtureOfDepths
from moebench.routers.strategies.oracle import Oracle
from moebench.routers.strategies.relu import Relu
from moebench.routers.strategies.smear import Smear
from moebench.routers.strategies.soft import Soft
from moebench.routers.strategies.switch import GShard, Switch
from moebench.routers.strategies.threshold import ExpertRace, Threshold
from moebench.routers.strategies.tokens_choice import BatchPrioritized, Random, TokensChoice
from moebench.routers.strategies.zero_experts import ZeroExperts

__all__ = [
    "NO_EXPERT",
    "BaseLayer",
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
    "Oracle",
    "Quantile",
    "Random",
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
    "slots_of",
    "slots_per_expert",
    "summary",
]
