"""Calibration finds what was planted: lines, laws, outliers, units, several regimes."""

from pathlib import Path

import numpy as np
import pytest

import gnr
from gnr.batch_law import BatchLaw, law_of
from gnr.errors import InputError, NoOptimumError
from gnr.measure.calibration import calibrate, calibrated
from gnr.measure.iteration_times import IterationTimes, check_units, repeated_once
from gnr.measure.law_fit import fit_law
from gnr.measure.line_fit import (
    curve_at,
    fit_line,
    good_range,
    measured_batches,
    ordinary_line,
    slope_change,
    solo_time_at,
    steps,
)
from gnr.measure.operating_point import operating_points
from gnr.validation.drawing_rule import drawn_instance

LAW = BatchLaw(
    base=0.011,
    per_decode=4e-5,
    per_context_token=8e-8,
    with_chunk=1.5e-3,
    per_chunk_token=6e-5,
    free_tokens=128,
    per_token_pair=3e-9,
    per_context_token_with_chunk=5e-8,
)


def iterations(law: BatchLaw = LAW, noise: float = 0.0, seed: int = 0) -> IterationTimes:
    """Return times by `law` on a grid of batches, with relative noise."""
    grid = np.array(
        [
            (chunk, prefix, decodes, context)
            for chunk in (0, 16, 32, 64, 128, 256, 512, 768, 1024, 2048)
            for prefix in ((0, 1024) if chunk else (0,))
            for decodes in (1, 8, 32, 128)
            for context in (128, 1024, 4096)
        ],
        float,
    )
    chunk, prefix, decodes, context = grid.T
    total = decodes * context
    seconds = np.where(
        chunk > 0, law.mixed_time(chunk, prefix, decodes, total), law.solo_time(decodes, total)
    )
    noisy = seconds * np.exp(noise * np.random.default_rng(seed).standard_normal(len(seconds)))
    return IterationTimes(chunk, prefix, decodes, context, noisy)


def assert_close(found: BatchLaw, law: BatchLaw, relative: float) -> None:
    for key in type(law).model_fields:
        assert getattr(found, key) == pytest.approx(getattr(law, key), rel=relative, abs=1e-12), key


def test_a_planted_law_is_found_with_its_threshold() -> None:
    """Protects every term of the fit, the search of the threshold among them."""
    assert_close(fit_law(iterations()).law, LAW, 1e-6)


@pytest.mark.parametrize("factor", [0.3, 3.0, 30.0])
def test_outliers_are_set_aside_and_do_not_move_the_law(factor: float) -> None:
    """A tenth of the rows is off by a factor; the law is that of the others."""
    times = iterations(noise=0.01, seed=3)
    spoilt = np.random.default_rng(1).random(len(times)) < 0.1
    bad = IterationTimes(
        times.chunk, times.prefix, times.decodes, times.context,
        np.where(spoilt, factor * times.seconds, times.seconds),
    )  # fmt: skip
    fit = fit_law(bad)
    assert (fit.outliers == spoilt).all()
    clean = fit_law(times[~spoilt])
    assert_close(fit.law, clean.law, 1e-6)
    assert np.abs(fit.errors[~spoilt]).max() < 0.06


def test_terms_that_were_not_varied_are_named_and_left_at_zero() -> None:
    """With one context alone, reading it cannot be told from the number of decodes."""
    times = iterations()
    fit = fit_law(times[times.context == 1024.0])
    assert "per_context_token" not in fit.told_apart
    assert fit.law.per_context_token == 0
    assert "per_decode" in fit.told_apart


def test_terms_are_never_negative() -> None:
    """A law that falls with the batch would be nonsense outside the rows."""
    falling = IterationTimes(
        np.array([0.0, 0, 0, 0, 64, 128, 256, 512]),
        np.zeros(8),
        np.array([1.0, 2, 4, 8, 1, 2, 4, 8]),
        np.full(8, 512.0),
        np.array([0.03, 0.025, 0.02, 0.01, 0.04, 0.035, 0.03, 0.02]),
    )
    law = fit_law(falling).law
    assert min(getattr(law, key) for key in type(law).model_fields) >= 0


def test_the_law_of_an_instance_is_its_own_line() -> None:
    """(P1), (D1): the full chunk takes alpha + beta C whatever the batch, a short one tau_solo."""
    instance = gnr.load("two-class")
    law, time = law_of(instance), instance.gpu.iteration_time
    for decodes in (0, 7, 15):
        assert law.mixed_time(256, 0, decodes, 9999.0) == pytest.approx(
            time.base + 256 * time.per_chunk_token, rel=1e-12
        )
        assert law.mixed_time(10, 0, decodes, 0.0) == pytest.approx(time.decode_only, rel=1e-12)
        assert law.solo_time(decodes, 5000.0) == time.decode_only
    line = law.line_at(256, 0, (15, 1e4), (16, 1e4))
    assert line.base == pytest.approx(time.base, rel=1e-12)
    assert line.per_chunk_token == pytest.approx(time.per_chunk_token, rel=1e-12)


def test_the_line_touches_the_law() -> None:
    """Its slope is the law's derivative in the chunk, its value the law's."""
    line = LAW.line_at(512, 300, (31, 4e4), (32, 3e4))
    ahead, back = (LAW.mixed_time(512 + d, 300, 31, 4e4) for d in (0.01, -0.01))
    assert line.per_chunk_token == pytest.approx((ahead - back) / 0.02, rel=1e-6)
    assert line.base + 512 * line.per_chunk_token == pytest.approx(
        LAW.mixed_time(512, 300, 31, 4e4), rel=1e-12
    )
    assert line.decode_only == LAW.solo_time(32, 3e4)


def test_repetitions_count_once_by_their_median() -> None:
    """One batch measured often must not outweigh the others; a glitch in it does nothing."""
    times = IterationTimes(
        np.array([0.0, 0, 0, 0, 5]), np.zeros(5), np.array([2.0, 2, 2, 2, 2]), np.full(5, 9.0),
        np.array([4.0, 1.0, 2.0, 100.0, 7.0]),
    )  # fmt: skip
    once, repeated, scatter = repeated_once(times)
    assert repeated == 3
    assert scatter == pytest.approx((1 / 3 + 2 / 3) / 2), "of 1/3, 1/3, 2/3 and much more"
    assert list(once.seconds) == [3.0, 7.0]
    assert list(once.chunk) == [0.0, 5.0]


def test_two_models_in_one_table_are_noticed(tmp_path: Path) -> None:
    """Every batch twice, the second 1.7 times as slow: the column that tells them is named."""
    times = iterations(noise=0.01)
    rows = np.stack([times.chunk, times.decodes, times.context, times.prefix, times.seconds]).T
    lines = [
        ",".join(repr(float(x)) for x in [*row[:4], factor * row[4]]) + f",{model}"
        for model, factor in (("small", 1.0), ("large", 1.7))
        for row in rows
    ]
    path = tmp_path / "times.csv"
    path.write_text("\n".join(["chunk,n_dec,ctx,prefix,s,model", *lines]) + "\n")
    both = calibrate(path, decodes=32, context=1024)
    assert any("several models" in each and "model" in each for each in both.warnings)
    one = calibrate(path, where=["model=small"], decodes=32, context=1024)
    assert not any("several models" in each for each in one.warnings)


UNITS = {
    "a tenth": lambda times: np.random.default_rng(2).random(len(times)) < 0.1,
    "every other": lambda times: np.arange(len(times)) % 2 == 0,
    "most": lambda times: np.random.default_rng(2).random(len(times)) < 0.9,
    "decode-only": lambda times: ~times.mixed,
    "with a chunk": lambda times: times.mixed,
    "long chunks": lambda times: times.chunk > 300,
    "large batches": lambda times: times.decodes > 16,
    "long contexts": lambda times: times.context > 2000,
    "the first quarter": lambda times: np.arange(len(times)) < len(times) / 4,
}
"""Which rows are in another unit."""


@pytest.mark.parametrize("factor", [1e3, 1e-3, 1e6])
@pytest.mark.parametrize("which", UNITS)
def test_two_units_in_one_table_are_refused(which: str, factor: float) -> None:
    """Rows in ms or µs among rows in s, wherever they are."""
    times = iterations(noise=0.05)
    seconds = np.where(UNITS[which](times), factor, 1.0) * times.seconds
    bad = IterationTimes(times.chunk, times.prefix, times.decodes, times.context, seconds)
    with pytest.raises(InputError, match="two units"):
        check_units(bad, "file")


@pytest.mark.parametrize("seed", range(30))
def test_honest_tables_of_any_shape_are_in_one_unit(seed: int) -> None:
    """Random laws on random grids, noise and a few glitches of a thousandfold among them."""
    rng = np.random.default_rng(seed)
    law = BatchLaw(
        base=rng.uniform(0.001, 0.05),
        per_decode=10 ** rng.uniform(-6, -3),
        per_context_token=10 ** rng.uniform(-9, -6),
        with_chunk=rng.uniform(0, 0.01),
        per_chunk_token=10 ** rng.uniform(-5.5, -3.5),
        per_token_pair=10 ** rng.uniform(-10, -8),
    )
    times = iterations(law, noise=rng.uniform(0, 0.2), seed=seed)
    times = times[rng.random(len(times)) < rng.uniform(0.2, 1.0)]
    seconds = times.seconds.copy()
    seconds[:1] *= 1e3
    glitch = IterationTimes(times.chunk, times.prefix, times.decodes, times.context, seconds)
    check_units(glitch, "file")


def test_times_that_do_not_vary_have_no_r_squared_and_no_bend() -> None:
    """0/0 is not minus infinity, and rounding no curvature."""
    chunk = np.array([64.0, 128, 256, 512, 1024, 2048])
    assert ordinary_line(chunk, np.full(6, 0.02)).r_squared is None
    assert slope_change(chunk, np.full(6, 0.02) + 1e-17 * chunk) is None


def test_the_intervals_of_the_line_cover() -> None:
    """95 % of them, at six chunk sizes with 3 % noise: 400 runs, 3 standard errors allowed."""
    chunk = np.array([128.0, 256, 512, 768, 1024, 2048])
    exact, rng = 0.01 + 6e-5 * chunk, np.random.default_rng(5)
    covered = np.zeros(2)
    for _ in range(400):
        line = fit_line(chunk, exact * np.exp(0.03 * rng.standard_normal(6)))
        covered += [
            abs(line.base - 0.01) <= line.base_half_width,
            abs(line.per_chunk_token - 6e-5) <= line.per_chunk_token_half_width,
        ]
    assert (np.abs(covered / 400 - 0.95) < 0.033 + 0.015).all()


def test_rows_of_batches_nearby_are_moved_by_the_law() -> None:
    """No chunk was measured beside 30 decodes of 1,100 tokens: those beside 32 of 1,024 are."""
    times = iterations()
    fit = fit_law(times)
    curve = curve_at(times, fit, 30, 1100, 0)
    assert curve.moved == len(curve.chunk) == 9
    assert curve.seconds == pytest.approx(LAW.mixed_time(curve.chunk, 0, 30, 30 * 1100), rel=1e-6)
    after = curve_at(times, fit, 32, 1024, 900)
    assert after.prefix == 1024
    assert after.seconds == pytest.approx(LAW.mixed_time(after.chunk, 1024, 32, 32768), rel=1e-6)


def test_with_few_decode_only_batches_there_is_no_interval() -> None:
    """Three batches and three terms fit exactly: that says nothing."""
    times = iterations(noise=0.05)
    few = np.flatnonzero(~times.mixed)[[0, 5, 10]]
    some = times[np.concatenate([few, np.flatnonzero(times.mixed)])]
    assert solo_time_at(some, fit_law(some), 8, 1024)[1] is None


def test_a_line_by_hand() -> None:
    """Points on a line give it back with nothing to be uncertain about."""
    chunk = np.array([100.0, 200, 400, 800])
    line = fit_line(chunk, 0.01 + 1e-4 * chunk)
    assert (line.base, line.per_chunk_token) == (pytest.approx(0.01), pytest.approx(1e-4))
    assert line.base_half_width == pytest.approx(0, abs=1e-12)
    assert line.worst[0] == pytest.approx(0, abs=1e-12)


def test_the_relative_fit_by_hand() -> None:
    """Two times at one chunk: the relative fit through 1 and 3 takes 1.2, the ordinary one 2.

    Minimising (a - 1)^2 + (a/3 - 1)^2 gives a = (1 + 1/3) / (1 + 1/9) = 1.2.
    """
    chunk = np.array([1.0, 1, 2, 2])
    relative = fit_line(chunk, np.array([1.0, 3, 1, 3]))
    assert relative.base + relative.per_chunk_token == pytest.approx(1.2)
    assert relative.per_chunk_token == pytest.approx(0, abs=1e-12)
    assert ordinary_line(chunk, np.array([1.0, 3, 1, 3])).base == pytest.approx(2.0)


def test_the_good_range_leaves_the_shelf_out() -> None:
    """Flat up to 128 tokens, straight above: the line is good from about there on."""
    chunk = np.array([16.0, 32, 64, 128, 256, 512, 1024, 2048])
    seconds = np.maximum(0.02, 0.012 + 6e-5 * chunk)
    first, last = good_range(chunk, seconds, 0.001) or (-1, -1)
    assert (chunk[first], chunk[last]) == (256, 2048)
    assert good_range(np.arange(1.0, 9), 2.0 ** np.arange(8), 1e-3) is None


def test_steps_and_bends_are_told() -> None:
    """A step of a tenth between 320 and 384, a slope that doubles."""
    chunk = np.array([256.0, 320, 384, 448, 512, 640])
    seconds = np.where(chunk > 350, 1.1, 1.0) * (0.01 + 1e-4 * chunk)
    (step,) = steps(chunk, (0.01 + 1e-4 * chunk) / seconds - 1, 0.04)
    assert step == (320, 384, pytest.approx(0.1))
    bent = np.concatenate([chunk[:4], chunk[3] + 2 * (chunk[4:] - chunk[3])])
    assert slope_change(chunk, bent * 1e-4 + 0.01) == pytest.approx(1.0)


def test_tau_solo_between_measurements_and_its_interval() -> None:
    """Exact where the law is; an interval that covers where measurements scatter."""
    times = iterations()
    found, half = solo_time_at(times, fit_law(times), 16, 512)
    assert found == pytest.approx(LAW.solo_time(16, 16 * 512), rel=1e-6)
    assert half is not None
    assert half == pytest.approx(0, abs=1e-8)
    covered = 0
    for seed in range(40):
        noisy = iterations(noise=0.03, seed=seed)
        found, half = solo_time_at(noisy, fit_law(noisy), 16, 512)
        covered += abs(found - LAW.solo_time(16, 16 * 512)) <= (half or 0.0)
    assert covered >= 34


def test_the_batch_of_most_chunk_sizes_is_taken_by_default() -> None:
    times = iterations()
    assert measured_batches(times)[0][2] == 9


def table(tmp_path: Path, times: IterationTimes, header: str = "chunk,n_dec,ctx,prefix,s") -> Path:
    """Write iteration times as CSV."""
    rows = np.stack([times.chunk, times.decodes, times.context, times.prefix, times.seconds]).T
    lines = [",".join(repr(float(x)) for x in row) for row in rows]
    path = tmp_path / "times.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_units_and_names_of_columns_make_no_difference(tmp_path: Path) -> None:
    """Seconds, ms in the header, and ms by option give the same calibration."""
    times = iterations(noise=0.01)
    plain = calibrate(table(tmp_path, times), decodes=32, context=1024)
    milli = IterationTimes(
        times.chunk, times.prefix, times.decodes, times.context, 1e3 * times.seconds
    )
    named = calibrate(
        table(tmp_path, milli, "chunk_tokens,B,context,kv_prefill,tau_ms"), decodes=32, context=1024
    )
    other = calibrate(
        table(tmp_path, milli, "chunk,n_dec,ctx,prefix,t"),
        columns=["seconds=t:ms"], decodes=32, context=1024,
    )  # fmt: skip
    for each in (named, other):
        assert each.line.base.value == pytest.approx(plain.line.base.value, rel=1e-9)
        assert each.decode_only.value == pytest.approx(plain.decode_only.value, rel=1e-9)
    assert [each.unit for each in other.columns if each.quantity == "seconds"] == ["ms"]


def test_the_order_of_the_rows_makes_no_difference(tmp_path: Path) -> None:
    times = iterations(noise=0.02)
    shuffled = times[np.random.default_rng(0).permutation(len(times))]
    one, other = (calibrate(table(tmp_path, each), decodes=32) for each in (times, shuffled))
    assert one.law == other.law
    assert one.line == other.line


def test_where_it_is_extrapolated_it_says_so(tmp_path: Path) -> None:
    """Beyond the measured batch, and a chunk beyond the measured chunks."""
    path = table(tmp_path, iterations())
    found = calibrate(path, decodes=150, context=4096)
    assert any("extrapolated" in each for each in found.warnings)
    instance = gnr.load("two-class", ["gpu.chunk_tokens=4096"])
    found = calibrate(path, instance=instance, decodes=32)
    assert any("outside the range of the line" in each for each in found.warnings)


def test_a_long_chunk_hides_a_bad_line_from_r_squared(tmp_path: Path) -> None:
    """The ordinary line has R^2 > 0.99 and is far off at short chunks; the warning says so."""
    found = calibrate(table(tmp_path, iterations()), decodes=32, context=1024)
    assert found.ordinary_line.r_squared > 0.99
    assert found.ordinary_line.max_error > 0.1
    assert any("R^2 does not tell" in each for each in found.warnings)


def test_a_point_where_plan_and_law_agree_is_one() -> None:
    """The line there gives a plan whose batch, put into the law, gives the line (fixed point)."""
    instance = gnr.load("two-class")
    (point,) = operating_points(instance, LAW)
    gpu = instance.gpu.model_copy(update={"iteration_time": point.iteration_time})
    solution = gnr.solve(instance.model_copy(update={"gpu": gpu}))
    solo_gpus = 1 - sum(each.prefill for each in solution.classes)
    decodes = sum(each.solo_decode for each in solution.classes) / solo_gpus
    context = sum(
        each.solo_decode * (one.prompt_tokens + one.output_tokens)
        for each, one in zip(solution.classes, instance.classes, strict=True)
    )
    assert point.solo_decodes == pytest.approx(decodes, rel=1e-6)
    assert point.iteration_time.decode_only == pytest.approx(
        LAW.solo_time(decodes, context / solo_gpus), rel=1e-6
    )
    assert point.settled


def test_one_class_in_light_traffic_by_hand() -> None:
    """All decode alone: n = lambda D tau / (1 - X), tau = c0 + c1 n, solved on paper.

    lambda = 0.1, D = 100, P = 10, one chunk of 10 tokens. tau_solo = 0.01 + 0.001 n; the mixed
    iteration takes 0.02 s whatever the batch, so X = 0.1 x 0.02 = 0.002 and
    n = 10 (0.01 + 0.001 n) / 0.998, that is n = 0.1 / (0.998 - 0.01) = 0.1 / 0.988.
    """
    law = BatchLaw(base=0.01, per_decode=0.001, with_chunk=0.01, decode_weight=0.0)
    data = gnr.load("two-class").model_dump(by_alias=True, exclude_none=True)
    data["classes"] = [
        {"name": "one", "prompt_tokens": 10.0, "output_tokens": 100.0, "arrival_rate": 0.1,
         "patience_rate": 1.0}
    ]  # fmt: skip
    data["gpu"] |= {"batch_slots": 16, "chunk_tokens": 10}
    (point,) = operating_points(gnr.Instance.model_validate(data), law)
    assert point.mixed_gpus == pytest.approx(0.002, rel=1e-6)
    assert point.solo_decodes == pytest.approx(0.1 / 0.988, rel=1e-6)
    assert point.iteration_time.decode_only == pytest.approx(0.01 + 0.0001 / 0.988, rel=1e-6)


def test_several_regimes_are_all_found() -> None:
    """An instance in which slow mixed decodes are used or shunned, either way consistently.

    With 0.5 µs per token of context beside a chunk, an empty mixed batch makes mixed decoding so
    slow against solo that the plan keeps it empty, and a full one makes a plan that fills it.
    """
    law = BatchLaw(
        base=0.0112,
        with_chunk=0.0029,
        per_chunk_token=2.22e-4,
        free_tokens=100.0,
        per_token_pair=3e-9,
        per_context_token_with_chunk=5e-7,
    )
    found = operating_points(drawn_instance(1, 101), law)
    assert len(found) == 2
    assert found[0].mixed_decodes == pytest.approx(0, abs=1e-9)
    assert found[1].mixed_decodes == pytest.approx(15, rel=1e-6)
    assert all(each.settled for each in found)


def test_no_plan_at_the_law_is_an_honest_negative() -> None:
    """Requests that never leave and cannot all be served: told, exit code 1 by its type."""
    instance = gnr.load("two-class", ["classes.0.patience_rate=0", "classes.0.arrival_rate=9"])
    with pytest.raises(NoOptimumError, match="no plan exists"):
        operating_points(instance, LAW)


def test_a_calibrated_instance_carries_the_line_and_its_source(tmp_path: Path) -> None:
    instance = gnr.load("two-class")
    found = calibrate(table(tmp_path, iterations()), instance=instance)
    changed = calibrated(instance, found)
    assert changed.gpu.iteration_time == found.operating_points[-1].iteration_time
    assert "times.csv (sha256 " in changed.source
    assert gnr.solve(changed).status == "optimal"
