"""Analyse recordings: each analysis takes the frame of `moebench.load_routing` and returns a frame.

Frames may contain several cells, seeds, steps and layers; every analysis treats each of them separately, and its result
names them in the columns `KEYS`. No analysis loops over tokens.
"""

from moebench.inside.analyses.calls import calls_by_image
from moebench.inside.analyses.capacity import choice_slots, dropped_over_capacity, slots_needed
from moebench.inside.analyses.coactivation import coactivation
from moebench.inside.analyses.confidence import confidence_and_accuracy, gate_distribution
from moebench.inside.analyses.counts import class_counts, position_counts
from moebench.inside.analyses.dynamics import dynamics
from moebench.inside.analyses.experts import expert_similarity, swap_losses
from moebench.inside.analyses.information import OF, expert_information
from moebench.inside.analyses.keys import KEYS
from moebench.inside.analyses.maps import expert_map
from moebench.inside.analyses.slots import cumulative_weights, slot_weights, token_mass, tokens_for_share

__all__ = [
    "KEYS",
    "OF",
    "calls_by_image",
    "choice_slots",
    "class_counts",
    "coactivation",
    "confidence_and_accuracy",
    "cumulative_weights",
    "dropped_over_capacity",
    "dynamics",
    "expert_information",
    "expert_map",
    "expert_similarity",
    "gate_distribution",
    "position_counts",
    "slot_weights",
    "slots_needed",
    "swap_losses",
    "token_mass",
    "tokens_for_share",
]
