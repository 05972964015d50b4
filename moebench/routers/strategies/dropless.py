"""Route without a capacity (2211.15841), so that no token is dropped."""

from typing_extensions import override

from moebench.routers.registry import register
from moebench.routers.strategies.switch import Switch


@register("dropless")
class Dropless(Switch):
    """Dropless MoE: Switch routing without a capacity, on grouped matrix products over ragged groups (2211.15841).

    y = Σ gate_e · MLP_e(x) over the top k of the gates, gates = softmax(x·kernel). Each token is processed by all its
    top k experts, and an expert computes as many rows as tokens chose it. With
    dispatch "gather" every expert has a slot for every token of the group and computes the empty slots too; on CPUs,
    whose ragged product computes every row for every expert, gather is faster for top_k above 1.
    """

    permutation_equivariant = True

    capacity_factor = None
    eval_capacity_factor = None
    dispatch = "ragged"

    @override
    def check(self) -> None:
        super().check()
        for option in ("capacity_factor", "eval_capacity_factor"):
            self.require(getattr(self, option) is None, option, "must stay None, since nothing may be dropped")
