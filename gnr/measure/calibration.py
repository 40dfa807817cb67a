"""From a table of iteration times to the line of (P3), its trust, and the law by batch."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from gnr.batch_law import BatchLaw
from gnr.calibration_result import (
    Calibration,
    CurvePoint,
    Ends,
    FittedLine,
    LawErrors,
    Measured,
    OperatingPoint,
    ReadColumn,
)
from gnr.errors import InputError, Problem
from gnr.instance import Instance
from gnr.measure.calibration_warnings import warnings_of
from gnr.measure.iteration_times import IterationTimes, read_iteration_times, repeated_once
from gnr.measure.law_fit import LawFit, fit_law
from gnr.measure.line_fit import (
    LEAST_POINTS,
    Curve,
    Line,
    curve_at,
    fit_line,
    good_range,
    measured_batches,
    ordinary_line,
    solo_time_at,
)
from gnr.measure.operating_point import mean_context, operating_points
from gnr.provenance import record

TOLERANCE = 0.05
"""Relative error of the line that is called good, unless another is asked for."""

NO_GROWTH = 1e-6
"""What the longest chunk adds, as a share of a decode-only iteration, that is nothing."""

LEAST_SOLO_BATCHES = 3
"""Decode-only batches below which the law has no decode-only part."""


@dataclass(frozen=True)
class Request:
    """What is asked for; None is found from the measurements.

    Attributes
    ----------
    decodes, context
        Batch at which the line is fitted: decodes, and tokens of context of each.
    prefix
        Prompt tokens before the chunk.
    chunks
        Smallest and largest chunk of the line.
    tolerance
        Relative error up to which a line is called good.
    overhead
        Time per iteration that the measurements lack, s.
    """

    decodes: float | None = None
    context: float | None = None
    prefix: float = 0.0
    chunks: Ends | None = None
    tolerance: float = TOLERANCE
    overhead: float = 0.0

    def check(self) -> None:
        """Raise `InputError` with every field out of range."""
        low, high = self.chunks or (1.0, 2.0)
        wrong = [
            (not 0 <= (self.decodes or 0) < np.inf, "--decodes", "be 0 or more"),
            (not 0 <= (self.context or 0) < np.inf, "--context", "be 0 or more"),
            (not 0 <= self.prefix < np.inf, "--prefix", "be 0 or more"),
            (not 0 < low < high < np.inf, "--chunks", "be LOW:HIGH with 0 < LOW < HIGH"),
            (not 0 < self.tolerance < 1, "--tolerance", "be a share between 0 and 1"),
            (not 0 <= self.overhead < 10, "--overhead", "be seconds, from 0 to 10"),
        ]
        problems = [
            Problem("calibrate-range", option, "", f"must {rule}", "see `gnr calibrate --help`")
            for bad, option, rule in wrong
            if bad
        ]
        if problems:
            raise InputError(problems)


def calibrate(
    files: str | Path | Sequence[str | Path],
    *,
    columns: Sequence[str] = (),
    where: Sequence[str] = (),
    within: Sequence[str] = (),
    request: Request | None = None,
    instance: Instance | None = None,
    options: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Calibration:
    """Fit the line of the iteration time and the law by batch to measurements.

    Parameters
    ----------
    files
        One table or several, CSV or JSONL: chunk tokens, decodes, context tokens, seconds.
    columns
        Texts ``QUANTITY=HEADER[:UNIT]`` for columns that go by other names.
    where
        Texts ``HEADER=VALUE``: rows to take.
    within
        Texts ``QUANTITY=LOW:HIGH``: rows to take, by quantity.
    request, changes
        What to fit; single fields of `Request` may be given as keywords instead.
    instance
        Its chunk and slots are used and, unless the decodes are stated, the batch is found at
        which its plan and the law agree.
    options
        Further options to write into the provenance.

    Raises
    ------
    InputError
        If a file cannot be read, or has too few rows for a line at this batch.
    NoOptimumError
        If the instance has no plan at the iteration times found.
    """
    started = time.perf_counter()
    asked = Request(**(vars(request or Request()) | changes))
    asked.check()
    paths = [files] if isinstance(files, str | Path) else list(files)
    table = read_iteration_times([Path(each) for each in paths], columns, where, within)
    read = replace(table.times, seconds=table.times.seconds + asked.overhead)
    label = ", ".join(str(each) for each in paths)
    times, repeated, scatter = repeated_once(read)
    _check_rows(times, label)
    fit = fit_law(times)
    asked = _with_batch(times, asked, instance, label)
    curve = curve_at(times, fit, float(asked.decodes or 0), float(asked.context or 0), asked.prefix)
    _check_curve(curve, times, asked, label)
    good = good_range(curve.chunk, curve.seconds, asked.tolerance)
    inside = _inside(curve, asked.chunks, good, label)
    line = fit_line(curve.chunk[inside], curve.seconds[inside])
    solo = solo_time_at(times, fit, float(asked.decodes or 1), float(asked.context or 0))
    points: tuple[OperatingPoint, ...] = ()
    if instance is not None and (request or Request()).decodes is None and "decodes" not in changes:
        points = operating_points(instance, fit.law)
    found = Calibration(
        files=table.digests,
        columns=tuple(
            ReadColumn(
                file=file, quantity=name, header=each.header, unit=each.unit, assumed=each.assumed
            )
            for file, name, each in table.columns
        ),
        rows=len(read),
        repeated=repeated,
        scatter=scatter,
        unread=table.unread,
        median_seconds=float(np.median(read.seconds)),
        overhead=asked.overhead,
        decodes=float(asked.decodes or 0),
        context_tokens=float(asked.context or 0),
        prefix_tokens=curve.prefix,
        moved=curve.moved,
        line=_fitted(line),
        decode_only=Measured(value=solo[0], half_width=solo[1]),
        good_range=None if good is None else _ends(curve.chunk[list(good)]),
        tolerance=asked.tolerance,
        ordinary_line=_fitted(ordinary_line(curve.chunk, curve.seconds)),
        curve=_points(curve, line),
        law=fit.law,
        law_errors=_law_errors(fit),
        undetermined=tuple(sorted(_TERMS - fit.told_apart)),
        measured=_measured(times),
        instance=None if instance is None else instance.name,
        operating_points=points,
        warnings=(),
        provenance=record(
            None if instance is None else instance.sha256(),
            started,
            {"files": [str(each) for each in paths], "columns": list(columns)}
            | {"where": list(where), "within": list(within)}
            | vars(asked)
            | dict(options or {}),
        ),
    )
    return found.model_copy(update={"warnings": tuple(warnings_of(found, times, fit, instance))})


_TERMS = frozenset(BatchLaw.model_fields) - {"free_tokens", "decode_weight"}


def _check_rows(times: IterationTimes, label: str) -> None:
    """Refuse a table without decode-only or without mixed iterations."""
    solo = times[~times.mixed & (times.decodes > 0)]
    batches = len(np.unique(np.stack([solo.decodes, solo.context]), axis=1).T)
    problems = []
    if batches < LEAST_SOLO_BATCHES:
        message = (
            f"has {batches} decode-only batches (chunk 0, decodes above 0); at least "
            f"{LEAST_SOLO_BATCHES} are needed for tau_solo"
        )
        remedy = "name a file of decode-only iterations beside this one"
        problems.append(Problem("solo-rows", label, "chunk", message, remedy))
    if not times.mixed.any():
        message, remedy = "has no iteration with a chunk", "name a file of mixed iterations too"
        problems.append(Problem("mixed-rows", label, "chunk", message, remedy))
    if problems:
        raise InputError(problems)


def _with_batch(
    times: IterationTimes, asked: Request, instance: Instance | None, label: str
) -> Request:
    """Return the request with a batch that was measured: the one nearest to the instance's.

    Without an instance, the one with most chunk sizes.
    """
    batches = measured_batches(times)
    if not batches:
        message, remedy = "has no chunk beside decodes", "measure iterations with both"
        raise InputError([Problem("mixed-rows", label, "decodes", message, remedy)])
    enough = [each for each in batches if each[2] >= LEAST_POINTS] or batches
    wanted, near = asked.decodes, asked.context
    if instance is not None:
        wanted = instance.gpu.batch_slots - 1 if wanted is None else wanted
        near = mean_context(instance, 1.0) if near is None else near
    if wanted is not None:
        enough.sort(key=lambda each: abs(np.log(each[0] / max(wanted, 0.5))))
        enough = [each for each in enough if each[0] == enough[0][0]]
    if near is not None:
        enough.sort(key=lambda each: abs(np.log(max(each[1], 1.0) / max(near, 1.0))))
    decodes, context, _ = enough[0]
    return replace(
        asked,
        decodes=decodes if asked.decodes is None else asked.decodes,
        context=context if asked.context is None else asked.context,
    )


def _check_curve(curve: Curve, times: IterationTimes, asked: Request, label: str) -> None:
    """Refuse a batch at which too few chunk sizes were measured."""
    if len(curve.chunk) >= LEAST_POINTS:
        return
    there = "; ".join(
        f"{decodes:g} of {context:g} ({count})"
        for decodes, context, count in measured_batches(times)[:5]
    )
    message = (
        f"{len(curve.chunk)} chunk sizes were measured beside {asked.decodes:g} decodes of about "
        f"{asked.context:g} tokens of context; a line needs {LEAST_POINTS}"
    )
    remedy = f"say --decodes and --context; measured (chunk sizes): {there}"
    raise InputError([Problem("few-chunks", label, "chunk", message, remedy)])


def _inside(
    curve: Curve, chunks: Ends | None, good: tuple[int, int] | None, label: str
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return the points of the line: those asked for, else where it is good, else all."""
    if chunks is not None:
        inside = (curve.chunk >= chunks[0]) & (curve.chunk <= chunks[1])
        if inside.sum() < LEAST_POINTS:
            message = f"{inside.sum()} measured chunk sizes are from {chunks[0]:g} to {chunks[1]:g}"
            sizes = ", ".join(f"{each:g}" for each in curve.chunk)
            remedy = f"take a range with {LEAST_POINTS} of them at least; measured: {sizes}"
            raise InputError([Problem("few-chunks", label, "--chunks", message, remedy)])
        return inside
    place = np.arange(len(curve.chunk))
    return np.full(len(place), True) if good is None else (place >= good[0]) & (place <= good[1])


def _fitted(line: Line) -> FittedLine:
    error, place = line.worst
    return FittedLine(
        base=Measured(value=line.base, half_width=line.base_half_width),
        per_chunk_token=Measured(
            value=line.per_chunk_token, half_width=line.per_chunk_token_half_width
        ),
        chunk_tokens=_ends(line.chunk),
        points=len(line.chunk),
        max_error=error,
        max_error_at=place,
        r_squared=line.r_squared,
    )


def _ends(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Ends:
    return float(values.min()), float(values.max())


def _points(curve: Curve, line: Line) -> tuple[CurvePoint, ...]:
    every = [(float(c), float(s), False) for c, s in zip(curve.chunk, curve.seconds, strict=True)]
    every += [(chunk, seconds, True) for chunk, seconds in curve.spikes]
    return tuple(
        CurvePoint(
            chunk_tokens=chunk,
            seconds=seconds,
            error=(line.base + line.per_chunk_token * chunk) / seconds - 1,
            outlier=outlier,
        )
        for chunk, seconds, outlier in sorted(every)
    )


def _law_errors(fit: LawFit) -> LawErrors:
    errors = np.abs(fit.errors[~fit.outliers])
    return LawErrors(
        rows=len(errors),
        mean=float(errors.mean()),
        p95=float(np.quantile(errors, 0.95)),
        max=float(errors.max()),
        outliers=int(fit.outliers.sum()),
    )


def _measured(times: IterationTimes) -> dict[str, Ends]:
    decoding, mixed = times.decodes > 0, times.mixed
    return {
        "chunk_tokens": _ends(times.chunk[mixed]),
        "decodes": _ends(times.decodes),
        "context_tokens": _ends(times.context[decoding]),
        "prefix_tokens": _ends(times.prefix[mixed]),
    }


def calibrated(instance: Instance, found: Calibration) -> Instance:
    """Return an instance with the iteration time of a calibration, which its source names.

    Raises
    ------
    InputError
        If iterations do not take longer with longer chunks.
    """
    time, longest = found.iteration_time, found.measured["chunk_tokens"][1]
    if time.per_chunk_token * longest <= NO_GROWTH * time.decode_only:
        message = "the iteration time does not grow with the chunk, so that no instance is written"
        remedy = "measure longer chunks, or take others with --chunks LOW:HIGH"
        raise InputError([Problem("flat-line", ", ".join(found.files), "chunk", message, remedy)])
    files = "; ".join(
        f"{Path(file).name} (sha256 {digest[:16]}...)" for file, digest in found.files.items()
    )
    line, error = found.line, f"{found.line.max_error:.1%}"
    how = (
        "at the batch where plan and law agree"
        if found.operating_points
        else f"line for C = {line.chunk_tokens[0]:g} to {line.chunk_tokens[1]:g}, {error} off at "
        f"the most, beside {found.decodes:g} decodes of {found.context_tokens:g} tokens"
    )
    gpu = instance.gpu.model_copy(update={"iteration_time": found.iteration_time})
    source = f"{instance.source}; iteration times: `gnr calibrate` on {files}: {how}"
    return instance.model_copy(update={"gpu": gpu, "source": source})
