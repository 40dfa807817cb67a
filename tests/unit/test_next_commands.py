"""What is to be typed after sizing: the cluster that was found, as the sizing saw it."""

from pathlib import Path
from typing import Any

import pytest

import gnr
from gnr.cli.next_commands import next_commands
from gnr.sizing import DemandedClass, SizedPolicy, Sizing


def sized(policy: str, gpus: int, prefill_gpus: int | None) -> Sizing:
    """Return as much of a result as matters here: 14 and 7 requests/s."""
    choice = SizedPolicy.model_construct(policy=policy, gpus=gpus, prefill_gpus=prefill_gpus)
    demanded = (
        DemandedClass(name="decode-heavy", requests_per_second=14.0),
        DemandedClass(name="prefill-heavy", requests_per_second=7.0),
    )
    return Sizing.model_construct(policies=(choice,), best=policy, demanded=demanded)


RATES = "--set classes.decode-heavy.arrival_rate=2 --set classes.prefill-heavy.arrival_rate=1"
"""On 7 GPUs."""


@pytest.mark.parametrize(
    ("found", "source", "more", "replay", "export"),
    [
        (
            sized("disaggregated", 7, 3),
            "two-class",
            {},
            "two-class --gpus 7 --policies disaggregated --mixed-gpus 3",
            f"two-class --gpus 7 --mixed-gpus 3 --disaggregated {RATES}",
        ),
        (
            sized("gate-and-route", 7, 7),
            "two-class-separate",
            {"speed": 4.0},
            "two-class-separate --gpus 7 --policies gate-and-route --mixed-gpus 7 --speed 4",
            "two-class-separate --gpus 7 --mixed-gpus 7 --set prices.scheme=bundled " + RATES,
        ),
        (
            sized("price-index-fill", 7, None),
            "two-class",
            {"law": Path("my gpu.calibration.json")},
            "two-class --gpus 7 --policies price-index-fill --law 'my gpu.calibration.json'",
            f"two-class --gpus 7 --format vllm-priority {RATES}",
        ),
    ],
)
def test_the_commands_say_all_that_the_sizing_knew(
    found: Sizing, source: str, more: dict[str, Any], replay: str, export: str
) -> None:
    """Size, split, program, demand on each GPU, speed and law; the policy's own pricing."""
    commands = next_commands(found, source, gnr.load(source), [], **more)
    assert commands == (f"gnr replay LOG {replay}", f"gnr export {export}")


def test_where_nothing_was_found_nothing_is_next() -> None:
    found = Sizing.model_construct(policies=(), best=None)
    assert next_commands(found, "two-class", gnr.load("two-class"), []) == ()
