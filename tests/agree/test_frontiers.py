"""Frontiers against a grid of linear programs restated from THEORY section 6 with scipy."""

import time
import tomllib
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import gnr
from gnr.errors import NoOptimumError
from gnr.frontier_result import Frontier
from gnr.instance_text import to_toml
from gnr.models import frontiers
from gnr.models.moving_promise import Course, course, moving_promise
from gnr.models.parametric import LinearFractional
from gnr.reading import build
from oracles import linprog_oracle
from random_instances import REGIMES, random_data

KINDS = ("prefill_fairness", "decode_fairness", "mean_tpot", "token_tpot")
FAIRNESS = KINDS[:2]


def restated(data: dict[str, Any], kind: str, bound: float) -> float:
    """Return the best revenue under a promise, rows by (P43), (P45), (D7) or (D13)."""
    gpu, count = data["gpu"], len(data["classes"])
    law, slots = gpu["iteration_time"], gpu["batch_slots"]
    tau, solo = law["base"] + law["per_chunk_token"] * gpu["chunk_tokens"], law["decode_only"]
    program = linprog_oracle._program(
        data, data["prices"]["scheme"], empty_decode_buffer=kind in FAIRNESS
    )
    x, y_m, y_s = (np.arange(5 * count) // count == field for field in range(3))
    if kind == "mean_tpot":
        rows = [(tau * (slots - 1) - slots * solo + bound) * x]
        right = [slots * (bound - solo)]
    elif kind == "token_tpot":
        rows, right = [(1 - bound / tau) * y_m - (bound / solo - 1) * y_s], [0.0]
    else:
        field, identity = 0 if kind == "prefill_fairness" else 2, np.eye(5 * count)
        own = identity[field * count : (field + 1) * count]
        rows = [own[i] - own[j] for i in range(count) for j in range(count) if i != j]
        right = [bound] * len(rows)
    if rows:
        program = program._replace(
            ub=np.vstack([program.ub, *rows]), ub_rhs=np.append(program.ub_rhs, right)
        )
    status, point, _, _ = linprog_oracle._maximise(program)
    return float(program.cost @ point) if status == "optimal" else float("nan")


def largest_difference(data: dict[str, Any], kind: str, frontier: Frontier) -> float:
    """Return the largest relative difference to the restated programs within the pieces."""
    return max(
        abs(piece.at(bound) / restated(data, kind, bound) - 1)
        for piece in frontier.pieces
        for share in (0.02, 0.31, 0.77, 0.98)
        for bound in (piece.low + share * (piece.high - piece.low),)
    )


def shipped(name: str) -> dict[str, Any]:
    return tomllib.loads(to_toml(gnr.load(name)))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        *(("two-class", kind) for kind in KINDS),
        ("two-class-separate", "decode_fairness"),
        ("two-class-separate", "token_tpot"),
        ("dolly-eight-class", "mean_tpot"),
        pytest.param("dolly-eight-class", "prefill_fairness", marks=pytest.mark.long),
        pytest.param("dolly-eight-class", "decode_fairness", marks=pytest.mark.long),
    ],
)
def test_shipped_instances_agree_with_a_grid(name: str, kind: str) -> None:
    frontier = gnr.frontier(gnr.load(name), kind)
    assert frontier.verified
    assert largest_difference(shipped(name), kind, frontier) < 1e-8


@pytest.mark.parametrize(
    "seed", [1, 3, *(pytest.param(seed, marks=pytest.mark.long) for seed in (0, *range(4, 14)))]
)
def test_random_frontiers_are_true_and_loosening_never_hurts(seed: int) -> None:
    data = random_data(
        np.random.default_rng(seed),
        regime=REGIMES[seed % 3],
        scheme=("bundled", "separate")[seed % 2],
        patient=0.2 * (seed % 2),
        twins=seed % 4 == 0,
    )
    instance = build(data, "random")
    for kind in KINDS:
        try:
            frontier = gnr.frontier(instance, kind)
        except NoOptimumError:
            assert gnr.solve(instance).status == "infeasible"
            continue
        assert frontier.verified
        assert largest_difference(data, kind, frontier) < 1e-8
        assert all(piece.revenue_from <= piece.revenue_to for piece in frontier.pieces)
        assert all(one.high == two.low for one, two in pairwise(frontier.pieces))
        if kind in FAIRNESS:  # the row is linear in the variables and the bound together
            slopes = [piece.slope_from for piece in frontier.pieces]
            assert slopes == sorted(slopes, reverse=True), "concave"


@pytest.mark.parametrize("kind", ["prefill_fairness", "decode_fairness", "mean_tpot"])
def test_a_frontier_of_eight_classes_takes_less_than_a_second(kind: str) -> None:
    """Of processor time, the solves that check it left out; a fifth of that was measured."""
    moving, started = moving_promise(gnr.load("dolly-eight-class"), kind), time.process_time()
    assert len(course(moving).pieces) > 5
    assert time.process_time() - started < 1


def steeper(found: Course) -> Course:
    """Turn the first piece a little about its middle."""
    one = found.pieces[0]
    middle, turn = (one.low + one.high) / 2, Fraction(1, 10**5)
    b = one.value.slope(middle) * (1 + turn)
    value = LinearFractional(one.value.at(middle) - b * middle, b)
    return replace(found, pieces=(replace(one, value=value), *found.pieces[1:]))


def higher(found: Course) -> Course:
    """Raise the last piece a little."""
    last, rise = found.pieces[-1], 1 + Fraction(1, 10**7)
    value = LinearFractional(last.value.a * rise, last.value.b * rise, last.value.c, last.value.d)
    return replace(found, pieces=(*found.pieces[:-1], replace(last, value=value)))


def one_piece_less(found: Course) -> Course:
    """Leave out a breakpoint."""
    one, two, *rest = found.pieces
    return replace(found, pieces=(replace(one, high=two.high, last=two.last), *rest))


def tighter(found: Course) -> Course:
    """Claim that more can be promised."""
    one, bound = found.pieces[0], found.tightest * Fraction(999, 1000)
    return replace(found, tightest=bound, pieces=(replace(one, low=bound), *found.pieces[1:]))


def dearer(found: Course) -> Course:
    """Claim that the promise costs something for longer than it does."""
    bound = found.pieces[-1].high * Fraction(1001, 1000)
    last = replace(found.pieces[-1], high=bound)
    return replace(found, loosest=bound, pieces=(*found.pieces[:-1], last))


@pytest.mark.parametrize("fault", [steeper, higher, one_piece_less, tighter, dearer])
def test_solving_anew_finds_a_planted_fault(
    fault: Callable[[Course], Course], monkeypatch: pytest.MonkeyPatch
) -> None:
    true = frontiers.course
    monkeypatch.setattr(frontiers, "course", lambda *given: fault(true(*given)))
    assert not gnr.frontier(gnr.load("two-class"), "mean_tpot").verified
