"""How uncertain rates and mean lengths are, by a document of `gnr fit`."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gnr.demand import Demand
from gnr.errors import InputError, Problem
from gnr.fit_result import Banded, Fit, FittedClass
from gnr.instance import Instance
from gnr.measure.fit_words import arrival_warnings
from gnr.measure.uncertain_documents import Reading, Told, beyond, read_document, reading_of
from gnr.schema_errors import show, suggest
from gnr.size_band import Quantity


def read_fit(path: Path, instance: Instance, demand: Demand) -> Reading:
    """Return how uncertain rates and mean lengths are, by a document of `gnr fit`.

    Rates of the classes that vary together, as the band of their sum tells, have one factor in
    common and one of their own each. Relative bands of the rates are carried to the demand.

    Raises
    ------
    InputError
        If the file cannot be read, is not such a document, or has other classes.
    """
    found = read_document(path, Fit, "fit")
    problems = list(_mismatches(path, found, instance))
    if problems:
        raise InputError(problems)
    told = [*_rates(path, found, demand), *_lengths(found)]
    return reading_of(path, told, instance, demand, "fit")


def _mismatches(path: Path, found: Fit, instance: Instance) -> Iterator[Problem]:
    """Yield the classes that only the fit has, then those that only the instance has."""
    fitted = [each.name for each in found.classes]
    names = [each.name for each in instance.classes]
    for one, other, words in (
        (fitted, names, f"{{}} is no class of {instance.name}"),
        (names, fitted, f"has no class {{}}, one of {instance.name}"),
    ):
        for name in (each for each in one if each not in other):
            near = suggest(name, [each for each in other if each not in one])
            remedy = "name the fit that the instance was made of"
            yield Problem(
                "uncertain-class",
                str(path),
                "",
                words.format(show(name)),
                f"is it {show(near)}?" if near else remedy,
            )


def _lengths(found: Fit) -> list[Told]:
    told = []
    for each in found.classes:
        prompt = each.prompt_tokens
        if found.prefix_caching and each.effective_prompt_tokens is not None:
            prompt = each.effective_prompt_tokens
        told.append(_of_class("prompt_tokens", each, prompt))
        told.append(_of_class("output_tokens", each, each.output_tokens))
    return told


def _of_class(quantity: Quantity, owner: FittedClass, told: Banded) -> Told:
    return Told((quantity, owner.name), told.value, _share(told))


def _share(told: Banded) -> float | None:
    """Return the factor from the middle of a band to its ends, less 1."""
    if told.band is None or not 0 < told.band.low <= told.band.high < math.inf:
        return None
    return math.sqrt(told.band.high / told.band.low) - 1


def _rates(path: Path, found: Fit, demand: Demand) -> list[Told]:
    """Return the rates of the classes, and what they have in common."""
    total, rates = found.total_rate, [each.requests_per_second for each in found.classes]
    if total is None or None in rates:
        return [
            Told(("demand", each.name), demand.rates[each.name], None) for each in found.classes
        ]
    own = [
        _of_class("demand", each, rate)
        for each, rate in zip(found.classes, rates, strict=True)
        if rate is not None
    ]
    common = _common(own, _share(total))
    return [
        Told(("demand", None), total.value, common),
        *(
            replace(
                each,
                share=_less(each.share, common),
                warnings=(*_scaled(path, each, total, demand), *_unsteady(path, found)),
            )
            for each in own
        ),
    ]


def _unsteady(path: Path, found: Fit) -> tuple[str, ...]:
    """Return how the log's arrivals differ from those that are sized for, as the fit found."""
    if found.arrivals is None:
        return ()
    return tuple(f"{path}: {each}" for each in arrival_warnings(found.arrivals))


def _common(rates: Sequence[Told], total: float | None) -> float:
    r"""Return the relative uncertainty of a factor that the rates of all classes have in common.

    With relative variances :math:`v_i` of the rates, :math:`v` of their sum and :math:`c` of the
    factor, :math:`v\Lambda^2=\sum_i(v_i-c)\lambda_i^2+c\Lambda^2`; c is at least 0 and at most the
    smallest :math:`v_i`.
    """
    shares = [each.share for each in rates if each.share is not None]
    if total is None or len(rates) < 2 or len(shares) < len(rates):
        return 0.0
    parts = np.array([each.value for each in rates])
    parts /= parts.sum()
    variances = np.log1p(shares) ** 2
    beyond = math.log1p(total) ** 2 - float(variances @ parts**2)
    common = min(beyond / (1 - float(parts @ parts)), float(variances.min()))
    return math.expm1(math.sqrt(max(common, 0.0)))


def _less(share: float | None, common: float) -> float | None:
    """Return what is left of a relative uncertainty without a common factor."""
    if share is None:
        return None
    return math.expm1(math.sqrt(max(math.log1p(share) ** 2 - math.log1p(common) ** 2, 0.0)))


def _scaled(path: Path, rate: Told, total: Banded, demand: Demand) -> tuple[str, ...]:
    """Return the warnings that the demand is not that of the log, in all or of this class."""
    warnings = []
    if beyond(demand.total, total.value, _share(total)):
        warnings.append(
            f"the demand is {demand.total / total.value:.4g} times that of {path}: bands of rates "
            "are carried in proportion, as if that log had been so much denser and no shorter"
        )
    name = rate.key[1] or ""
    there, here = rate.value / total.value, demand.rates[name] / demand.total
    if beyond(here, there, rate.share):
        warnings.append(
            f"{name} is {here:.1%} of the demand and {there:.1%} of that of {path}: that is "
            "outside its band, which is carried in proportion"
        )
    return tuple(warnings)
