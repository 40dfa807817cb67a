"""Figure 10: revenue over batch slots and compute, and over the two token prices."""

from collections.abc import Iterator
from itertools import product

import numpy as np

from gnr.arrays import Floats
from gnr.instance import Instance
from gnr.reproduction import HeatMap, Lines, Panel, Quantity, Series
from gnr.sweep_result import PriceSegment, Sweep
from gnr.validation.studies.reproduction.base_runs import base
from gnr.validation.studies.reproduction.effort import Effort
from gnr.validation.studies.reproduction.outline import Measured
from gnr.validation.studies.reproduction.parts import SweepPart
from gnr.validation.studies.reproduction.quantities import exactly

HARDWARE = (
    "gpu.iteration_time.per_chunk_token=2e-5:1.28e-3:25:log",
    "gpu.batch_slots=2,3,4,6,8,12,16,24,32,48,64",
)
"""beta, then the slots."""

BETA_OCTAVE, SLOTS_OCTAVE = 4, 2
"""Points of the two axes to a factor of 2."""

GAIN = 1.0
"""Gain of revenue from which on something counts as a bottleneck, %."""

PRICES = ("prices.output_token=0.01:0.3:30", "prices.prompt_token=0.01:0.3:30")

BUNDLED, SEPARATE = "bundled", "separate"

TOTALS = (0.15, 0.3, 0.6)
"""Sums k of the two prices, money per token; that of the base instance is in the middle."""

MAP = "hardware"

SEGMENTS = tuple(product((BUNDLED, SEPARATE), TOTALS))

Key = str | tuple[str, float]


def parts(effort: Effort) -> dict[Key, SweepPart]:
    """Return the sweep over the hardware, and those over prices by charging and their sum."""
    found: dict[Key, SweepPart] = {MAP: SweepPart(base(), HARDWARE)}
    for scheme, total in SEGMENTS:
        found[scheme, total] = SweepPart(charged(scheme, total), PRICES)
    return found


def charged(scheme: str, total: float) -> Instance:
    """Return the base instance under a charging, its prices scaled to a sum."""
    prices = base().prices
    scale = total / (prices.prompt_token + prices.output_token)
    update = {
        "scheme": scheme,
        "prompt_token": scale * prices.prompt_token,
        "output_token": scale * prices.output_token,
    }
    return base().model_copy(update={"prices": prices.model_copy(update=update)})


def measured(runs: dict[Key, Sweep], effort: Effort) -> Measured:
    """Return what is the bottleneck where, where the best prices are, and the maps."""
    hardware = runs[MAP]
    slots, beta = gains(hardware.array("revenue_rate"))
    segments = {key: _segment(runs[key]) for key in SEGMENTS}
    quantities = [*_bottlenecks(slots, beta)]
    for scheme in (BUNDLED, SEPARATE):
        quantities += _of_prices(scheme, [segments[scheme, total] for total in TOTALS])
    panels: list[Panel] = [
        _hardware_map("Revenue over hardware", "money/s per GPU", hardware,
                      hardware.array("revenue_rate")),
        _hardware_map("Double the slots, or halve beta?", "gain from slots less gain from beta, %",
                      hardware, _in_place(slots - beta)),
        _price_map(runs[BUNDLED, TOTALS[1]]),
        _along_segments([segments[BUNDLED, total] for total in TOTALS]),
    ]  # fmt: skip
    told = [f"{key}: {text}" for key, each in runs.items() for text in each.warnings]
    return Measured(quantities, panels, told)


def gains(revenue: Floats) -> tuple[Floats, Floats]:
    """Return what twice the slots and what half of beta gain, %.

    Parameters
    ----------
    revenue
        By beta, then slots; shape ``(betas, slots)``.

    Returns
    -------
    tuple
        Gains at the points from which both are on the map, shape
        ``(betas - BETA_OCTAVE, slots - SLOTS_OCTAVE)``.
    """
    here = revenue[BETA_OCTAVE:, :-SLOTS_OCTAVE]
    more_slots = revenue[BETA_OCTAVE:, SLOTS_OCTAVE:]
    faster = revenue[:-BETA_OCTAVE, :-SLOTS_OCTAVE]
    return 100 * (more_slots / here - 1), 100 * (faster / here - 1)


def _bottlenecks(slots: Floats, beta: Floats) -> Iterator[Quantity]:
    memory, compute = slots > np.maximum(beta, GAIN), beta > np.maximum(slots, GAIN)
    neither = np.maximum(slots, beta) <= GAIN
    for name, words, where in (
        ("memory", "doubling the slots gains more than halving beta", memory),
        ("compute", "halving beta gains more than doubling the slots", compute),
        ("neither", "neither gains a hundredth", neither),
    ):
        yield exactly(name, f"share of the map where {words}", 100 * float(where.mean()), "%")


def _segment(run: Sweep) -> PriceSegment:
    if run.price_segment is None:
        raise RuntimeError("both prices are varied, and no class is patient for ever")
    return run.price_segment


def best_share(segment: PriceSegment) -> float:
    """Return the part of the sum that the best prices put on prompt tokens, %."""
    best = int(np.argmax(segment.revenue_rate))
    return 100 * segment.prompt_token[best] / segment.total


def interior_gain(segment: PriceSegment) -> float:
    """Return what the best prices between the ends earn more than the better end, %."""
    revenue = segment.revenue_rate
    return 100 * (max(revenue[1:-1]) / max(revenue[0], revenue[-1]) - 1)


def _of_prices(scheme: str, segments: list[PriceSegment]) -> Iterator[Quantity]:
    shares = [best_share(each) for each in segments]
    most = max(interior_gain(each) for each in segments)
    words = "best prices between the ends, gain over the better end"
    yield exactly(f"{scheme}_interior", f"{scheme}: {words}", most, "%")
    words = "share of c_p in the best prices with c_p + c_d = k"
    yield exactly(f"{scheme}_share", f"{scheme}: {words}", shares[1], "%")
    apart = max(shares) - min(shares)
    yield exactly(
        f"{scheme}_apart",
        f"{scheme}: best share of c_p, how far it moves with k",
        apart,
        "%",
    )
    worse = 100 * (1 - min(segments[1].revenue_rate) / max(segments[1].revenue_rate))
    yield exactly(
        f"{scheme}_span", f"{scheme}: worst prices with the same k, loss to the best", worse, "%"
    )


def _in_place(values: Floats) -> Floats:
    """Return values with nan at the points of the map that they do not reach."""
    wide = ((BETA_OCTAVE, 0), (0, SLOTS_OCTAVE))
    return np.pad(values, wide, constant_values=np.nan)


def _cells(values: Floats) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(None if each != each else each for each in row) for row in values.tolist())


def _hardware_map(title: str, z_label: str, run: Sweep, values: Floats) -> HeatMap:
    beta, slots = (axis.values for axis in run.axes)
    return HeatMap(
        title=title,
        x_label="slots per GPU, B",
        y_label="beta, s per token",
        z_label=z_label,
        x=slots,
        y=beta,
        z=_cells(values),
        x_log=True,
        y_log=True,
    )


def _price_map(run: Sweep) -> HeatMap:
    output, prompt = (axis.values for axis in run.axes)
    return HeatMap(
        title="Revenue over token prices, bundled",
        x_label="c_p, money per prompt token",
        y_label="c_d, money per output token",
        z_label="money/s per GPU",
        x=prompt,
        y=output,
        z=_cells(run.array("revenue_rate")),
    )


def _along_segments(segments: list[PriceSegment]) -> Lines:
    lines = [
        Series(
            label=f"k = {each.total:.2g}",
            x=tuple(100 * one / each.total for one in each.prompt_token),
            y=each.revenue_rate,
        )
        for each in segments
    ]
    return Lines(
        title="Revenue along c_p + c_d = k, bundled",
        x_label="share of c_p in k, %",
        y_label="money/s per GPU",
        series=tuple(lines),
        marks=False,
    )
