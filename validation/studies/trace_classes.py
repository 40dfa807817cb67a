"""The classes of an instance in a request trace: who is in which, and at what rate they come."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnr.arrays import Floats
from gnr.errors import InputError, Problem
from gnr.instance import Instance, RequestClass
from gnr.rates import rates_of
from gnr.request_trace import RequestTrace

Kinds = NDArray[np.int64]


@dataclass(frozen=True)
class ClassedTrace:
    """A trace with its classes.

    Attributes
    ----------
    trace
        The requests.
    kind
        Class of each, shape ``(requests,)``, as numbered in `instance`.
    instance
        The instance with the rates per GPU and the mean lengths that the trace has; classes of
        which the trace has no request are left out.
    missing
        Names of those.
    """

    trace: RequestTrace
    kind: Kinds
    instance: Instance
    missing: tuple[str, ...]

    @property
    def load(self) -> float:
        """Return the arrivals as a share of the most that the program serves in full (eq. D4)."""
        rates = rates_of(self.instance)
        return float(max(rates.prefill_load, rates.decode_load))


def classed(instance: Instance, trace: RequestTrace, gpus: int) -> ClassedTrace:
    """Return a trace whose requests are in the class with the nearest lengths.

    Nearest in the logarithms of prompt and output, to the means of the class.

    Raises
    ------
    InputError
        If all requests come at once, so that there are no rates.
    """
    if trace.span <= 0:
        message = "all requests come at the same time, so that they have no rate"
        raise InputError(
            [Problem("no-span", trace.name, "arrival", message, "replay a log with times")]
        )
    nearest = _nearest(instance, trace)
    counts = np.bincount(nearest, minlength=len(instance.classes))
    there = np.flatnonzero(counts)
    place = np.full(len(counts), -1)
    place[there] = np.arange(len(there))
    kind = place[nearest]
    rows = [instance.classes[i] for i in there]
    return ClassedTrace(
        trace,
        kind,
        instance.model_copy(
            update={"classes": with_averages(rows, trace, kind, trace.span * gpus)}
        ),
        tuple(each.name for each, count in zip(instance.classes, counts, strict=True) if not count),
    )


def with_averages(
    classes: "list[RequestClass]", trace: RequestTrace, kind: Kinds, gpu_seconds: float
) -> tuple[RequestClass, ...]:
    """Return the classes with the rates and mean lengths of the requests of each."""
    number = np.bincount(kind, minlength=len(classes))

    def mean(values: NDArray[np.int64]) -> Floats:
        total = np.bincount(kind, weights=values, minlength=len(classes))
        return np.asarray(total / np.maximum(number, 1))

    prompt, output = mean(trace.prompt_tokens), mean(trace.output_tokens)
    return tuple(
        each.model_copy(
            update={
                "prompt_tokens": float(prompt[i]),
                "output_tokens": float(output[i]),
                "arrival_rate": float(number[i] / gpu_seconds),
            }
        )
        for i, each in enumerate(classes)
    )


def _nearest(instance: Instance, trace: RequestTrace) -> Kinds:
    prompt, output = np.log(trace.prompt_tokens), np.log(trace.output_tokens)
    best, least = np.zeros(len(trace), np.int64), np.full(len(trace), np.inf)
    for i, each in enumerate(instance.classes):
        apart = (prompt - np.log(each.prompt_tokens)) ** 2
        apart += (output - np.log(each.output_tokens)) ** 2
        closer = apart < least
        best[closer], least[closer] = i, apart[closer]
    return best
