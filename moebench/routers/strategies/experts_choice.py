"""Route by Experts Choice (2202.09368): every expert chooses its best tokens."""

from jaxtyping import Array, Float, PRNGKeyArray
from typing_extensions import override

from moebench.errors import BadInput
from moebench.routers.cpu_kernels import top_k
from moebench.routers.registry import register
from moebench.routers.routing import Routing
from moebench.routers.sparse import SparseRouter, softmax
from moebench.routers.strategies.tokens_choice import with_noise


@register("experts-choice")
class ExpertsChoice(SparseRouter):
    """Experts Choice: each expert fills its slots with the tokens of its largest gates (2202.09368).

    gates = softmax over the experts of x·kernel + noise, noise ~ N(0, (noise_std/E)²) in training only, as in the
    public configurations of 2308.00951; each expert takes its top round(S·k·C/E) tokens, with k = `top_k` the experts
    of a token on average; the combine weight is the gate. A token may be taken by several experts or by none. Equal
    gates: the earlier token. There is no auxiliary loss.
    """

    permutation_equivariant = True
    training_only_options = ("noise_std",)

    noise_std: float = 1.0
    """Standard deviation of the noise on the logits in training, times the number of experts; 0 for none."""

    @override
    def check(self) -> None:
        super().check()
        self.require(self.noise_std >= 0, "noise_std", "must be 0 or above")

    @override
    def most_choices(self, training: bool) -> int:
        return 0

    @override
    def slots(self, group_tokens: int, training: bool) -> int:
        slots = super().slots(group_tokens, training)
        if slots > group_tokens:
            option = "capacity_factor" if training or self.eval_capacity_factor is None else "eval_capacity_factor"
            raise BadInput(
                f"router '{self.name}': {slots} slots for each expert are more than the {group_tokens} tokens of a "
                f"group; lower {option}={getattr(self, option)} or top_k={self.choices(training)}.",
                key=option,
            )
        return slots

    @override
    def __call__(
        self,
        tokens: Float[Array, "group token dim"],
        *,
        noise_key: PRNGKeyArray | None = None,
    ) -> Routing:
        training = noise_key is not None
        slots = self.slots(tokens.shape[1], training)
        logits = self.logits(tokens)
        gates = softmax(logits)
        noisy = gates if noise_key is None else softmax(with_noise(logits, self.noise_std, noise_key))
        token = top_k(noisy.swapaxes(1, 2), slots)[1]
        return self.routing_from_slots(
            gates, token, weights=noisy, requested_load=gates.sum((0, 1)), choices=self.most_choices(training)
        )
