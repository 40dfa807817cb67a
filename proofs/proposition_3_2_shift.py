r"""Ledger 8.3, second part: decodes are moved from mixed to solo GPUs, and Proposition 3.2."""

from typing import Any

import sympy as sp

from gnr.proofs.kit.algorithm_0 import (
    Reduction,
    Witness,
    capacity_margin,
    one_class,
    reduction,
)
from gnr.proofs.kit.claim import Claim, Finding, Mutant, all_of
from gnr.proofs.kit.exact import Term, equal, nonnegative, over_classes, product
from gnr.proofs.kit.symbols import BATCH, MIXED_TIME, SOLO_TIME, STATE, State
from gnr.proofs.kit.totals import Total

SHIFT = sp.Symbol("dy_m_i", real=True)
"""Any change of the mixed decodes of class i."""

KAPPA = MIXED_TIME / SOLO_TIME
SLOWDOWN = 1 / KAPPA


def shift_keeps_the_decode_rate(exchange: Any = SLOWDOWN) -> Finding:
    """Solve (P58) for the solo change; it is nonnegative as the mixed one is not positive."""
    solo = reduction().solo_shift(SHIFT)
    return all_of(
        equal(solo, -exchange * SHIFT, "dy_s,i = -dy_m,i / kappa keeps the decode rate of class i"),
        nonnegative(solo, [product(SLOWDOWN, -SHIFT)], [-SHIFT], "dy_s,i ≥ 0"),
    )


def proportional_shift_fits(times: int = 1) -> Finding:
    """Certify that the overflow is no more than there is, and that every class keeps a share."""
    made = reduction()
    shrunk, held = Total(made.prefill), Total(STATE.mixed_decode)
    left = held * (STATE.mixed_decode + times * made.mixed_shift)
    return all_of(
        nonnegative(
            held - made.overflow,
            [product(BATCH - 1, shrunk)],
            [shrunk],
            "sum of y_m,i - Delta = (B-1) sum of x_i - Delta_i ≥ 0",
        ),
        nonnegative(
            left,
            [product(STATE.mixed_decode, BATCH - 1, shrunk)],
            [shrunk],
            "(y_m,i + dy_m,i) times the sum of y_m,j ≥ Delta > 0 is ≥ 0",
        ),
        equal(Total(times * made.mixed_shift), -made.overflow, "the shares add up to Delta"),
    )


def solo_decodes_grow_by(overflow_share: Any = SLOWDOWN) -> Finding:
    """Add up the solo changes, for any split of the overflow and for the proportional one."""
    made = reduction()
    return all_of(
        equal(
            Total(made.solo_shift(SHIFT)),
            -overflow_share * Total(SHIFT),
            "sum of dy_s,i = -(1/kappa) sum of dy_m,i for any split",
        ),
        equal(
            Total(made.solo_shift(made.mixed_shift)),
            overflow_share * made.overflow,
            "sum of dy_s,i = Delta / kappa for the proportional split",
        ),
    )


def mixed_slots_are_just_filled(moved: Any = 1) -> Finding:
    """Put the shifted point into the mixed row: nothing is left over."""
    made = reduction()
    after = made.after(moved * made.mixed_shift, made.solo_shift(moved * made.mixed_shift))
    return equal(after.mixed_room, 0, "(B-1) sum of x_i - Delta_i less the shifted mixed decodes")


def overflow_is_bounded(slots: Any = BATCH - 1) -> Finding:
    """Split the overflow into the old mixed row and what the shrinking took from it."""
    made = reduction()
    freed = slots * Total(made.gap)
    return all_of(
        equal(
            made.overflow,
            -made.before.mixed_room + freed,
            "Delta = (B-1) sum of Delta_i less the old mixed room",
        ),
        nonnegative(
            freed - made.overflow,
            [product(made.before.mixed_room)],
            [made.before.mixed_room],
            "(B-1) sum of Delta_i - Delta is the old mixed room",
        ),
    )


def hypothesis_makes_room(weaker: int = 0, witness: Witness | None = None) -> Finding:
    """Certify that what moves to solo GPUs needs no more slots than the shrinking freed there."""
    made = reduction()
    hypothesis = capacity_margin(made.model) + weaker
    return nonnegative(
        BATCH * Total(made.gap) - SLOWDOWN * made.overflow,
        gain_in_room(made, hypothesis),
        [hypothesis, made.slack, made.before.mixed_room],
        "B sum of Delta_i - Delta/kappa = (1/kappa) ((kappa B - (B-1)) sum of Delta_i + old room)",
        witness,
    )


def gain_in_room(made: Reduction, hypothesis: Any) -> list[Term]:
    """Return the certificate of (P60): what the hypothesis and the old mixed room leave over."""
    per_slack = 1 / made.model.rates.prefill
    return [
        over_classes(SLOWDOWN, hypothesis, made.slack, per_slack),
        product(SLOWDOWN, made.before.mixed_room),
    ]


def solo_capacity_holds(weaker: int = 0, witness: Witness | None = None) -> Finding:
    """Put the shifted point into the solo row and certify it from the rows of the old point."""
    made = reduction()
    hypothesis = capacity_margin(made.model) + weaker
    after = made.after(made.mixed_shift, made.solo_shift(made.mixed_shift))
    return nonnegative(
        after.solo_room,
        [product(made.before.solo_room), *gain_in_room(made, hypothesis)],
        [hypothesis, made.slack, *made.before.rooms],
        "new solo room = old one + (1/kappa) ((kappa B - (B-1)) sum of Delta_i + old mixed room)",
        witness,
    )


def decode_rates_are_kept(point: State | None = None) -> Finding:
    """Compare decodes and revenue, class by class, at the shifted and at the first point."""
    made = reduction()
    solo = made.solo_shift(made.mixed_shift)
    prefill = (point or made.state()).prefill
    return all_of(
        equal(made.decoded(made.mixed_shift, solo), made.decoded(), "decode rate of class i kept"),
        equal(
            made.decoded(),
            made.model.rates.prefill * prefill,
            "it is mu_p,i times the new prefill occupancy",
        ),
        equal(
            made.after(made.mixed_shift, solo).bundled, made.before.bundled, "revenue is the same"
        ),
    )


HYPOTHESIS = sp.Ge(KAPPA * BATCH, BATCH - 1)
OVERFLOW = sp.Gt(sp.Symbol("Delta", real=True), 0)

CLAIMS = (
    Claim(
        id="P3.2-l",
        statement="Decodes that leave mixed GPUs keep the decode rate of their class if kappa "
        "times fewer of them run on solo GPUs.",
        latex=r"\mu_{m,i}\delta y_{m,i}+\mu_{s,i}\delta y_{s,i}=0"
        r"\implies\delta y_{s,i}=-\delta y_{m,i}/\kappa\ge0",
        source="THEORY 8.3, eq. P58",
        assumptions=(sp.Le(SHIFT, 0),),
        check=shift_keeps_the_decode_rate,
        mutants=(
            Mutant("as many run on solo GPUs", lambda: shift_keeps_the_decode_rate(sp.Integer(1))),
        ),
    ),
    Claim(
        id="P3.2-m",
        statement="Mixed GPUs hold at least the overflow, so each class can give up its "
        "proportional share and keep a nonnegative rest.",
        latex=r"0<\Delta\le\sum_iy_{m,i}^\star,\qquad "
        r"y_{m,i}^\star-\Delta y_{m,i}^\star/\textstyle\sum_jy_{m,j}^\star\ge0",
        source="THEORY 8.3",
        assumptions=(OVERFLOW,),
        check=proportional_shift_fits,
        mutants=(
            Mutant("each class gives up twice its share", lambda: proportional_shift_fits(times=2)),
        ),
    ),
    Claim(
        id="P3.2-n",
        statement="Solo GPUs take over the overflow divided by kappa, however it is split.",
        latex=r"\sum_i\delta y_{s,i}=-\frac1\kappa\sum_i\delta y_{m,i}=\frac{\Delta}{\gamma\tau}",
        source="THEORY 8.3, eq. P59",
        check=solo_decodes_grow_by,
        mutants=(Mutant("times kappa", lambda: solo_decodes_grow_by(KAPPA)),),
    ),
    Claim(
        id="P3.2-o",
        statement="After the shift, mixed slots are just filled.",
        latex=r"\sum_i(y_{m,i}^\star+\delta y_{m,i})=(B-1)\sum_i\tilde x_i",
        source="THEORY 8.3",
        assumptions=(OVERFLOW,),
        check=mixed_slots_are_just_filled,
        mutants=(
            Mutant(
                "half of the overflow is moved",
                lambda: mixed_slots_are_just_filled(sp.Rational(1, 2)),
            ),
        ),
    ),
    Claim(
        id="P3.2-p",
        statement="The overflow is at most B-1 slots for each prefill given up.",
        latex=r"\Delta=\Big[\sum_iy_{m,i}^\star-(B-1)\sum_ix_i^\star\Big]+(B-1)\sum_i\Delta_i"
        r"\le(B-1)\sum_i\Delta_i",
        source="THEORY 8.3",
        check=overflow_is_bounded,
        mutants=(Mutant("B-2 slots", lambda: overflow_is_bounded(BATCH - 2)),),
    ),
    Claim(
        id="P3.2-q",
        statement="Under the hypothesis, what moves to solo GPUs needs no more slots than the "
        "prefills given up have freed there.",
        latex=r"\frac{B-1}{\gamma\tau}\le B\implies\frac{\Delta}{\gamma\tau}\le B\sum_i\Delta_i",
        source="THEORY 8.3",
        assumptions=(HYPOTHESIS,),
        check=hypothesis_makes_room,
        mutants=(Mutant("kappa B ≥ B-2 is enough", lambda: hypothesis_makes_room(1, one_class())),),
    ),
    Claim(
        id="P3.2-r",
        statement="Under the hypothesis the shifted decodes fit on the solo GPUs.",
        latex=r"\sum_iy_{s,i}^\star+\frac{\Delta}{\gamma\tau}\le B(1-\tilde X)",
        source="THEORY 8.3, eq. P60",
        assumptions=(HYPOTHESIS,),
        check=solo_capacity_holds,
        mutants=(Mutant("kappa B ≥ B-2 is enough", lambda: solo_capacity_holds(1, one_class())),),
    ),
    Claim(
        id="P3.2-s",
        statement="Every class decodes at its old rate, which is what the shrunk prefills produce; "
        "so the revenue is unchanged.",
        latex=r"\mu_{m,i}(y_{m,i}^\star+\delta y_{m,i})+\mu_{s,i}(y_{s,i}^\star+\delta y_{s,i})"
        r"=\mu_{m,i}y_{m,i}^\star+\mu_{s,i}y_{s,i}^\star=\mu_{p,i}\tilde x_i",
        source="THEORY 8.3; the last display of the proof shows the old prefill occupancy",
        check=decode_rates_are_kept,
        mutants=(
            Mutant("the old prefill occupancy, as displayed", lambda: decode_rates_are_kept(STATE)),
        ),
    ),
)
