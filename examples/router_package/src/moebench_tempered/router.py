"""Tokens Choice by gates of a chosen temperature."""

import jax
import jax.numpy as jnp

from moebench import routers


@routers.register("packaged-tempered-choice")
class PackagedTemperedChoice(routers.SparseRouter):
    """Tokens Choice by softmax(x·kernel / temperature); the surest tokens take slots first."""

    temperature: float = 1.0
    """What the logits are divided by."""

    def check(self):
        super().check()
        self.require(self.temperature > 0, "temperature", "must be above 0")

    def __call__(self, tokens, *, noise_key=None):
        training = noise_key is not None
        gates = jax.nn.softmax(self.logits(tokens) / self.temperature)
        weight, expert = jax.lax.top_k(gates, self.choices(training))
        order = jnp.argsort(-weight[..., 0], axis=-1)
        return self.route_choices(gates, expert, order, weights=gates, slots=self.slots(tokens.shape[1], training))
