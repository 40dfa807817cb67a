r"""Above the threshold every optimum of (P40) has empty decode queues (THEORY 4.3)."""

from typing import Any

import sympy as sp

from gnr.proofs.kit.algorithm_0 import Reduction, capacity_margin, reduction
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of
from gnr.proofs.kit.exact import equal, nonnegative, over_classes, product
from gnr.proofs.kit.steady_state import Program, program
from gnr.proofs.kit.symbols import BATCH, MIXED_TIME, SOLO_TIME, STATE, State
from gnr.proofs.kit.totals import Total
from gnr.proofs.proposition_3_2_instances import no_optimum_has_a_queue

RETURNED = sp.Symbol("t", positive=True)
"""Fraction of every gap that goes back to prefill."""

SHARE = sp.Symbol("v", nonnegative=True)
"""Solo slots over all slots, in mixed decodes; kappa v of all decodes run on solo GPUs."""


class Improvement:
    r"""A better point, made from a feasible one by Algorithm 0 and a step back.

    Every class gets the fraction t of its gap back, and the same share of both decode pools.
    With h the margin of the hypothesis, S the sum of the gaps and W the decode work in them,
    :math:`t=hS/(hS+W)`, ``freed`` over ``whole``, leaves as much room for decodes as there was.

    Parameters
    ----------
    counted
        How often the decode work of the gaps is counted in ``whole``.
    """

    def __init__(self, counted: int = 1) -> None:
        self.made: Reduction = reduction()
        rates, slack = self.made.model.rates, self.made.slack
        self.margin = capacity_margin(self.made.model)
        self.per_slack = 1 / rates.prefill
        self.work_per_slack = 1 / rates.mixed_decode
        self.freed = self.margin * Total(self.made.gap)
        self.whole = self.freed + counted * Total(self.work_per_slack * slack)
        self.prefill = self.made.prefill + RETURNED * self.made.gap
        self.mixed_slots = (BATCH - 1) * Total(self.prefill)
        self.solo_slots = BATCH * (1 - Total(self.prefill))
        self.slots = self.mixed_slots + rates.speed_ratio * self.solo_slots
        self.needed = rates.prefill / rates.mixed_decode * self.prefill
        self.room = self.slots - Total(self.needed)

    @property
    def mixed_share(self) -> Any:
        """Part of the decodes of every class that run on mixed GPUs."""
        return 1 - self.made.model.rates.speed_ratio * SHARE

    @property
    def state(self) -> State:
        """The better point."""
        patience = self.made.model.rates.patience_rate
        return State(
            prefill_queue=STATE.prefill_queue + (1 - RETURNED) * self.made.slack / patience,
            prefill=self.prefill,
            decode_buffer=sp.Integer(0),
            mixed_decode=self.mixed_share * self.needed,
            solo_decode=SHARE * self.needed,
        )

    @property
    def after(self) -> Program:
        """The program at the better point."""
        return program(self.made.model, self.state)


def a_queue_can_be_improved_on(counted: int = 1) -> Finding:
    """Certify that the better point is feasible, whatever its parts, and earns more.

    Reward, patience and margin are positive; so t, 1-t, the slots and the gain are, as soon as
    one class has a decode queue.
    """
    found = Improvement(counted)
    return all_of(_room_is_kept(found), _is_feasible(found), _earns_more(found))


def _room_is_kept(found: Improvement) -> Finding:
    """Compare the room of both pools, in mixed decodes, before and after."""
    rows, ratio = found.made.before, found.made.model.rates.speed_ratio
    return nonnegative(
        found.room - (found.freed - RETURNED * found.whole),
        [product(rows.mixed_room), product(ratio, rows.solo_room)],
        list(rows.rooms),
        "decode room = old one + h S - t (h S + W), which is the old one for t = h S / (h S + W)",
    )


def _is_feasible(found: Improvement) -> Finding:
    """Certify every row of the better point for 0 < t ≤ 1, given the decode room.

    `misfit` is 0 by the choice of v.
    """
    made, after, rates = found.made, found.after, found.made.model.rates
    kept, misfit = 1 - RETURNED, SHARE * found.slots - found.solo_slots
    given = [kept, made.slack, found.room, *made.before.rooms]
    return all_of(
        nonnegative(
            after.prefill_room,
            [product(made.before.prefill_room), over_classes(kept, made.slack, found.per_slack)],
            given,
            "1 - sum of x_i = old room + (1-t) S",
        ),
        nonnegative(
            found.prefill,
            [
                product(rates.mixed_decode, STATE.mixed_decode, found.per_slack),
                product(rates.solo_decode, STATE.solo_decode, found.per_slack),
                product(RETURNED, made.slack, found.per_slack),
            ],
            given,
            "x_i ≥ 0; decodes take the shares of their pools, which are ≥ 0",
        ),
        nonnegative(
            found.state.prefill_queue,
            [
                product(STATE.prefill_queue),
                product(kept, made.slack, 1 / rates.patience_rate),
            ],
            given,
            "q_p,i ≥ 0",
        ),
        equal(
            after.mixed_room,
            found.mixed_share * found.room + rates.speed_ratio * misfit,
            "mixed room = (1 - kappa v) times the decode room ≥ 0, with v = solo slots / slots",
        ),
        equal(
            after.solo_room,
            SHARE * found.room - misfit,
            "solo room = v times the decode room ≥ 0",
        ),
        equal(
            found.mixed_share * found.slots,
            found.mixed_slots - rates.speed_ratio * misfit,
            "1 - kappa v = mixed slots / slots ≥ 0",
        ),
        equal(after.prefill_balance, made.before.prefill_balance, "prefill balance kept"),
        equal(after.decode_balance, 0, "decode balance with q_d,i = 0"),
    )


def _earns_more(found: Improvement) -> Finding:
    """Write t, 1-t, the slots and the gain with totals of positive multiples of the slacks."""
    made, rates = found.made, found.made.model.rates
    solo = BATCH * found.made.model.rates.speed_ratio
    gain = program(made.model, found.state).bundled - made.before.bundled
    return all_of(
        equal(
            found.freed,
            found.margin * _positive_total(found.per_slack, made.slack),
            "t (h S + W) = h S > 0",
        ),
        equal(
            found.whole - found.freed,
            _positive_total(found.work_per_slack, made.slack),
            "(1-t) (h S + W) = W > 0",
        ),
        equal(
            found.slots,
            found.mixed_slots
            + solo * made.before.prefill_room
            + solo * (1 - RETURNED) * _positive_total(found.per_slack, made.slack),
            "slots, in mixed decodes ≥ kappa B (1-t) S > 0",
        ),
        equal(
            gain,
            RETURNED * Total(rates.reward * made.slack),
            "gain = t sum of w_i (slack of (P50)) = t sum of w_i theta_i q_d,i > 0",
        ),
        equal(
            made.slack - made.before.decode_balance,
            rates.patience_rate * STATE.decode_buffer,
            "slack of (P50) = theta_i q_d,i at a feasible point",
        ),
    )


def _positive_total(coefficient: Any, slack: Any) -> Any:
    """Return the total of multiples of the slacks, which is positive as soon as one slack is."""
    if not coefficient.is_positive:
        raise ValueError(f"the sign of {coefficient} is not known")
    return Total(coefficient * slack)


STRICT = sp.Gt(MIXED_TIME / SOLO_TIME * BATCH, BATCH - 1)
IMPATIENT = sp.Gt(sp.Symbol("theta_i", real=True), 0)
REWARDED = sp.Gt(sp.Symbol("w_i", real=True), 0)

CLAIMS = (
    Claim(
        id="P3.2-sharp",
        statement="Where full solo GPUs decode strictly faster than full mixed ones, and all "
        "requests are paid for and impatient, no optimum of (P40) keeps anybody waiting for "
        "decode: any feasible point that does can be improved on.",
        latex=r"\kappa>\frac{B-1}B,\ w_i,\theta_i>0\implies q_{d,i}^\star=0"
        r"\text{ at every optimum};\quad R'-R=\frac{hS}{hS+W}\sum_iw_i\theta_iq_{d,i},"
        r"\ h=\kappa B-(B-1),\ S=\sum_i\frac{\theta_iq_{d,i}}{\mu_{p,i}},"
        r"\ W=\sum_i\frac{\theta_iq_{d,i}}{\mu_{m,i}}",
        source="THEORY 4.3, after Proposition 3.2; derived",
        assumptions=(STRICT, IMPATIENT, REWARDED),
        check=a_queue_can_be_improved_on,
        mutants=(
            Mutant(
                "t = 1: the decode work of the gaps is forgotten",
                lambda: a_queue_can_be_improved_on(counted=0),
            ),
            Mutant("kappa B = B-1 is enough", lambda: no_optimum_has_a_queue(solo_time=2)),
        ),
    ),
)
