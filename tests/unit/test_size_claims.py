"""What claims of sizing rest on."""

from itertools import pairwise

import pytest
from sized import demand, one_station

from gnr.validation.policies import find_policy
from gnr.validation.sequential import ALPHA
from gnr.validation.statistics import Verdict
from gnr.validation.studies import sizing
from gnr.validation.studies.size_claims import LOOKS, Claim
from gnr.validation.studies.sizing import size
from gnr.validation.studies.trials import GLANCES, Effort, Task, Trial


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Effort, float]]:
    """Return where every claim is noted: its effort and level; none but the third is granted."""
    noted: list[tuple[Effort, float]] = []

    def keeps(trial: Trial, level: float) -> Claim:
        noted.append((trial._effort, level))
        verdict = Verdict.YES if len(noted) == 3 else Verdict.UNDECIDED
        return Claim(verdict, level, trial.run(2))

    monkeypatch.setattr(sizing.size_claims, "keeps", keeps)
    return noted


def test_no_claim_rests_on_the_random_numbers_of_another(asked: list[tuple[Effort, float]]) -> None:
    """The cluster of each claim, the smaller one too, is chosen by the claims before it."""
    size(one_station(0.5), demand(), ["abandonment_fraction=0.05"], policies=["fcfs-immediate"])
    firsts = [effort.first for effort, _ in asked]
    assert len(firsts) == 4, "three sizes, and a twentieth fewer"
    assert firsts[0] >= GLANCES
    assert all(later - first >= LOOKS[-1] for first, later in pairwise(firsts))


def test_the_error_probability_is_that_of_the_best_of_all_policies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whichever policy a wrong claim is about, it would look best."""
    seen: list[Task] = []

    def stop(tasks: list[Task], *_: object) -> tuple[list[object], bool]:
        seen.extend(tasks)
        return [], False

    monkeypatch.setattr(sizing, "_until_interrupted", stop)
    size(one_station(0.5), demand(), policies=["fcfs-immediate", "gate-and-route"])
    assert sum(task.error for task in seen) == pytest.approx(ALPHA)
    assert find_policy("fcfs-immediate") is seen[0].policy
