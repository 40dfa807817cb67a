"""Points of the programs as arrays: occupancies, multipliers, what they earn and lose."""

from dataclasses import dataclass

import numpy as np

from gnr.arrays import Floats
from gnr.rates import Rates


@dataclass(frozen=True)
class Point:
    """The variables of the programs; arrays of shape ``(classes,)``, requests per GPU.

    Attributes
    ----------
    prefill, mixed_decode, solo_decode, prefill_queue, decode_queue
        x, y_m, y_s, q_p and q_d.
    """

    prefill: Floats
    mixed_decode: Floats
    solo_decode: Floats
    prefill_queue: Floats
    decode_queue: Floats

    def decode_work(self, rates: Rates) -> Floats:
        r"""Return :math:`y_{m,i}+\kappa y_{s,i}`, decode in units of mixed slots."""
        return np.asarray(self.mixed_decode + rates.speed_ratio * self.solo_decode)


@dataclass(frozen=True)
class Multipliers:
    """Multipliers with the signs of THEORY 4.4: nonnegative for capacities.

    Attributes
    ----------
    prefill_capacity, mixed_decode_capacity, solo_decode_capacity
        alpha-hat, beta-hat, delta-hat: money/s per unit of capacity per GPU.
    marginal_value, decode_marginal
        phi-hat and eta-hat, money per request; shape ``(classes,)``.
    """

    prefill_capacity: float
    mixed_decode_capacity: float
    solo_decode_capacity: float
    marginal_value: Floats
    decode_marginal: Floats

    def gpu_value(self, rates: Rates) -> float:
        r"""Return :math:`\hat\alpha+B\hat\delta`: what one more GPU earns, money/s.

        The demand stays as it is. Unlike its parts, it is identified at ``sum x = 1`` too.
        """
        return float(self.prefill_capacity + rates.batch_slots * self.solo_decode_capacity)


@dataclass(frozen=True)
class RevenueWeights:
    """Revenue as a linear function of prefill and decode work, money/s.

    Attributes
    ----------
    prefill, decode
        Earned per unit of x_i and of y_m,i + kappa y_s,i; shape ``(classes,)``.
    """

    prefill: Floats
    decode: Floats

    def revenue(self, rates: Rates, point: Point) -> float:
        """Return the revenue rate of a point, money/s per GPU."""
        return float(self.prefill @ point.prefill + self.decode @ point.decode_work(rates))


def bundled_weights(rates: Rates) -> RevenueWeights:
    r"""Return the weights of (P40): 0 and :math:`w_i\mu_{m,i}`."""
    return RevenueWeights(np.zeros(rates.classes), np.asarray(rates.reward * rates.mixed_decode))


def separate_weights(rates: Rates) -> RevenueWeights:
    r"""Return the weights of (P42): :math:`c_pC/\tau` and :math:`c_d/\tau`."""
    ones = np.ones(rates.classes)
    prompt = rates.prompt_price * rates.chunk_tokens / rates.mixed_time
    return RevenueWeights(prompt * ones, rates.output_price / rates.mixed_time * ones)


@dataclass(frozen=True)
class Program:
    """One of the linear programs in numbers.

    Attributes
    ----------
    rates
        Rates of the instance, class arrays of shape ``(classes,)``.
    weights
        Its objective.
    empty_decode_buffer
        Whether it demands that no request waits for a decode slot.
    disaggregated
        Whether it demands that no GPU decodes while it prefills.
    """

    rates: Rates
    weights: RevenueWeights
    empty_decode_buffer: bool
    disaggregated: bool = False

    @property
    def mixing_cost(self) -> float:
        r"""Decode capacity lost per GPU that prefills, in mixed slots.

        :math:`\kappa B-(B-1)`; all of :math:`\kappa B` if such a GPU must not decode.
        """
        if self.disaggregated:
            return float(self.rates.speed_ratio * self.rates.batch_slots)
        return float(self.rates.mixing_cost)

    def revenue(self, point: Point) -> float:
        """Return the revenue rate of a point, money/s per GPU."""
        return self.weights.revenue(self.rates, point)


@dataclass(frozen=True)
class ReducedCosts:
    """Slacks of the dual constraints (eqs. P53-P56), money/s per unit of each variable.

    Attributes
    ----------
    prefill, mixed_decode, solo_decode, prefill_queue, decode_queue
        sigma_x, sigma_m, sigma_s, theta phi-hat and theta eta-hat; nonnegative for a dual
        feasible point; shape ``(classes,)``.
    """

    prefill: Floats
    mixed_decode: Floats
    solo_decode: Floats
    prefill_queue: Floats
    decode_queue: Floats


def reduced_costs(rates: Rates, weights: RevenueWeights, multipliers: Multipliers) -> ReducedCosts:
    """Return the dual slacks of (P40) or (P42) at the given multipliers."""
    price = (
        multipliers.prefill_capacity
        - (rates.batch_slots - 1) * multipliers.mixed_decode_capacity
        + rates.batch_slots * multipliers.solo_decode_capacity
    )
    phi, eta = multipliers.marginal_value, multipliers.decode_marginal
    return ReducedCosts(
        prefill=price + (phi - eta) * rates.prefill - weights.prefill,
        mixed_decode=multipliers.mixed_decode_capacity + eta * rates.mixed_decode - weights.decode,
        solo_decode=multipliers.solo_decode_capacity
        + eta * rates.solo_decode
        - rates.speed_ratio * weights.decode,
        prefill_queue=rates.patience_rate * phi,
        decode_queue=rates.patience_rate * eta,
    )


def lost_revenue(
    rates: Rates, weights: RevenueWeights, multipliers: Multipliers, point: Point
) -> dict[str, float]:
    r"""Return where a feasible point loses revenue against the optimum (eq. D11), money/s.

    The terms add up to :math:`R^\star-R` exactly, for any optimal multipliers and any feasible
    point, and each is nonnegative: idle prefill, mixed and solo slots, waiting before prefill
    and before decode, and work on classes that the optimum shuns.
    """
    used = float(point.prefill.sum())
    idle_mixed = (rates.batch_slots - 1) * used - float(point.mixed_decode.sum())
    idle_solo = rates.batch_slots * (1 - used) - float(point.solo_decode.sum())
    costs = reduced_costs(rates, weights, multipliers)
    return {
        "idle_prefill": multipliers.prefill_capacity * (1 - used),
        "idle_mixed_decode": multipliers.mixed_decode_capacity * idle_mixed,
        "idle_solo_decode": multipliers.solo_decode_capacity * idle_solo,
        "prefill_queue": float(costs.prefill_queue @ point.prefill_queue),
        "decode_queue": float(costs.decode_queue @ point.decode_queue),
        "shunned_work": float(
            costs.prefill @ point.prefill
            + costs.mixed_decode @ point.mixed_decode
            + costs.solo_decode @ point.solo_decode
        ),
    }
