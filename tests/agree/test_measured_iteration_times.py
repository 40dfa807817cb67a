"""Calibration against the figures published with the measurements, where these are at hand.

The figures are those of the measurements' own page, fitted there by other code: least squares of
the relative error, batches of 31 decodes of 1,024 tokens on an A100, prefix 0.
"""

import pytest
from measured import measured

from gnr.measure.calibration import calibrate

A100 = ("profiling/derived_tau_mix.csv", "profiling/derived_tau_solo.csv")
RTX = "profiling/derived_rtxpro6000_Llama-3.1-8B_tau.csv"


@pytest.mark.parametrize(
    ("operators", "chunks", "alpha", "beta", "error", "at", "solo"),
    [
        ("vidur", (256, 4096), 10.51, 73.7, 0.082, 256, 15.33),
        ("vidur", (256, 2048), 10.73, 73.2, 0.079, 256, 15.33),
        ("aic", (256, 4096), 8.49, 59.5, 0.035, 4096, 14.68),
        ("aic", (256, 2048), 9.21, 57.9, 0.018, 256, 14.68),
    ],
)
def test_a100_llama_3_8b(
    operators: str,
    chunks: tuple[float, float],
    alpha: float,
    beta: float,
    error: float,
    at: float,
    solo: float,
) -> None:
    """Line and largest error to the digits given; tau_solo between measured batches to 0.5 %."""
    found = calibrate(
        measured(*A100), where=["model=Llama-3-8B", f"linear={operators}"],
        decodes=31, context=1024, chunks=chunks,
    )  # fmt: skip
    assert found.line.base.value * 1e3 == pytest.approx(alpha, abs=0.006)
    assert found.line.per_chunk_token.value * 1e6 == pytest.approx(beta, abs=0.06)
    assert found.line.max_error == pytest.approx(error, abs=6e-4)
    assert found.line.max_error_at == at
    assert found.decode_only.value * 1e3 == pytest.approx(solo, rel=5e-3)
    assert abs(found.decode_only.value * 1e3 - solo) < found.decode_only.half_width * 1e3


@pytest.mark.parametrize(
    ("operators", "r_squared", "error"), [("vidur", 0.9994, 0.19), ("aic", 0.9984, 0.28)]
)
def test_r_squared_misleads(operators: str, r_squared: float, error: float) -> None:
    """The ordinary line over all chunks: R^2 above 0.998, single points 19 and 28 % off."""
    found = calibrate(
        measured(*A100), where=["model=Llama-3-8B", f"linear={operators}"], decodes=31, context=1024
    )
    assert found.ordinary_line.r_squared == pytest.approx(r_squared, abs=6e-5)
    assert found.ordinary_line.max_error == pytest.approx(error, abs=6e-3)
    assert any("R^2 does not tell" in each for each in found.warnings)


@pytest.mark.parametrize(
    ("decodes", "alpha", "beta", "error", "solo"),
    [
        (16, 11.95, 34.4, 0.051, 12.76),
        (32, 14.64, 34.2, 0.053, 15.12),
        (64, 19.27, 35.9, 0.040, 18.82),
        (128, 31.80, 37.1, 0.037, 25.34),
    ],
)
def test_rtx_pro_6000_with_true_mixed_kernels(
    decodes: float, alpha: float, beta: float, error: float, solo: float
) -> None:
    """Chunks of 64 to 1,024; alpha is above tau_solo from 64 decodes on, and it is said."""
    found = calibrate(
        measured(RTX)[0], within=["context=0:2200", "prefix=0:3000"],
        decodes=decodes, context=1024, chunks=(64, 1024),
    )  # fmt: skip
    assert found.line.base.value * 1e3 == pytest.approx(alpha, abs=0.006)
    assert found.line.per_chunk_token.value * 1e6 == pytest.approx(beta, abs=0.06)
    assert found.line.max_error == pytest.approx(error, abs=6e-4)
    assert found.decode_only.value * 1e3 == pytest.approx(solo, rel=2e-3)
    above = any("is above tau_solo" in each for each in found.warnings)
    assert above == (decodes >= 64)


@pytest.mark.parametrize(
    ("files", "where", "base", "per_decode", "per_context"),
    [
        (A100, ("model=Llama-3-8B", "linear=vidur"), 11.02, 0.036, 78.4),
        (A100, ("model=Llama-3-8B", "linear=aic"), 11.04, 0.028, 78.0),
        (A100, ("model=CodeLlama-34B", "linear=vidur"), 24.1, 0.071, 61.7),
        ((RTX,), (), 11.20, 0.020, 86.8),
    ],
)
def test_the_decode_only_part_of_the_law(
    files: tuple[str, ...],
    where: tuple[str, ...],
    base: float,
    per_decode: float,
    per_context: float,
) -> None:
    """c_0, c_1, c_2 by least squares of the relative error, terms in ms, ms and ns."""
    law = calibrate(measured(*files), where=where).law
    assert law.base * 1e3 == pytest.approx(base, rel=5e-3)
    assert law.per_decode * 1e3 == pytest.approx(per_decode, abs=1e-3)
    assert law.per_context_token * 1e9 == pytest.approx(per_context, rel=6e-3)
