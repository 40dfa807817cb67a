"""The shipped instances of measured input are what the commands make of the measurements."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from measured import DATA, measured
from shipped_recipes import LOGS, ROOT, TIMES, make

import gnr
from gnr.cli.app import run

KV_TOKENS = 410_000
"""KV memory of an A100 with 80 GB beside Llama-3-8B, tokens (see the profiles in tests/data)."""


@pytest.mark.parametrize("name", LOGS)
def test_a_shipped_instance_is_made_by_the_commands(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same classes, rates, iteration times and source, to the last digits."""
    place, log, *_ = LOGS[name]
    measured(log, *TIMES)

    def quietly(arguments: Sequence[str]) -> int:
        code = run(arguments)
        capsys.readouterr()
        return code

    made, shipped = make(name, DATA, tmp_path, quietly), ROOT / "instances" / place
    if os.environ.get("GNR_WRITE_INSTANCES"):
        shipped.parent.mkdir(exist_ok=True)
        shipped.write_text(made.read_text(encoding="utf-8"), encoding="utf-8")
    one, other = made.read_text(encoding="utf-8"), shipped.read_text(encoding="utf-8")
    assert re.sub(NUMBER, "#", one) == re.sub(NUMBER, "#", other)
    for here, there in zip(re.findall(NUMBER, one), re.findall(NUMBER, other), strict=True):
        assert float(here) == pytest.approx(float(there), rel=1e-6), (here, there)


NUMBER = r"(?<![\w.])[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?(?![\w.])"


@pytest.mark.parametrize("name", LOGS)
def test_a_full_batch_of_the_longest_class_fits_the_memory(name: str) -> None:
    """B requests of the class with most tokens, at their means, stay within the KV memory."""
    instance = gnr.load(name)
    longest = max(each.prompt_tokens + each.output_tokens for each in instance.classes)
    assert instance.gpu.batch_slots * longest < KV_TOKENS
