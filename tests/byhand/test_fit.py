"""Fits worked out on paper."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import gnr
from gnr.fit_result import Fit


def csv_log(folder: Path, rows: list[tuple[float, int, int]]) -> Path:
    path = folder / "log.csv"
    lines = [f"{at:.6f},{prompt},{output}\n" for at, prompt, output in rows]
    path.write_text("arrival_s,prompt_tokens,output_tokens\n" + "".join(lines))
    return path


def test_leading_blocks_seen_before(tmp_path: Path) -> None:
    """Of 9 blocks 0 + 2 + 2 + 0 were there; of the third prompt all but one token."""
    requests = [(1300, [1, 2, 3]), (1200, [1, 2, 4]), (1000, [1, 2]), (100, [9])]
    path = tmp_path / "log.jsonl"
    rows = [
        {"timestamp": 500 * k, "input_length": prompt, "output_length": 7, "hash_ids": ids}
        for k, (prompt, ids) in enumerate(requests)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = gnr.fit(path, 1, prefix_caching=True)
    assert found.log.span_s == 1.5, "milliseconds"
    assert found.prefix_cache is not None
    assert found.prefix_cache.blocks_hit == pytest.approx(4 / 9)
    assert found.prefix_cache.prompt_tokens == 900
    left = (1300 + (1200 - 1024) + 1 + 100) / 4
    assert found.prefix_cache.effective_prompt_tokens == pytest.approx(left)
    assert found.instance.classes[0].prompt_tokens == pytest.approx(left)
    assert "cached tokens earn nothing" in found.instance.notes
    assert gnr.fit(path, 1).instance.classes[0].prompt_tokens == 900


def test_a_column_of_cached_tokens(tmp_path: Path) -> None:
    """At most all but one token of a prompt is cached: 60 + 99 of two prompts of 100."""
    path = tmp_path / "log.csv"
    path.write_text("time,prompt,output,cached_tokens\n0,100,5,60\n1,100,5,400\n")
    found = gnr.fit(path, 1).prefix_cache
    assert found is not None
    assert found.effective_prompt_tokens == pytest.approx((40 + 1) / 2)
    assert found.blocks_hit is None


def test_capacity_of_one_class(tmp_path: Path) -> None:
    """Decode is short: (C phi + kappa B - (B - 1)) x = kappa B, and the rate is mu_p x."""
    path = csv_log(tmp_path, [(0.5 * k, 100, 50) for k in range(101)])
    found = gnr.fit(path, 1, like="two-class", gpus=0.2)
    mixed, solo, slots, chunk = 0.0174 + 6.2e-5 * 256, 1 / 45.45, 16, 256
    kappa = mixed / solo
    busy = kappa * slots / (chunk * 50 / 100 + kappa * slots - (slots - 1))
    capacity = chunk / (100 * mixed) * busy
    assert found.plan.capacity.value == pytest.approx(capacity, rel=1e-12)
    assert found.total_rate is not None
    assert found.total_rate.value == pytest.approx(101 / 50)
    assert found.instance.classes[0].arrival_rate == pytest.approx(101 / 50 / 0.2)
    assert found.plan.load.value == pytest.approx(101 / 50 / 0.2 / capacity)
    assert found.plan.gpus_needed is not None
    assert found.plan.gpus_needed.value == pytest.approx(101 / 50 / capacity)
    loaded = gnr.fit(path, 1, like="two-class", load=0.7)
    assert loaded.instance.classes[0].arrival_rate == pytest.approx(0.7 * capacity)
    assert loaded.plan.gpus == pytest.approx(101 / 50 / (0.7 * capacity))


def test_lengths_that_are_all_alike(tmp_path: Path) -> None:
    """All 100: farthest from the exponential just below, 1 - exp(-0.99); no variability."""
    found = gnr.fit(csv_log(tmp_path, [(0.5 * k, 100, 100) for k in range(50)]))
    law = found.output_law
    assert law.ks_distance == pytest.approx(1 - math.exp(-0.99), rel=1e-12)
    assert law.squared_cv == pytest.approx(0, abs=1e-12)
    assert law.quantiles == {f"p{p}": 100 for p in (5, 25, 50, 75, 95, 99)}
    assert len(found.classes) == 1


def test_two_lengths(tmp_path: Path) -> None:
    """Half 1, half 3: mean 2, squared cv 1/4; F is 1/2 from 1 on, so 1/2 - (1 - e^(-1/2))."""
    found = gnr.fit(csv_log(tmp_path, [(0.5 * k, 10, 1 + 2 * (k % 2)) for k in range(50)]), 1)
    assert found.output_law.mean == 2
    assert found.output_law.squared_cv == pytest.approx(1 / 4)
    distances = [0.5 - (1 - math.exp(-0.5)), 0.5 - (1 - math.exp(-1.0)), math.exp(-1.5)]
    assert found.output_law.ks_distance == pytest.approx(max(map(abs, distances)))
    two = gnr.fit(csv_log(tmp_path, [(0.5 * k, 10, 1 + 2 * (k % 2)) for k in range(50)]), 2)
    assert {each.name for each in two.classes} == {"p10-d1", "p10-d3"}
    assert two.class_numbers[1].explained == pytest.approx(1)


def test_counts_in_windows(tmp_path: Path) -> None:
    """2, 0, 2, 0, ...: mean 1, variance 40/39; in 10 s always 10: nothing varies."""
    times = [2.0 * k + half for k in range(100) for half in (0.0, 0.4999)] + [200.001]
    found = gnr.fit(csv_log(tmp_path, [(at, 10, 5) for at in times]), 1).arrivals
    assert found is not None
    index = {each.window_s: each.index for each in found.dispersion}
    assert index == {1: pytest.approx(200 / 199), 10: pytest.approx(0)}, "fewer than ten of 60 s"


def test_poisson_interval_of_ten_requests_in_a_tenth(tmp_path: Path) -> None:
    """Garwood's interval for 10 is 4.795 to 18.390 (printed tables); for 0 it is 0 to 3.689."""
    parts = [10, 0] + [35] * 8
    times = [10.0 * part + (k + 0.5) * 10 / count for part, count in enumerate(parts)
             for k in range(count)]  # fmt: skip
    times = [0.0, *times[1:-1], 100.0]
    found = gnr.fit(csv_log(tmp_path, [(at, 10, 5) for at in times]), 1).arrivals
    assert found is not None
    assert [each.requests for each in found.parts[:2]] == [10, 0]
    assert found.parts[0].poisson_band.low * 10 == pytest.approx(4.795, abs=5e-4)
    assert found.parts[0].poisson_band.high * 10 == pytest.approx(18.390, abs=5e-4)
    assert found.parts[1].poisson_band.low == 0
    assert found.parts[1].poisson_band.high * 10 == pytest.approx(3.689, abs=5e-4)


def test_failed_requests_are_counted_and_not_planned(tmp_path: Path) -> None:
    """8 of 108 rows failed, 3 have no prompt: 11 % are set aside, with a warning."""
    rows = [(1.0 * k, 100, 0 if k < 8 else 20) for k in range(105)]
    found = gnr.fit(csv_log(tmp_path, [*rows, *[(105.0 + k, 0, 20) for k in range(3)]]), 1)
    assert (found.log.rows, found.log.requests) == (108, 97)
    assert (found.log.without_output, found.log.without_prompt) == (8, 3)
    assert found.log.span_s == 96, "of the requests that are used"
    assert any("11 of 108 rows (10%) are set aside" in each for each in found.warnings)


def test_demand_adds_up(tmp_path: Path) -> None:
    """30 requests of one kind and 10 of another in 20 s: 1.5 and 0.5 per second."""
    rows = [(20 * k / 39, 100 if k % 4 else 2000, 20) for k in range(40)]
    found: Fit = gnr.fit(csv_log(tmp_path, rows), 2, gpus=2)
    assert found.demand_csv() is not None
    rates = dict(line.split(",") for line in found.demand_csv().splitlines()[1:])  # type: ignore[union-attr]
    assert float(rates["p100-d20"]) == pytest.approx(1.5)
    assert float(rates["p2000-d20"]) == pytest.approx(0.5)
    per_gpu = np.array([each.arrival_rate for each in found.instance.classes])
    assert per_gpu == pytest.approx([0.75, 0.25])
