"""Routing strategies: tokens in, a Routing out."""

from moebench.routers.ablations import Identity, SoftUniform, Uniform, UniformSoft
from moebench.routers.dense import Dense
from moebench.routers.experts_choice import ExpertsChoice
from moebench.routers.health import RoutingCounts
from moebench.routers.plugins import load_plugin
from moebench.routers.registry import broken_packages, check_options, create, find, names, options, register, summary
from moebench.routers.router import Router, RouterState, RoutingFlops
from moebench.routers.routing import ExpertMlps, Routing, SoftRouting
from moebench.routers.slot_routing import SlotRouting
from moebench.routers.soft import Soft
from moebench.routers.sparse import SparseRouter
from moebench.routers.tokens_choice import BatchPrioritized, TokensChoice
from moebench.routers.trial import slots_per_expert

__all__ = [
    "BatchPrioritized",
    "Dense",
    "ExpertMlps",
    "ExpertsChoice",
    "Identity",
    "Router",
    "RouterState",
    "Routing",
    "RoutingCounts",
    "RoutingFlops",
    "SlotRouting",
    "Soft",
    "SoftRouting",
    "SoftUniform",
    "SparseRouter",
    "TokensChoice",
    "Uniform",
    "UniformSoft",
    "broken_packages",
    "check_options",
    "create",
    "find",
    "load_plugin",
    "names",
    "options",
    "register",
    "slots_per_expert",
    "summary",
]
