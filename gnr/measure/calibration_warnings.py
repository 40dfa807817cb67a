"""How far not to trust a calibration, in words."""

from collections.abc import Iterator

import numpy as np

from gnr.arrays import Floats
from gnr.calibration_result import Calibration, OperatingPoint
from gnr.instance import Instance
from gnr.measure.iteration_times import PLAUSIBLE, IterationTimes
from gnr.measure.law_fit import LawFit
from gnr.measure.line_fit import WINDOW, slope_change, steps

SCATTER = 0.08
"""Scatter of repetitions from which on it is asked whether the rows belong together."""

STEP = 0.04
"""Jump of the relative error between neighbouring chunk sizes that is told."""

MOST_STEPS_TOLD = 3

BENT = 0.05
"""Change of slope from the lower to the upper half of the range that is told."""

DRIFT = 0.10
"""Change of an iteration time with half or twice the batch that is told."""

LOOSE_LAW = 0.15
"""Error of the law for one row in twenty from which on it is told to narrow the rows."""

LOCAL_ERROR = 0.05
"""Median error of the law around a batch that is told."""

FALSE_COMFORT = 0.99
"""R^2 that looks good."""


def warnings_of(
    found: Calibration, times: IterationTimes, fit: LawFit, instance: Instance | None
) -> Iterator[str]:
    """Yield what should be known before the numbers are used."""
    yield from _repetitions(found)
    yield from _units(found)
    yield from _outliers(found, times, fit)
    yield from _line(found)
    yield from _shape(found)
    yield from _speed_ratio(found, instance)
    yield from _batch(found, times)
    yield from _drift(found)
    yield from _law(found)
    yield from _points(found, times, fit, instance)


def _repetitions(found: Calibration) -> Iterator[str]:
    if found.scatter > SCATTER:
        unread = f" (not used: {', '.join(found.unread)})" if found.unread else ""
        yield (
            f"rows of the same batch differ by {found.scatter:.0%} from their median: if the file "
            f"holds several models or GPUs, take one of them with --where HEADER=VALUE{unread}"
        )


def _units(found: Calibration) -> Iterator[str]:
    low, high = PLAUSIBLE
    if not low <= found.median_seconds <= high:
        yield (
            f"the median iteration takes {found.median_seconds:.3g} s, which is unusual: is the "
            "unit right? --column seconds=HEADER:ms names it"
        )


def _outliers(found: Calibration, times: IterationTimes, fit: LawFit) -> Iterator[str]:
    spikes = [each for each in found.curve if each.outlier]
    if spikes:
        told = ", ".join(
            f"C = {one.chunk_tokens:g} ({one.seconds * 1e3:.4g} ms)" for one in spikes[:5]
        )
        yield f"set aside, far from the chunk sizes on both sides: {told}"
    if fit.outliers.any():
        rows = times[fit.outliers]
        yield (
            f"{len(rows)} of {len(times)} batches are more than half off the law and are set aside "
            f"in it: chunks of {_span(rows.chunk)} tokens, {_span(rows.decodes)} decodes, prefixes "
            f"of {_span(rows.prefix)}, contexts of {_span(rows.context)}"
        )


def _span(values: Floats) -> str:
    low, high = values.min(), values.max()
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _line(found: Calibration) -> Iterator[str]:
    line, whole = found.line, found.ordinary_line
    low, high = line.chunk_tokens
    if found.good_range is None:
        yield (
            f"no range of chunk sizes has a line within {found.tolerance:.0%}: this one is "
            f"{line.max_error:.1%} off at C = {line.max_error_at:g}"
        )
    elif line.max_error > found.tolerance:
        yield (
            f"the line is {line.max_error:.1%} off at C = {line.max_error_at:g}; from C = "
            f"{found.good_range[0]:g} to {found.good_range[1]:g} there is one within "
            f"{found.tolerance:.0%}"
        )
    if (
        whole.r_squared is not None
        and whole.r_squared >= FALSE_COMFORT
        and whole.max_error > found.tolerance
    ):
        yield (
            f"R^2 does not tell: the least-squares line over all chunk sizes has "
            f"R^2 = {whole.r_squared:.4f} and is {whole.max_error:.0%} off at C = "
            f"{whole.max_error_at:g}, since long chunks make up nearly all of the variance"
        )
    outside = [each.chunk_tokens for each in found.curve if not low <= each.chunk_tokens <= high]
    if outside:
        worst = max(
            (each for each in found.curve if each.chunk_tokens in outside and not each.outlier),
            key=lambda each: abs(each.error),
            default=None,
        )
        if worst is not None and abs(worst.error) > found.tolerance:
            yield (
                f"the line holds from C = {low:g} to {high:g} and not beyond: at C = "
                f"{worst.chunk_tokens:g} it is {abs(worst.error):.0%} "
                f"{'above' if worst.error > 0 else 'below'} the measured time"
            )


def _shape(found: Calibration) -> Iterator[str]:
    low, high = found.line.chunk_tokens
    inside = [each for each in found.curve if low <= each.chunk_tokens <= high and not each.outlier]
    chunk = np.array([each.chunk_tokens for each in inside])
    seconds = np.array([each.seconds for each in inside])
    jumps = steps(chunk, np.array([each.error for each in inside]), STEP)
    if jumps:
        largest = sorted(jumps, key=lambda each: -abs(each[2]))[:MOST_STEPS_TOLD]
        told = ", ".join(f"{size:+.0%} from {a:g} to {b:g}" for a, b, size in sorted(largest))
        yield f"the times go in steps, as tiles of kernels make them: against the line {told}"
    bend = slope_change(chunk, seconds)
    if bend is not None and abs(bend) > BENT:
        yield (
            f"the times are not straight: each token of a chunk costs {abs(bend):.0%} "
            f"{'more' if bend > 0 else 'less'} in the upper half of C = {low:g} to {high:g}"
        )


def _speed_ratio(found: Calibration, instance: Instance | None) -> Iterator[str]:
    base, slope = found.line.base.value, found.line.per_chunk_token.value
    solo, slots = found.decode_only.value, round(found.decodes) + 1
    if instance is not None:
        slots = instance.gpu.batch_slots
    if slope <= 0:
        yield "the iteration time does not grow with the chunk: the line is of no use"
        return
    equal, least = (solo - base) / slope, ((slots - 1) / slots * solo - base) / slope
    low, high = found.line.chunk_tokens
    chunk = low if instance is None else float(instance.gpu.chunk_tokens)
    if base > solo:
        yield (
            f"alpha = {base * 1e3:.4g} ms is above tau_solo = {solo * 1e3:.4g} ms: even the "
            "smallest chunk slows the decodes down, as where they leave a faster kernel"
        )
    if chunk < least:
        yield (
            f"kappa is below (B-1)/B = {(slots - 1) / slots:.4g} for chunks below "
            f"{least:.0f} tokens, C = {chunk:g} among them: the theory does not hold there"
        )
    elif chunk < equal:
        yield (
            f"kappa is below 1 for chunks below {equal:.0f} tokens, C = {chunk:g} among them: the "
            "line is below its range there (D1)"
        )
    if instance is not None and not low <= chunk <= high:
        yield (
            f"the chunk of {instance.name}, C = {chunk:g}, is outside the range of the line, "
            f"{low:g} to {high:g}"
        )


def _batch(found: Calibration, times: IterationTimes) -> Iterator[str]:
    if found.moved:
        yield (
            f"{found.moved} of {len(found.curve)} chunk sizes were measured at a batch nearby and "
            f"moved by the law to {found.decodes:g} decodes of {found.context_tokens:g} tokens"
        )
    solo = times[~times.mixed & (times.decodes > 0)]
    outside = [
        f"{name} {value:g} (measured: {values.min():g} to {values.max():g})"
        for name, value, values in (
            ("decodes", found.decodes, solo.decodes),
            ("context", found.context_tokens, solo.context),
        )
        if not values.min() <= value <= values.max()
    ]
    if outside:
        yield f"tau_solo is extrapolated: no decode-only iteration around {', '.join(outside)}"


def _drift(found: Calibration) -> Iterator[str]:
    law, decodes, context = found.law, found.decodes, found.context_tokens
    here = law.solo_time(decodes, decodes * context)
    changes = {
        "half the decodes": law.solo_time(decodes / 2, decodes * context / 2),
        "twice the decodes": law.solo_time(2 * decodes, 2 * decodes * context),
        "half the context": law.solo_time(decodes, decodes * context / 2),
        "twice the context": law.solo_time(decodes, 2 * decodes * context),
    }
    told = [
        f"{time / here - 1:+.0%} with {name}"
        for name, time in changes.items()
        if abs(time / here - 1) > DRIFT
    ]
    if told:
        yield f"tau_solo holds at this batch; it is {', '.join(told)}"


def _law(found: Calibration) -> Iterator[str]:
    if found.undetermined:
        yield (
            "the measurements do not vary enough to tell these terms of the law from the others, "
            f"and they are 0: {', '.join(found.undetermined)}"
        )
    if found.law_errors.p95 > LOOSE_LAW:
        yield (
            f"the law is more than {found.law_errors.p95:.0%} off for one batch in twenty; fit it "
            "to the batches that occur: --within context=LOW:HIGH, --within prefix=LOW:HIGH"
        )


def _points(
    found: Calibration, times: IterationTimes, fit: LawFit, instance: Instance | None
) -> Iterator[str]:
    points = found.operating_points
    if len(points) > 1:
        yield (
            f"plan and law agree at {len(points)} batches: the cluster has several regimes, and "
            "which one it is in depends on what came before; the slowest is taken"
        )
    if points and not points[-1].settled:
        yield (
            "no batch was found at which plan and law agree: the plan jumps, and at the batch "
            f"shown the iteration times are {points[-1].change:.1%} from those of its plan"
        )
    if not points or instance is None:
        return
    point = points[-1]
    beyond = [
        f"{value:.4g} {name} (measured up to {found.measured[key][1]:g})"
        for name, key, value in (
            ("decodes", "decodes", max(point.mixed_decodes, point.solo_decodes)),
            ("tokens of context each", "context_tokens", _context_each(point)),
            ("tokens of prefix", "prefix_tokens", point.prefix_tokens),
        )
        if value > found.measured[key][1]
    ]
    if beyond:
        yield f"the operating point is beyond what was measured: {', '.join(beyond)}"
    near = times.mixed & ~fit.outliers & (times.decodes > 0)
    near &= np.abs(np.log(np.maximum(times.chunk, 1) / instance.gpu.chunk_tokens)) <= WINDOW
    near &= np.abs(np.log(np.maximum(times.decodes, 0.5) / max(point.mixed_decodes, 0.5))) <= WINDOW
    if near.any():
        off = float(np.median(fit.errors[near]))
        if abs(off) > LOCAL_ERROR:
            yield (
                f"around the operating point the law is {abs(off):.0%} "
                f"{'above' if off > 0 else 'below'} the measured mixed iteration times"
            )


def _context_each(point: OperatingPoint) -> float:
    return point.solo_context_tokens / point.solo_decodes if point.solo_decodes > 0 else 0.0
