"""How requests came: bursts, gaps, drift; all in whole microseconds, so that order is nothing."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import special

from gnr.arrays import Floats
from gnr.fit_result import Arrivals, Band, Dispersion, RatePart, Trend
from gnr.measure.length_laws import NORMAL_95
from gnr.measure.request_logs import TICKS

Ticks = NDArray[np.int64]

REMEMBERED = 1_000_000
"""Arrivals that are kept to tell the resolution and the gaps."""

WINDOWS_S = (1, 10, 60)
"""Windows of the counts, s."""

FEWEST_WINDOWS = 10

MOST_WINDOWS = 20_000_000
"""Windows above which the counts would take too much memory."""

COARSE_TIES = 0.01
"""Share of equal neighbours from which time stamps are taken to be coarse."""

TENTHS = 10

FEWEST_FOR_DRIFT = 200
"""Requests below which the rate is not looked at by tenths."""


class ArrivalTimes:
    """First look at the arrivals: their span, their order, their time stamps."""

    def __init__(self) -> None:
        self.requests = 0
        self.first, self.last = np.iinfo(np.int64).max, np.iinfo(np.int64).min
        self.in_order = True
        self._before: float | None = None
        self._kept: list[Floats] = []

    def add(self, ticks: Ticks, seconds: Floats) -> None:
        """Look at some arrivals, microseconds and s after the first row."""
        if not len(ticks):
            return
        behind = self._before is not None and seconds[0] < self._before
        self.in_order = self.in_order and not behind and bool((np.diff(seconds) >= 0).all())
        self._before = float(seconds[-1])
        self.first = min(self.first, int(ticks.min()))
        self.last = max(self.last, int(ticks.max()))
        room = REMEMBERED - self.requests
        if room > 0:
            self._kept.append(seconds[:room].copy())
        self.requests += len(ticks)

    @property
    def span(self) -> int:
        """Return the time between the first and the last arrival, microseconds."""
        return self.last - self.first if self.requests else 0

    def remembered(self) -> Floats:
        """Return the first million arrivals, in order of time, s."""
        return np.sort(np.concatenate(self._kept)) if self._kept else np.zeros(0)

    def resolution(self) -> int:
        """Return how far apart time stamps are, microseconds, at least 1.

        Where many neighbours have the same stamp, the usual distance of those that have not, which
        may be off by a little; else the greatest common divisor of all.
        """
        ticks = np.rint(self.remembered() * TICKS).astype(np.int64)
        gaps = np.diff(ticks)
        apart = gaps[gaps > 0]
        if not len(apart):
            return max(self.span, 1)
        divisor = int(np.gcd.reduce(apart))
        if len(apart) > (1 - COARSE_TIES) * len(gaps):
            return divisor
        least = np.quantile(apart, 0.01)
        return max(divisor, int(np.median(apart[apart < 1.5 * least])))


class WindowCounts:
    """Second look: counts in windows that hold whole numbers of time stamps."""

    def __init__(self, times: ArrivalTimes) -> None:
        self.resolution = times.resolution()
        coarse = self.resolution > TICKS // 1000
        self._start = times.first - (self.resolution // 2 if coarse else 0)
        self._counts: dict[int, NDArray[np.int64]] = {}
        for seconds in WINDOWS_S:
            width = seconds * TICKS
            if self.resolution > width:
                continue
            if coarse:
                width = round(width / self.resolution) * self.resolution
            windows = (times.last - self._start) // width
            if FEWEST_WINDOWS <= windows <= MOST_WINDOWS:
                self._counts[width] = np.zeros(windows, dtype=np.int64)

    def add(self, ticks: Ticks) -> None:
        """Count some arrivals."""
        for width, counts in self._counts.items():
            at = (ticks - self._start) // width
            at = at[at < len(counts)]
            if len(at):
                low = int(at.min())
                found = np.bincount(at - low)
                counts[low : low + len(found)] += found

    def dispersion(self) -> Iterator[Dispersion]:
        """Yield the index of dispersion by window."""
        for width, counts in self._counts.items():
            freedom = len(counts) - 1
            low, high = special.chdtri(freedom, np.array([0.975, 0.025])) / freedom
            yield Dispersion(
                window_s=width / TICKS,
                windows=len(counts),
                index=float(counts.var(ddof=1) / counts.mean()),
                poisson_band=Band(low=float(low), high=float(high)),
            )


def describe_arrivals(times: ArrivalTimes, windows: WindowCounts, by_block: Floats) -> Arrivals:
    """Return bursts, gaps and drift; `by_block` are the requests in equal parts of the span."""
    gaps = np.diff(times.remembered())
    mean_gap = times.span / max(times.requests - 1, 1)
    known = times.in_order or times.requests <= REMEMBERED
    fine = known and len(gaps) > 1 and 10 * windows.resolution <= mean_gap
    half = NORMAL_95 / np.sqrt(max(len(gaps), 1))
    drifts = times.requests >= FEWEST_FOR_DRIFT and len(by_block) % TENTHS == 0 and times.span > 0
    return Arrivals(
        resolution_s=windows.resolution / TICKS,
        dispersion=tuple(windows.dispersion()),
        interarrival_cv=float(gaps.std(ddof=1) / gaps.mean()) if fine else None,
        interarrival_poisson_band=Band(low=1 - half, high=1 + half) if fine else None,
        gaps=len(gaps) if fine else 0,
        parts=tuple(_parts(by_block, times.span / TICKS)) if drifts else (),
        trend=_trend(by_block) if drifts else None,
    )


def _parts(by_block: Floats, span: float) -> Iterator[RatePart]:
    counts, width = by_block.reshape(TENTHS, -1).sum(axis=1), span / TENTHS
    for k, count in enumerate(counts.tolist()):
        low = float(special.chdtri(2 * count, 0.975) / 2) if count else 0.0
        high = float(special.chdtri(2 * count + 2, 0.025) / 2)
        yield RatePart(
            start_s=k * width,
            requests=int(count),
            rate=count / width,
            poisson_band=Band(low=low / width, high=high / width),
        )


def _trend(by_block: Floats) -> Trend:
    """Return the straight line through the blocks, and how different the tenths are."""
    blocks, mean = len(by_block), float(by_block.mean())
    place = (np.arange(blocks) + 0.5) / blocks - 0.5
    slope = float(place @ by_block / mean / (place @ place))
    left = by_block / mean - 1 - slope * place
    error = float(np.sqrt(left @ left / (blocks - 2) / (place @ place)))
    half = float(special.stdtrit(blocks - 2, 0.975)) * error
    tenths = by_block.reshape(TENTHS, -1)
    rates = tenths.mean(axis=1) / mean
    between = tenths.shape[1] * float(tenths.mean(axis=1).var(ddof=1))
    within = float(tenths.var(axis=1, ddof=1).mean())
    freedom = blocks - TENTHS
    chance = float(special.fdtrc(TENTHS - 1, freedom, between / within)) if within > 0 else 0.0
    return Trend(
        change=slope,
        band=Band(low=slope - half, high=slope + half),
        spread=float(rates.max() - rates.min()),
        steady_probability=chance,
    )
