"""Where public measurements are, for tests that need them; they are no part of the project."""

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("GNR_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


def measured(*names: str) -> list[Path]:
    """Return files of the data folder; skip the test where one is not there."""
    files = [DATA / name for name in names]
    for file in files:
        if not file.is_file():
            pytest.skip(f"{file.name} is not there: GNR_DATA names the folder of measurements")
    return files
