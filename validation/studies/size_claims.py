"""What sizing claims of a cluster, each claim with its error probability.

That a size keeps its promises is claimed with replications that the search has not seen. Every
size that is tried spends half of the error probability left, so that the size returned keeps them
with 95 % confidence however many were tried. That a smaller cluster fails is a claim of its own.
Where GPUs are split into those that prefill and those that only decode, it is about every split:
with M of them prefilling one side fails, and so it does with fewer; with M + 1 the other side
fails, and so it does with more.
"""

from dataclasses import dataclass

import numpy as np

from gnr.validation.sequential import Bounded, decide, spent
from gnr.validation.statistics import Verdict
from gnr.validation.studies.trials import Evidence, Side, Size, Task, Trial

LOOKS = (16, 32, 64, 128)
"""Replications at which a decision is tried."""

ATTEMPTS = 6
"""Sizes that are tried before the claim is given up."""

SPLITS = (0.2, 0.35, 0.5, 0.65, 0.8)
"""Shares of the missing GPUs that are taken from the prefill side, where it is to fail."""


@dataclass(frozen=True)
class Claim:
    """Whether a cluster keeps its promises.

    Attributes
    ----------
    verdict
        `YES`: all are kept; `NO`: one is broken.
    level
        Probability of a wrong verdict, at most.
    evidence
        What it rests on.
    """

    verdict: Verdict
    level: float
    evidence: Evidence


def keeps(trial: Trial, level: float) -> Claim:
    """Return whether a cluster keeps all promises, at an error probability.

    `YES` needs runs that settle: where lines are still short they show too few long waits.
    """
    verdict, evidence = decide(trial.run, lambda found: found.bounds, LOOKS, level)
    if verdict is Verdict.YES and not trial.settles:
        verdict = Verdict.UNDECIDED
    return Claim(verdict, level, evidence)


def short_of(claim: Claim) -> list[int]:
    """Return which parts of a cluster seem to be too few: 0, GPUs that prefill; 1, the others.

    All of them where the promises that were not shown to be kept do not tell.
    """
    level = claim.level / len(LOOKS)
    short = [
        part
        for part, side in enumerate(Side)
        if any(each.kept() > level for each in claim.evidence.on_side(side))
    ]
    return short if short and claim.evidence.size.prefill_gpus is not None else [0, 1]


def level_of(task: Task, attempt: int) -> float:
    """Return the error probability of the `attempt`-th size that is tried, from 1."""
    return spent(task.error, attempt)


def fails(trial: Trial) -> Claim:
    """Return whether a cluster without a partition breaks a promise."""
    return keeps(trial, trial.task.error)


def fails_on_a_side(trial: Trial, side: Side, level: float) -> Claim:
    """Return whether what depends on one side of a cluster breaks a promise there.

    The verdict is `NO` or undecided: that all is well on one side does not keep all promises.
    """
    verdict, evidence = decide(trial.run, lambda found: found.on_side(side), LOOKS, level)
    return Claim(verdict if verdict is Verdict.NO else Verdict.UNDECIDED, level, evidence)


def margin(bounds: tuple[Bounded, ...]) -> float:
    """Return by how many standard errors a promise seems to be broken, the worst of them."""
    return max((_deviations(each) for each in bounds), default=-np.inf)


def _deviations(bounded: Bounded) -> float:
    values = bounded.low
    if not np.isfinite(values).all():
        return np.inf if np.all(values == np.inf) else -np.inf
    error = float(values.std(ddof=1)) / np.sqrt(len(values))
    difference = float(values.mean()) - bounded.limit
    return float(difference / error if error > 0 else np.sign(difference) * np.inf)


def weak_splits(found: Size, gpus: int) -> list[int]:
    """Return numbers of prefilling GPUs at which a cluster of `gpus` may be weak on that side.

    `found` is the larger cluster that keeps the promises, with a partition.
    """
    assert found.prefill_gpus is not None
    missing = found.gpus - gpus
    wanted = {found.prefill_gpus - max(1, round(share * missing)) for share in SPLITS}
    return sorted({min(max(each, 0), gpus - 1) for each in wanted})


def weak_sides(task: Task, gpus: int, prefill: int) -> list[tuple[Size, Side]]:
    """Return the clusters, each with the side, that have to fail so that every split does.

    Nobody is served where no GPU prefills, and where all do and none of them may decode.
    """
    sides = []
    if prefill > 0:
        sides.append((Size(gpus, prefill), Side.PREFILL))
    if prefill + 1 < gpus or not task.policy.disaggregated:
        sides.append((Size(gpus, prefill + 1), Side.DECODE))
    return sides
