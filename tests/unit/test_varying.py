"""``--vary``: what its texts mean, and how bad ones are told."""

import pytest

import gnr
from gnr.errors import InputError
from gnr.rates import rates_of
from gnr.reading import build
from gnr.varying import parse_axes, plain, points_of, rates_over

INSTANCE = gnr.load("two-class")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("gpu.batch_slots=2:6", (2, 3, 4, 5, 6)),
        ("gpu.batch_slots=2:32:4", (2, 12, 22, 32)),
        ("gpu.batch_slots=2:32:5:log", (2, 4, 8, 16, 32)),
        ("gpu.batch_slots=2:4:9", (2, 3, 4)),
        ("gpu.batch_slots=16, 2,8,8", (2, 8, 16)),
        ("prices.prompt_token=0:1:3", (0, 0.5, 1)),
        ("prices.prompt_token=0.01:1:3:log", (0.01, 0.1, 1)),
        ("classes.decode-heavy.arrival_rate=0.1,0.3", (0.1, 0.3)),
        ("classes[1].patience_rate=0:0.5:2", (0, 0.5)),
    ],
)
def test_values_are_those_of_the_grammar(text: str, values: tuple[float, ...]) -> None:
    (found,) = parse_axes(INSTANCE, [text])
    assert found.axis.values == pytest.approx(values)
    assert found.axis.unit


def test_a_real_range_without_count_has_some_values_and_meets_its_ends() -> None:
    (found,) = parse_axes(INSTANCE, ["gpu.iteration_time.per_chunk_token=1e-5:1e-3:log"])
    assert len(found.axis.values) == 41
    assert (found.axis.values[0], found.axis.values[-1]) == (1e-5, 1e-3)


@pytest.mark.parametrize(
    ("texts", "check", "told"),
    [
        (["gpu.batch_slots"], "vary-syntax", "PATH=FROM:TO"),
        (["gpu.batch_slots="], "vary-syntax", "PATH=FROM:TO"),
        (["gpu.batch_slots=1:2:3:4"], "vary-syntax", "FROM:TO"),
        (["gpu.batch_slots=log"], "vary-values", "'log' is not an integer"),
        (["gpu.batch_slots=2.5:8"], "vary-values", "'2.5' is not an integer"),
        (["gpu.batch_slots=8:2"], "vary-values", "8 is not below 2"),
        (["gpu.batch_slots=8"], "vary-values", "at least two"),
        (["prices.prompt_token=nan:1"], "vary-values", "'nan' is not a number"),
        (["prices.prompt_token=0:1e999"], "vary-values", "'1e999' is not a number"),
        (["prices.prompt_token=0:1:log"], "vary-values", "above 0"),
        (["prices.prompt_token=0:1:1"], "vary-count", "'1' is not a number of values"),
        (["prices.prompt_token=0:1:many"], "vary-count", "'many'"),
        (["prices.prompt_token=0:1:2000000"], "vary-points", "too many"),
        (["gpu.batch_slots=2:1000000000000"], "vary-points", "too many"),
        (["gpu.batch_slots=2:2000", "gpu.chunk_tokens=1:2000"], "vary-points", "too many"),
        (["prices.scheme=0:1"], "vary-path", "cannot be varied"),
        (["classes.0.name=0:1"], "vary-path", "classes.NAME.arrival_rate"),
        (["gpu.slots=0:1"], "vary-path", "gpu.batch_slots"),
        (["gpus.batch_slots=0:1"], "set-unknown-path", "gpu"),
        (["classes.chatty.arrival_rate=1:2"], "set-unknown-path", "chatty"),
        ([], "vary-count", "nothing"),
        (["gpu.batch_slots=2:4"] * 2, "vary-twice", "twice"),
        (["gpu.batch_slots=2:4", "gpu.chunk_tokens=2:4", "prices.prompt_token=0:1"], "vary-count",
         "3 parameters"),
        (["gpu.batch_slots=1:4"], "out-of-range", "gpu.batch_slots"),
        (["gpu.iteration_time.base=-1:1"], "mixed-time-not-positive", "above 0"),
        (["prices.prompt_token=0:1", "prices.output_token=0:1"], "no-price", "both 0"),
    ],
)  # fmt: skip
def test_bad_texts_are_told_with_a_remedy(texts: list[str], check: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_axes(INSTANCE, texts)
    problems = caught.value.problems
    assert any(each.check == check for each in problems), problems
    assert told in str(caught.value)
    assert all(each.remedy and "--vary" in each.file for each in problems)


def test_all_bad_texts_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        parse_axes(INSTANCE, ["gpu.batch_slots=8:2", "prices.scheme=0:1"])
    assert len(caught.value.problems) == 2


def test_rates_of_the_points_are_those_of_their_instances() -> None:
    texts = ["classes.prefill-heavy.prompt_tokens=10:500:3", "gpu.chunk_tokens=16:512:2"]
    parameters = parse_axes(INSTANCE, texts)
    batch, data = rates_over(INSTANCE, parameters), plain(INSTANCE)
    for k, point in enumerate(points_of(parameters)):
        for parameter, value in zip(parameters, point, strict=True):
            parameter.put(data, value)
        single = rates_of(build(data, "point"))
        for name in ("prefill", "full_prefill", "decode_work", "reward"):
            assert getattr(batch, name)[k] == pytest.approx(getattr(single, name), rel=1e-14)
