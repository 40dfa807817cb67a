"""Parts on disk: what is whole is believed, everything else is computed again."""

import json
from pathlib import Path
from typing import Any

import pytest

import gnr
from gnr.simulation import Simulation
from gnr.validation.part_folder import PartFolder

KEY = {
    "label": "two-class",
    "instance": "two-class",
    "policy": "gate-and-route",
    "gpus": 5,
    "setting": {"seed": 1},
}


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    found: Simulation = gnr.simulate(
        gnr.load("two-class"), gpus=5, replications=4, horizon=20.0, warmup=5.0
    )
    return found


def test_a_part_comes_back_as_it_was(simulation: Simulation, tmp_path: Path) -> None:
    folder = PartFolder(tmp_path / "cells", Simulation)
    assert folder.read(KEY) is None
    file = folder.write(KEY, simulation)
    found = folder.read(KEY)
    assert found is not None
    assert found.to_json() == simulation.to_json()
    assert [each.name for each in (tmp_path / "cells").iterdir()] == [file.name]
    assert not folder.damaged


@pytest.mark.parametrize("change", [{"gpus": 6}, {"policy": "sli-aware"}, {"setting": {"seed": 2}}])
def test_another_key_is_another_part(
    change: dict[str, Any], simulation: Simulation, tmp_path: Path
) -> None:
    folder = PartFolder(tmp_path, Simulation)
    folder.write(KEY, simulation)
    assert folder.read(KEY | change) is None
    assert not folder.damaged


def truncated(text: str) -> str:
    return text[: len(text) // 2]


def with_another_number(text: str) -> str:
    document = json.loads(text)
    document["part"]["gap"]["mean"] += 1e-9
    return json.dumps(document)


def with_another_key(text: str) -> str:
    document = json.loads(text)
    document["key"]["gpus"] = 7
    return json.dumps(document)


def without_a_field(text: str) -> str:
    document = json.loads(text)
    del document["part"]["gap"]
    return json.dumps(document)


@pytest.mark.parametrize(
    "damage",
    [
        truncated,
        with_another_number,
        with_another_key,
        without_a_field,
        lambda text: "",
        lambda text: "[]",
        lambda text: "null",
        lambda text: "\x00" * len(text),
    ],
)
def test_a_damaged_file_is_noticed_and_replaced(
    damage: Any, simulation: Simulation, tmp_path: Path
) -> None:
    folder = PartFolder(tmp_path, Simulation)
    file = folder.write(KEY, simulation)
    file.write_text(damage(file.read_text()))
    assert folder.read(KEY) is None
    assert folder.damaged == [file]
    folder.write(KEY, simulation)
    assert folder.read(KEY) is not None


def test_bytes_that_are_no_text_are_damage_too(simulation: Simulation, tmp_path: Path) -> None:
    folder = PartFolder(tmp_path, Simulation)
    file = folder.write(KEY, simulation)
    file.write_bytes(b"\xff\xfe\x00")
    assert folder.read(KEY) is None
    assert folder.damaged == [file]
