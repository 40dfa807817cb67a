"""Service rates and rewards of the model (THEORY 1 and 2.8).

Every formula is a plain function of its symbols, so that the same line serves floats, arrays
and SymPy expressions. `Rates` gathers the values of one instance, or of a whole batch of
instances at once: class arrays then have shape ``(..., classes)`` and GPU figures are scalars
or have shape ``(..., 1)``.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

from gnr.instance import Instance

ROUNDING = 1e-12
"""Relative difference below which kappa counts as equal to (B-1)/B."""

Quantity: TypeAlias = Any
"""A float, an array of floats, or a SymPy expression."""


def mixed_iteration_time(base: Quantity, per_chunk_token: Quantity, chunk: Quantity) -> Quantity:
    r"""Return the mixed iteration time :math:`\tau=\alpha+\beta C` in s (eq. P3)."""
    return base + per_chunk_token * chunk


def prefill_rate(chunk: Quantity, prompt: Quantity, mixed_time: Quantity) -> Quantity:
    r"""Return :math:`\mu_{p,i}=C/(P_i\tau)` in 1/s (eq. P4)."""
    return chunk / (prompt * mixed_time)


def mixed_decode_rate(output: Quantity, mixed_time: Quantity) -> Quantity:
    r"""Return :math:`\mu_{m,i}=1/(D_i\tau)` in 1/s (eq. P4)."""
    return 1 / (output * mixed_time)


def solo_decode_rate(output: Quantity, solo_time: Quantity) -> Quantity:
    r"""Return :math:`\mu_{s,i}=\gamma/D_i` in 1/s, :math:`\gamma=1/\tau_{solo}` (eq. P4)."""
    return 1 / (output * solo_time)


def speed_ratio(mixed_time: Quantity, solo_time: Quantity) -> Quantity:
    r"""Return :math:`\kappa=\gamma\tau=\mu_{s,i}/\mu_{m,i}`, the same for all classes (eq. U1)."""
    return mixed_time / solo_time


def decode_work(chunk: Quantity, prompt: Quantity, output: Quantity) -> Quantity:
    r"""Return :math:`C\phi_i=CD_i/P_i=\mu_{p,i}/\mu_{m,i}` (eq. U1).

    Mixed decode slots kept busy by one busy prefill slot; dimensionless.
    """
    return chunk * output / prompt


def bundled_reward(
    prompt_price: Quantity, output_price: Quantity, prompt: Quantity, output: Quantity
) -> Quantity:
    r"""Return :math:`w_i=c_pP_i+c_dD_i`, money per finished request (eq. P21)."""
    return prompt_price * prompt + output_price * output


@dataclass(frozen=True)
class Rates:
    """All rates of an instance, or of a batch of instances.

    Class arrays have shape ``(..., classes)``; GPU figures are scalars or ``(..., 1)``.

    Attributes
    ----------
    batch_slots, chunk_tokens
        B (slots) and C (tokens per iteration).
    mixed_time, solo_time
        tau and 1/gamma, s.
    speed_ratio
        kappa = gamma tau.
    prompt_price, output_price
        c_p and c_d, money/token.
    prompt_tokens, output_tokens
        P_i and D_i, tokens.
    arrival_rate
        lambda_i, requests/s per GPU.
    patience_rate
        theta_i, 1/s.
    prefill, mixed_decode, solo_decode
        mu_p,i, mu_m,i and mu_s,i, 1/s.
    decode_work
        C phi_i, mixed decode slots per prefill slot.
    reward
        w_i, money per finished request.
    """

    batch_slots: Quantity
    chunk_tokens: Quantity
    mixed_time: Quantity
    solo_time: Quantity
    speed_ratio: Quantity
    prompt_price: Quantity
    output_price: Quantity
    prompt_tokens: Quantity
    output_tokens: Quantity
    arrival_rate: Quantity
    patience_rate: Quantity
    prefill: Quantity
    mixed_decode: Quantity
    solo_decode: Quantity
    decode_work: Quantity
    reward: Quantity

    @property
    def classes(self) -> int:
        """Number of request classes, I."""
        return int(self.prefill.shape[-1])

    @property
    def full_prefill(self) -> Quantity:
        r"""Largest prefill occupancy, :math:`\lambda_i/\mu_{p,i}`, per GPU; shape of a class."""
        return self.arrival_rate / self.prefill

    @property
    def prefill_load(self) -> Quantity:
        r"""GPUs that must prefill to serve all, :math:`\sum_i\lambda_i/\mu_{p,i}`, per GPU."""
        return self.full_prefill.sum(axis=-1)

    @property
    def decode_load(self) -> Quantity:
        """Decode row of the knapsack (eq. D4) with everybody served, over its right-hand side."""
        needed = (self.decode_work + self.mixing_cost) * self.full_prefill
        return needed.sum(axis=-1) / (self.speed_ratio * self.batch_slots)

    @property
    def mixing_cost(self) -> Quantity:
        r"""Decode capacity lost per mixed GPU, :math:`\kappa B-(B-1)` mixed slots.

        Nonnegative exactly if the hypothesis of Proposition 3.2 holds; a difference within
        rounding is 0.
        """
        solo = self.speed_ratio * self.batch_slots
        cost = solo - (self.batch_slots - 1)
        return cost * (abs(cost) > ROUNDING * solo)


def compute_rates(
    *,
    batch_slots: Quantity,
    chunk_tokens: Quantity,
    base: Quantity,
    per_chunk_token: Quantity,
    decode_only: Quantity,
    prompt_price: Quantity,
    output_price: Quantity,
    prompt_tokens: Quantity,
    output_tokens: Quantity,
    arrival_rate: Quantity,
    patience_rate: Quantity,
) -> Rates:
    """Return the rates that belong to the parameters of an instance file (eqs. P3, P4, P21).

    Parameters have the units of the file. Class parameters are arrays of shape
    ``(..., classes)``; for a batch of instances, GPU parameters and prices that vary have
    shape ``(..., 1)``.
    """
    mixed_time = mixed_iteration_time(base, per_chunk_token, chunk_tokens)
    return Rates(
        batch_slots=batch_slots,
        chunk_tokens=chunk_tokens,
        mixed_time=mixed_time,
        solo_time=decode_only,
        speed_ratio=speed_ratio(mixed_time, decode_only),
        prompt_price=prompt_price,
        output_price=output_price,
        prompt_tokens=prompt_tokens,
        output_tokens=output_tokens,
        arrival_rate=arrival_rate,
        patience_rate=patience_rate,
        prefill=prefill_rate(chunk_tokens, prompt_tokens, mixed_time),
        mixed_decode=mixed_decode_rate(output_tokens, mixed_time),
        solo_decode=solo_decode_rate(output_tokens, decode_only),
        decode_work=decode_work(chunk_tokens, prompt_tokens, output_tokens),
        reward=bundled_reward(prompt_price, output_price, prompt_tokens, output_tokens),
    )


def rates_of(instance: Instance) -> Rates:
    """Return the rates of one instance; class arrays have shape ``(classes,)``."""
    return compute_rates(**parameters_of(instance))


def parameters_of(instance: Instance) -> dict[str, Quantity]:
    """Return the arguments of `compute_rates`; class arrays have shape ``(classes,)``."""
    import numpy as np

    def column(field: str) -> Any:
        return np.array([float(getattr(each, field)) for each in instance.classes])

    time = instance.gpu.iteration_time
    return {
        "batch_slots": float(instance.gpu.batch_slots),
        "chunk_tokens": float(instance.gpu.chunk_tokens),
        "base": float(time.base),
        "per_chunk_token": float(time.per_chunk_token),
        "decode_only": float(time.decode_only),
        "prompt_price": float(instance.prices.prompt_token),
        "output_price": float(instance.prices.output_token),
        "prompt_tokens": column("prompt_tokens"),
        "output_tokens": column("output_tokens"),
        "arrival_rate": column("arrival_rate"),
        "patience_rate": column("patience_rate"),
    }
