"""The search for the smallest cluster that seems to keep its promises.

It looks at few replications of each size and takes their means at their word: what it finds is a
guess, and is held against the promises with replications of its own afterwards. A cluster is a
vector of whole numbers, GPUs that prefill and GPUs that only decode, or one number where every
GPU does both; more of either is taken never to hurt.
"""

from collections.abc import Callable

Vector = tuple[int, ...]

GROWTH = 1.06
"""By how much a cluster grows while it is too small."""

EXCHANGED = 0.03
"""Share by which one component grows to see whether another can shrink by more."""

LARGEST = 16.0
"""Times the first guess at which the search for a cluster that is large enough gives up."""

Keeps = Callable[[Vector], bool]


def smallest(keeps: Keeps, guess: Vector, least: Vector) -> Vector | None:
    """Return the smallest vector found that keeps the promises; None if none does up to 16 guesses.

    No component of it can be made smaller by itself, nor by as much or more than some more of the
    other are: promises that depend on both sides may be kept by either.

    Parameters
    ----------
    keeps
        Whether a cluster seems to keep them.
    guess
        Where to begin, each component at least 1.
    least
        Smaller components are not tried.
    """
    large = _large_enough(keeps, tuple(max(pair) for pair in zip(guess, least, strict=True)))
    if large is None:
        return None
    found: Vector | None = large
    while found is not None:
        for part in range(len(found)):
            found = _reduced(keeps, found, part, least[part])
        best, found = found, _exchanged(keeps, found, least)
    return best


def grown(vector: Vector, share: float) -> Vector:
    """Return a vector with every component larger by that share, by 1 at least."""
    return tuple(part + max(1, round(part * share)) for part in vector)


def _large_enough(keeps: Keeps, guess: Vector) -> Vector | None:
    found, most = guess, LARGEST * sum(guess)
    step = GROWTH - 1
    while not keeps(found):
        if sum(found) > most:
            return None
        found, step = grown(found, step), 2 * step
    return found


def _exchanged(keeps: Keeps, found: Vector, least: Vector) -> Vector | None:
    """Return a smaller vector with somewhat more of one component; None if none is found."""
    for part in range(len(found)):
        more = max(1, round(found[part] * EXCHANGED))
        larger = (*found[:part], found[part] + more, *found[part + 1 :])
        for other in range(len(found)):
            if other != part:
                changed = _reduced(keeps, larger, other, least[other])
                if sum(changed) < sum(found):
                    return changed
    return None


def _reduced(keeps: Keeps, found: Vector, part: int, least: int) -> Vector:
    """Return `found` with its `part`-th component as small as can be: gallop down, then bisect."""

    def changed(value: int) -> Vector:
        return (*found[:part], value, *found[part + 1 :])

    good, bad, step = found[part], least - 1, 1
    while good > least:
        tried = max(good - step, least)
        if not keeps(changed(tried)):
            bad = tried
            break
        good, step = tried, 2 * step
    while good - bad > 1:
        middle = (good + bad) // 2
        good, bad = (middle, bad) if keeps(changed(middle)) else (good, middle)
    return changed(good)
