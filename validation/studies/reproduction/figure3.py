"""Figure 3: the mixed iteration time against the chunk, and the line through it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gnr.arrays import Floats
from gnr.rates import mixed_iteration_time, speed_ratio
from gnr.reproduction import Lines, Quantity, Reference, Series
from gnr.validation.studies.reproduction.effort import Effort
from gnr.validation.studies.reproduction.open_figures import IterationCurve, open_data
from gnr.validation.studies.reproduction.outline import Measured
from gnr.validation.studies.reproduction.printed import CHUNK, FITS, PrintedFit
from gnr.validation.studies.reproduction.quantities import as_printed, unrepeated


def measured(documents: Mapping[Any, Any], effort: Effort) -> Measured:
    """Return lines through open measurements, what the printed ones derive, and the picture."""
    curves = open_data().curves
    quantities = [each for item in curves.items() for each in _fit(*item)]
    quantities += [each for item in FITS.items() for each in _derived(*item)]
    models = dict.fromkeys(each.model for each in curves.values())
    panels = [
        _times(model, [each for each in curves.values() if each.model == model]) for model in models
    ]
    return Measured(quantities, [*panels, _errors(curves)])


def _fit(name: str, curve: IterationCurve) -> list[Quantity]:
    planning = f"{curve.label}: largest error of a line from C = {CHUNK} on"
    return [
        unrepeated(f"r_squared_{name}", f"{curve.label}: R2", curve.line.r_squared),
        unrepeated(
            f"worst_{name}",
            f"{curve.label}: largest error of the paper's line",
            100 * curve.line.max_error,
            "%",
        ),
        unrepeated(f"worst_planning_{name}", planning, 100 * curve.planning_line.max_error, "%"),
    ]


def _derived(name: str, fit: PrintedFit) -> list[Quantity]:
    """Return what the printed line comes to; b0 is by (D1)."""
    solo = 1 / fit.speed
    mixed = mixed_iteration_time(fit.base, fit.per_chunk_token, CHUNK)
    threshold = (solo - fit.base) / fit.per_chunk_token
    return [
        as_printed(f"printed_r_squared_{name}", f"{fit.model}: R2", fit.r_squared),
        as_printed(
            f"solo_{name}", f"{fit.model}: time of a solo iteration (1/gamma)", 1e3 * solo, "ms"
        ),
        as_printed(
            f"mixed_{name}",
            f"{fit.model}: time of a mixed iteration (tau) at C = {CHUNK}",
            1e3 * mixed,
            "ms",
        ),
        as_printed(
            f"kappa_{name}",
            f"{fit.model}: ratio of the two (kappa) at C = {CHUNK}",
            speed_ratio(mixed, solo),
        ),
        as_printed(
            f"threshold_{name}",
            f"{fit.model}: chunk from which mixed takes longer than solo (b0)",
            threshold,
            "tokens",
        ),
    ]


def _times(model: str, curves: Sequence[IterationCurve]) -> Lines:
    series = []
    for curve in curves:
        points = tuple(1e3 * each for each in curve.seconds)
        line = tuple((1e3 * _on_the_line(curve)).tolist())
        series.append(Series(label=curve.timings, x=curve.chunk_tokens, y=points))
        series.append(Series(label=f"{curve.timings}, line", x=curve.chunk_tokens, y=line))
    return Lines(
        title=f"{model}: iteration time and fitted line",
        x_label="chunk, tokens",
        y_label="ms",
        series=tuple(series),
    )


def _on_the_line(curve: IterationCurve) -> Floats:
    """Return the line at the measured chunks, s."""
    return curve.line.base + curve.line.per_chunk_token * np.array(curve.chunk_tokens)


def _errors(curves: Mapping[str, IterationCurve]) -> Lines:
    series = []
    for curve in curves.values():
        errors = 100 * (_on_the_line(curve) / np.array(curve.seconds) - 1)
        series.append(Series(label=curve.label, x=curve.chunk_tokens, y=tuple(errors.tolist())))
    return Lines(
        title="Line less measurement",
        x_label="chunk, tokens",
        y_label="% of the measurement",
        series=tuple(series),
        references=(Reference(label="on the line", y=0.0),),
        x_log=True,
    )
