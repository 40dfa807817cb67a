"""Relative uncertainties against the documents they come from, worked out another way."""

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import t as student
from uncertain_documents import Documents, make_documents

from gnr.fit_result import Band, Banded
from gnr.measure.uncertain_inputs import read_uncertain_inputs


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    return make_documents(tmp_path_factory.mktemp("documents"))


def shares(documents: Documents, calibration: Path | None, fit: Path | None) -> dict[str, float]:
    found = read_uncertain_inputs(documents.instance, documents.demand, calibration, fit, ())
    return {each.label: each.share for each in found}


def jackknifed(documents: Documents) -> float:
    """Return the relative half-width of the line at the chunk, each point left out in turn."""
    chunk, line = documents.instance.gpu.chunk_tokens, documents.calibration.line
    low, high = line.chunk_tokens
    curve = [
        (each.chunk_tokens, each.seconds)
        for each in documents.calibration.curve
        if low <= each.chunk_tokens <= high and not each.outlier
    ]
    times = []
    for left_out in range(len(curve)):
        sizes, seconds = np.array([each for k, each in enumerate(curve) if k != left_out]).T
        slope, base = np.polyfit(sizes, seconds, 1, w=1 / seconds)
        times.append(base + slope * chunk)
    points = len(curve)
    spread = math.sqrt((points - 1) * np.var(times))
    time = line.base.value + line.per_chunk_token.value * chunk
    return float(student.ppf(0.975, points - 2) * spread / time)


def test_the_mixed_time_is_as_uncertain_as_its_line_or_its_law(
    documents: Documents, tmp_path: Path
) -> None:
    found = documents.calibration
    at_point = shares(documents, documents.calibration_file, None)
    assert found.operating_points
    assert at_point["mixed_time"] == pytest.approx(max(jackknifed(documents), found.law_errors.p95))
    half_width = found.decode_only.half_width or 0.0
    assert at_point["decode_only"] == pytest.approx(half_width / found.decode_only.value)
    exact = found.line.model_copy(update={"max_error": 0.0})
    line = found.model_copy(update={"operating_points": (), "line": exact})
    on_line = shares(documents, line.write(tmp_path, "line"), None)
    assert on_line["mixed_time"] == pytest.approx(jackknifed(documents), rel=1e-6)
    naive = found.line.base.half_width or 0.0
    assert on_line["mixed_time"] < naive / found.line.base.value  # as if beta did not make up


def test_bands_by_class_are_those_of_the_fit(documents: Documents) -> None:
    found = shares(documents, None, documents.fit_file)
    for each in documents.fit.classes:
        for quantity, banded in (
            ("prompt_tokens", each.prompt_tokens),
            ("output_tokens", each.output_tokens),
        ):
            assert banded.band is not None
            assert (1 + found[f"{quantity}:{each.name}"]) ** 2 == pytest.approx(
                banded.band.high / banded.band.low
            )


@pytest.mark.parametrize("correlation", [0.0, 0.4, 1.0])
def test_rates_that_vary_together_vary_as_their_sum_does(
    correlation: float, documents: Documents, tmp_path: Path
) -> None:
    """Two classes of 6 and 4 requests/s, both 10 % uncertain, and their sum as correlation has it.

    Variances of the factors add up to those of the classes and, with the rates as weights, to that
    of the sum.
    """
    sigmas, rates = np.log([1.1, 1.1]), np.array([6.0, 4.0])
    parts = rates / rates.sum()
    covariance = np.outer(sigmas, sigmas) * (correlation + (1 - correlation) * np.eye(2))
    of_sum = math.exp(math.sqrt(parts @ covariance @ parts))
    classes = tuple(
        each.model_copy(update={"requests_per_second": banded(rate, math.exp(sigma))})
        for each, rate, sigma in zip(documents.fit.classes, rates, sigmas, strict=True)
    )
    told = {"classes": classes, "total_rate": banded(10.0, of_sum)}
    documents.fit.model_copy(update=told).write(tmp_path)
    found = shares(documents, None, tmp_path / documents.fit_file.name)
    common = math.log1p(found.get("demand", 0.0))
    own = [math.log1p(found.get(f"demand:{each.name}", 0.0)) for each in classes]
    assert [common**2 + each**2 for each in own] == pytest.approx(sigmas**2)
    assert common**2 + sum((parts * own) ** 2) == pytest.approx(math.log(of_sum) ** 2)


def banded(value: float, factor: float) -> Banded:
    return Banded(value=value, band=Band(low=value / factor, high=value * factor))
