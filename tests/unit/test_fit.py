"""Fits of synthetic logs with a known answer, and of the public traces where they are there."""

import csv
import gzip
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gnr
from gnr.arrays import Floats
from gnr.fit_result import Banded, Fit
from gnr.measure.length_grid import bins_of, upper_ends
from packaging_tools import ROOT

DATA = Path(os.environ.get("GNR_DATA", ROOT.parent / "shared" / "data")) / "traces"

PLANTED = ((0.5, 300, 60), (0.3, 5000, 50), (0.2, 900, 700))
"""Share, prompt and output of three classes that are far apart."""


def write_csv(path: Path, seconds: Floats, prompt: Any, output: Any) -> Path:
    rows = zip(seconds.tolist(), prompt.tolist(), output.tolist(), strict=True)
    text = "".join(f"{at!r},{p:d},{d:d}\n" for at, p, d in rows)
    path.write_text("arrival_s,prompt_tokens,output_tokens\n" + text)
    return path


def planted(rows: int, seed: int) -> tuple[Floats, Any, Any, Any]:
    """Return arrival times, lengths and planted class of a Poisson log."""
    random = np.random.default_rng(seed)
    label = random.choice(3, size=rows, p=[each[0] for each in PLANTED])
    means = np.array([each[1:] for each in PLANTED])[label]
    lengths = np.rint(means * random.uniform(0.7, 1.3, (rows, 2))).astype(int)
    return np.cumsum(random.exponential(0.1, rows)), lengths[:, 0], lengths[:, 1], label


def exponential_log(folder: Path, rows: int, seed: int) -> Path:
    random = np.random.default_rng(seed)
    prompt, output = (np.ceil(random.exponential(m, rows)).astype(int) for m in (2000, 300))
    return write_csv(folder / "log.csv", np.cumsum(random.exponential(0.05, rows)), prompt, output)


def numbers(found: Fit) -> dict[str, Any]:
    """Return the document without what depends on the file and the run."""
    document = found.model_dump(mode="json", by_alias=True, exclude={"log", "provenance", "name"})
    document["instance"] = document["instance"]["classes"]
    document["warnings"] = [each for each in document["warnings"] if "order of time" not in each]
    return document


def close(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, float):
        return bool(one == pytest.approx(other, rel=1e-5, abs=1e-9))
    return bool(one == other)


@pytest.mark.parametrize("classes", [3, "auto"])
def test_planted_classes_are_found_with_exact_means(tmp_path: Path, classes: int | str) -> None:
    seconds, prompt, output, label = planted(6000, 3)
    found = gnr.fit(write_csv(tmp_path / "log.csv", seconds, prompt, output), classes)
    assert len(found.classes) == 3
    for k, each in enumerate(found.classes):  # shares are in falling order, as planted
        mine = label == k
        assert each.requests == mine.sum()
        assert each.prompt_tokens.value == pytest.approx(prompt[mine].mean(), rel=1e-12)
        assert each.output_tokens.value == pytest.approx(output[mine].mean(), rel=1e-12)
        assert each.share.value == pytest.approx(mine.mean(), rel=1e-12)
        name = f"p{prompt[mine].mean():.0f}-d{output[mine].mean():.0f}"
        assert each.name == name
    rate = len(seconds) / (seconds[-1] - seconds[0])
    assert found.total_rate is not None
    assert found.total_rate.value == pytest.approx(rate, rel=1e-6)
    assert found.arrivals is not None
    assert sum(each.requests for each in found.arrivals.parts) == len(seconds)


def test_formats_orders_and_packing_make_no_difference(tmp_path: Path) -> None:
    seconds, prompt, output, _ = planted(3000, 5)
    seconds = np.round(seconds - seconds[0], 6)
    plain = write_csv(tmp_path / "plain.csv", seconds, prompt, output)
    reference = numbers(gnr.fit(plain, 3))
    packed = tmp_path / "packed.log"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    lines = tmp_path / "lines.txt"
    rows = list(zip(seconds.tolist(), prompt.tolist(), output.tolist(), strict=True))
    lines.write_text(
        "".join(
            json.dumps({"output_toks": d, "extra": [1, {}], "queued_ts": at, "input_toks": p})
            + "\n"
            for at, p, d in rows
        )
    )
    packed_lines = tmp_path / "lines.csv.gz"
    packed_lines.write_bytes(gzip.compress(lines.read_bytes()))
    millis = tmp_path / "millis.csv"
    millis.write_text(
        "when;in;out\r\n" + "".join(f"{1e3 * at:.6f};{p};{d}\r\n" for at, p, d in rows)
    )
    start = np.datetime64("2023-11-16T18:15:46", "ns")
    stamps = np.datetime_as_string(start + np.rint(seconds * 1e9).astype("timedelta64[ns]"))
    azure = tmp_path / "azure.csv"
    azure.write_text(
        "\ufeffTIMESTAMP,ContextTokens,GeneratedTokens\n"
        + "".join(f'"{t.replace("T", " ")}",{p},{d}\n'
                  for t, (_, p, d) in zip(stamps.tolist(), rows, strict=True))
    )  # fmt: skip
    zoned = tmp_path / "zoned.csv"
    zoned.write_text(
        "time,prompt,output\n"
        + "".join(f"{t[:26]}+01:00,{p},{d}\n"
                  for t, (_, p, d) in zip(stamps.tolist(), rows, strict=True))
    )  # fmt: skip
    for path in (packed, lines, packed_lines, azure, zoned):
        assert close(numbers(gnr.fit(path, 3)), reference), path.name
    columns = ["arrival=when:ms", "prompt=in", "output=out"]
    assert close(numbers(gnr.fit(millis, 3, columns=columns)), reference)
    order = np.random.default_rng(1).permutation(len(rows))
    mixed = write_csv(tmp_path / "mixed.csv", seconds[order], prompt[order], output[order])
    found = gnr.fit(mixed, 3)
    assert found.log.in_order is False
    assert any("not in order of time" in each for each in found.warnings)
    assert close(numbers(found), reference)


def test_rows_are_chosen_by_text_and_by_number(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    rows = [(k, 100 + k % 2, 5, "a" if k % 2 else "b", f"{k % 3}.0") for k in range(300)]
    path.write_text(
        "time,prompt,output,model,tier\n" + "".join(",".join(map(str, r)) + "\n" for r in rows)
    )
    found = gnr.fit(path, 1, where=["model=a", "tier=2"])
    chosen = [row for row in rows if row[3] == "a" and row[4] == "2.0"]
    assert found.log.requests == len(chosen) == 50
    assert found.log.filtered_out == 250
    assert found.classes[0].prompt_tokens.value == 101
    lines = tmp_path / "log.jsonl"
    keys = ("time", "prompt", "output", "model", "tier", "ok")
    lines.write_text(
        "".join(json.dumps(dict(zip(keys, (*r[:4], float(r[4]), r[0] > 9), strict=True))) + "\n"
                for r in rows)
    )  # fmt: skip
    wheres = ["model=a", "tier=2", "ok=true"]
    assert gnr.fit(lines, 1, where=wheres).log.requests == len([r for r in chosen if r[0] > 9])


def test_fits_are_the_same_again_and_seeds_matter(tmp_path: Path) -> None:
    path = exponential_log(tmp_path, 2000, 2)
    assert numbers(gnr.fit(path, 3, seed=4)) == numbers(gnr.fit(path, 3, seed=4))
    bands = {gnr.fit(path, 1, seed=s).classes[0].prompt_tokens.band for s in range(3)}  # type: ignore[misc]
    assert len({(band.low, band.high) for band in bands if band}) == 3


def test_exponential_lengths_and_poisson_arrivals_are_recognised(tmp_path: Path) -> None:
    found = gnr.fit(exponential_log(tmp_path, 20_000, 7), 1)
    for law in (found.prompt_law, found.output_law):
        assert law.ks_distance < law.ks_by_chance
        assert law.squared_cv_band.low < 1 < law.squared_cv_band.high
        assert law.kl_divergence is not None
        assert law.kl_divergence < 0.005
    arrivals = found.arrivals
    assert arrivals is not None
    assert [each.window_s for each in arrivals.dispersion] == [1, 10, 60]
    for each in arrivals.dispersion:
        assert each.poisson_band.low < each.index < each.poisson_band.high
    band = arrivals.interarrival_poisson_band
    assert band is not None
    assert arrivals.interarrival_cv is not None
    assert band.low < arrivals.interarrival_cv < band.high
    assert not found.warnings


def test_other_laws_bursts_and_drift_are_told(tmp_path: Path) -> None:
    random = np.random.default_rng(11)
    rows = 8000
    lengths = random.lognormal(5, 0.4, (rows, 2)).astype(int) + 1
    bursts = np.sort(np.repeat(np.cumsum(random.exponential(2.0, rows // 20)), 20))
    bursts = np.sort(bursts + random.uniform(0, 0.5, rows))
    drifting = np.sqrt(np.sort(random.uniform(0, 1, rows))) * 400  # the rate grows from 0
    swinging = np.sort(random.choice(1000, rows, p=_day(1000)) + random.uniform(0, 1, rows))
    found = {
        name: gnr.fit(write_csv(tmp_path / f"{name}.csv", at, *lengths.T), 1)
        for name, at in (("bursts", bursts), ("drift", drifting), ("day", swinging))
    }
    law = found["bursts"].output_law
    assert law.ks_distance > 10 * law.ks_by_chance
    assert law.squared_cv_band.high < 0.5
    assert any("bursts" in each for each in found["bursts"].warnings)
    arrivals = found["bursts"].arrivals
    assert arrivals is not None
    assert arrivals.interarrival_cv is not None
    assert arrivals.interarrival_cv > 2
    assert any("drifts by +" in each for each in found["drift"].warnings)
    assert any("not steady" in each for each in found["day"].warnings)


def _day(seconds: int) -> Floats:
    weight = 1 + 0.6 * np.sin(2 * np.pi * np.arange(seconds) / seconds) ** 2
    return np.asarray(weight / weight.sum())


@pytest.mark.parametrize("step", [3.0, 7.0])
def test_coarse_time_stamps_are_noticed(tmp_path: Path, step: float) -> None:
    """Poisson arrivals on coarse stamps, a little shaken: Poisson still, where that can be told."""
    random = np.random.default_rng(5)
    stamp = np.floor(np.cumsum(random.exponential(0.2, 20_000)) / step).astype(int)
    shaken = np.maximum((np.arange(5000) * step + random.choice([0, 0, -0.001], 5000))[stamp], 0)
    found = gnr.fit(write_csv(tmp_path / "log.csv", shaken, *random.integers(1, 900, (2, 20_000))))
    arrivals = found.arrivals
    assert arrivals is not None
    assert arrivals.resolution_s == pytest.approx(step, abs=0.002)
    assert arrivals.interarrival_cv is None
    assert arrivals.dispersion[0].window_s == pytest.approx({3.0: 9, 7.0: 7}[step], abs=0.01)
    for each in arrivals.dispersion:
        assert each.poisson_band.low < each.index < each.poisson_band.high


def test_equal_times_are_right(tmp_path: Path) -> None:
    seconds = np.repeat(np.arange(0.0, 500), 4)
    found = gnr.fit(write_csv(tmp_path / "log.csv", seconds, *np.full((2, 2000), 30)))
    arrivals = found.arrivals
    assert arrivals is not None
    assert arrivals.resolution_s == 1
    assert arrivals.dispersion[0].index == 0
    assert found.total_rate is not None
    assert found.total_rate.value == pytest.approx(2000 / 499)


def test_grid_holds_every_length_in_a_bin_at_most_one_percent_wide() -> None:
    ends = upper_ends()
    assert ends[0] == 1
    assert ends[-1] >= 10_000_000
    assert (np.diff(ends)[:127] == 1).all()
    assert (np.diff(ends) <= np.maximum(1, 0.01 * ends[:-1])).all()
    lengths = np.array([1.0, 128, 129, 5000, 1e7])
    at = bins_of(lengths)
    assert (lengths <= ends[at]).all()
    assert (lengths[1:] > ends[at[1:] - 1]).all()


def test_the_capacity_is_where_the_program_begins_to_turn_away(tmp_path: Path) -> None:
    seconds, prompt, output, _ = planted(2000, 9)
    path = write_csv(tmp_path / "log.csv", seconds, prompt, output)
    for like in ("azure-2023-conversation", "two-class", "two-class-separate"):
        served = []
        for load in (0.999, 1.001):
            instance = gnr.fit(path, 3, load=load, like=like).instance
            solution = gnr.solve(instance)
            arriving = sum(each.arrival_rate for each in instance.classes)
            left = sum(
                own.patience_rate * (each.prefill_queue + each.decode_queue)
                for own, each in zip(instance.classes, solution.classes, strict=True)
            )
            served.append(1 - left / arriving)
        assert served[0] == pytest.approx(1, abs=1e-9)
        assert served[1] < 1 - 1e-5


def test_the_plan_is_that_of_the_instance(tmp_path: Path) -> None:
    seconds, prompt, output, _ = planted(2000, 9)
    found = gnr.fit(write_csv(tmp_path / "log.csv", seconds, prompt, output), 3, load=1.3)
    solution = gnr.solve(found.instance)
    assert solution.revenue_rate == pytest.approx(found.plan.revenue_rate.value, rel=1e-9)
    assert found.plan.load.value == pytest.approx(1.3)
    assert min(each.served.value for each in found.classes) < 1


def relative(value: Banded | None) -> tuple[float, float]:
    """Return the interval of a figure over the figure."""
    assert value is not None
    assert value.band is not None
    return value.band.low / value.value, value.band.high / value.value


def test_where_lengths_are_alike_only_the_rate_is_unsure(tmp_path: Path) -> None:
    """Capacity is then certain, and load, GPUs and (below capacity) revenue follow the rate."""
    random = np.random.default_rng(8)
    seconds = np.repeat(np.cumsum(random.exponential(2.0, 400)), 5)
    path = write_csv(tmp_path / "log.csv", seconds, *np.full((2, 2000), 100))
    found = gnr.fit(path, 1, load=0.5)
    plan, rate = found.plan, relative(found.total_rate)
    assert rate[0] < 0.96
    assert rate[1] > 1.04
    one = found.classes[0]
    figures = (plan.load, plan.gpus_needed, plan.revenue_rate, plan.mixed_share)
    for figure in (*figures, one.arrival_rate, one.requests_per_second):
        assert relative(figure) == pytest.approx(rate, rel=1e-6)
    assert found.total_rate is not None
    assert plan.gpus_needed is not None
    assert plan.gpus_needed.value * plan.capacity.value * 0.5 == pytest.approx(
        found.total_rate.value
    )
    assert relative(plan.capacity) == pytest.approx((1, 1))
    assert relative(found.classes[0].prompt_tokens) == pytest.approx((1, 1))
    full = gnr.fit(path, 1, load=2).plan
    assert relative(full.revenue_rate) == pytest.approx((1, 1), rel=1e-6)
    assert relative(full.load) == pytest.approx(rate, rel=1e-6)
    given = gnr.fit(path, 1, load=0.5, rate=3.0)
    assert relative(given.total_rate) == pytest.approx((1, 1)), "the user says so"
    assert relative(given.plan.revenue_rate) == pytest.approx((1, 1))


def test_cached_prompts_have_an_interval_of_their_own(tmp_path: Path) -> None:
    random = np.random.default_rng(9)
    path = tmp_path / "log.csv"
    rows = "".join(f"{k},1000,50,{c}\n" for k, c in enumerate(random.integers(0, 999, 1000)))
    path.write_text(f"time,prompt,output,cached_tokens\n{rows}")
    one = gnr.fit(path, 1).classes[0]
    assert relative(one.prompt_tokens) == pytest.approx((1, 1))
    low, high = relative(one.effective_prompt_tokens)
    half = 1.96 * 288.4 / 500 / 1000**0.5  # of the mean of 1000 uniform lengths
    assert (1 - low, high - 1) == pytest.approx((half, half), rel=0.35)
    assert one.effective_prompt_tokens is not None
    planned = gnr.fit(path, 1, prefix_caching=True, load=0.5)
    assert planned.instance.classes[0].prompt_tokens == one.effective_prompt_tokens.value
    assert relative(planned.plan.capacity) != pytest.approx((1, 1))


def test_classes_that_take_turns_are_no_drift(tmp_path: Path) -> None:
    """Short prompts first and long ones later, together as many all the time."""
    random = np.random.default_rng(3)
    seconds = np.sort(random.uniform(0, 1000, 6000))
    late = random.random(6000) < seconds / 1000
    prompt, output = np.where(late, 4000, 100), np.full(6000, 50)
    found = gnr.fit(write_csv(tmp_path / "log.csv", seconds, prompt, output), 2)
    assert not found.warnings
    assert found.arrivals is not None
    assert found.arrivals.trend is not None
    assert abs(found.arrivals.trend.change) < 0.1


@pytest.mark.long
def test_a_long_log_takes_little_memory(tmp_path: Path) -> None:
    """300,000 rows more may not cost more than their blocks: 120 MB at most."""
    import subprocess
    import sys

    def peak(rows: int) -> float:
        seconds, prompt, output, _ = planted(rows, 1)
        path = write_csv(tmp_path / f"{rows}.csv", seconds, prompt, output)
        script = f"import gnr; print(gnr.fit({str(path)!r}, 3).provenance.peak_memory_mib)"
        return float(subprocess.run([sys.executable, "-c", script], check=True,
                                    capture_output=True, text=True).stdout)  # fmt: skip

    assert peak(300_000) - peak(3_000) < 120


README = {
    "azure2023_conv": ((0.404, 330, 109), (0.360, 1100, 410), (0.236, 2650, 82)),
    "mooncake_conversation": ((0.482, 19062, 421), (0.354, 2411, 384), (0.164, 12190, 22)),
    "arxiv_summarization_lengths": ((0.512, 2723, 264), (0.446, 2645, 105), (0.043, 368, 2579)),
}


def trace(name: str) -> Path:
    path = DATA / f"{name}.csv"
    if not path.exists():
        pytest.skip(f"no public traces at {DATA}; GNR_DATA names their folder")
    return path


@pytest.mark.parametrize("name", README)
def test_classes_of_the_public_traces(name: str) -> None:
    """Independent k-means of the raw lengths (shares to 1 %, means to 2 %)."""
    found = gnr.fit(trace(name), 3, load=1.1)
    for each, (share, prompt, output) in zip(found.classes, README[name], strict=True):
        assert each.share.value == pytest.approx(share, abs=0.01)
        assert each.prompt_tokens.value == pytest.approx(prompt, rel=0.02)
        assert each.output_tokens.value == pytest.approx(output, rel=0.02, abs=0.6)


def test_figures_of_the_azure_trace() -> None:
    found = gnr.fit(trace("azure2023_conv"), 3)
    arrivals = found.arrivals
    assert arrivals is not None
    index = [each.index for each in arrivals.dispersion]
    assert index == pytest.approx([1.4, 3.9, 16], rel=0.03)
    assert arrivals.interarrival_cv == pytest.approx(1.09, abs=0.006)
    assert found.output_law.ks_distance == pytest.approx(0.158, abs=0.002)
    assert found.prompt_law.mean == pytest.approx(1155, abs=1)
    assert found.output_law.squared_cv == pytest.approx(0.77**2, abs=0.01)
    with trace("azure2023_conv").open() as file:
        prompts = np.array([int(row["ContextTokens"]) for row in csv.DictReader(file)])
    for p in (50, 95, 99):
        exact = np.quantile(prompts, p / 100, method="inverted_cdf")
        assert found.prompt_law.quantiles[f"p{p}"] == pytest.approx(exact, rel=0.01)


def test_figures_of_the_mooncake_trace() -> None:
    found = gnr.fit(trace("mooncake_conversation"), 3)
    assert found.arrivals is not None
    assert found.arrivals.resolution_s == pytest.approx(3, abs=0.001)
    assert found.arrivals.dispersion[-1].index == pytest.approx(2.9, abs=0.05)
    assert found.prefix_cache is not None
    assert found.prefix_cache.blocks_hit == pytest.approx(0.37, abs=0.005)


def test_vllm_run_log_uses_the_queued_stamp() -> None:
    path = trace("azure2023_conv").parents[1] / "profiling"
    path /= "llmss_rtxpro6000_Llama-3.1-8B_requests.jsonl"
    found = gnr.fit(path)
    assert found.log.columns["arrival"].header == "queued_ts"
    assert found.log.span_s == pytest.approx(29.17, abs=0.01)
