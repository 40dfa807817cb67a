"""The best of a few alternatives: who is chosen, how surely, and when the search gives up."""

import numpy as np
import pytest

from gnr.arrays import Floats
from gnr.validation.studies.selection import INDIFFERENCE, LOOKS, Sample, select


def normal(means: list[float], spread: float, seed: int) -> Sample:
    """Return runs that differ from a common one by the mean and a little noise of their own."""

    def sample(alternative: int, look: int, runs: int) -> Floats:
        common = np.random.default_rng((seed, look)).normal(0.9, 0.05, runs)
        own = np.random.default_rng((seed, look, alternative)).normal(0.0, spread, runs)
        return np.asarray(common + means[alternative] + own)

    return sample


def test_the_best_is_chosen_and_the_others_drop_out() -> None:
    found = select(3, normal([0.0, 0.02, -0.1], 0.002, 1))
    assert (found.chosen, found.settled) == (1, True)
    assert [len(each) for each in found.samples] == [LOOKS[0]] * 3
    assert found.behind[1].mean == 0
    assert found.behind[0].low > 0.01


def test_equals_are_settled_by_indifference_and_noise_is_not_settled() -> None:
    assert select(2, normal([0.0, 0.0], 1e-4, 2)).settled
    noisy = select(2, normal([0.0, 0.0], 0.05, 3))
    assert not noisy.settled
    assert len(noisy.samples[0]) == sum(LOOKS)


def test_a_settled_choice_is_rarely_worse_than_the_indifference() -> None:
    """Two hundred searches among near equals; 5 % may err, none of these does."""
    means = [0.0, 1.5 * INDIFFERENCE, 0.5 * INDIFFERENCE, -INDIFFERENCE]
    wrong = 0
    for seed in range(200):
        found = select(4, normal(means, 2 * INDIFFERENCE, seed))
        wrong += found.settled and max(means) - means[found.chosen] > INDIFFERENCE
    assert wrong <= 3


@pytest.mark.parametrize("fault", [0, 2])
def test_a_planted_worst_is_never_kept(fault: int) -> None:
    means = [0.0, 0.0, 0.0]
    means[fault] = -0.05
    assert select(3, normal(means, 0.003, 4)).chosen != fault
