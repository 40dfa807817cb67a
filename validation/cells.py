"""Finished simulations on disk, so that an interrupted survey goes on where it stopped."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gnr.atomic import complete_file
from gnr.simulation import Simulation

FORMAT = 3
"""Version of the files."""

DIGITS = 16
"""Of the key's digest in a file's name."""


@dataclass
class CellFolder:
    """A folder with one file for each simulation that is done.

    A file is either whole or not there, bears its key and the digest of its content, and is
    believed only if both are right.

    Attributes
    ----------
    path
        The folder; made on the first write.
    damaged
        Files that were there and could not be believed.
    """

    path: Path
    damaged: list[Path] = field(default_factory=list)

    def read(self, key: Mapping[str, Any]) -> Simulation | None:
        """Return the simulation of that key; None if it is not there or damaged."""
        file = self._file(key)
        try:
            text = file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError):
            self.damaged.append(file)
            return None
        try:
            found = json.loads(text)
            if found["key"] != _plain(key) or found["sha256"] != _digest(found["cell"]):
                raise ValueError("another key, or changed content")
            return Simulation.model_validate(found["cell"])
        except (ValueError, KeyError, TypeError, ValidationError):
            self.damaged.append(file)
            return None

    def write(self, key: Mapping[str, Any], simulation: Simulation) -> Path:
        """Store a complete simulation under that key and return its file."""
        file, cell = self._file(key), json.loads(simulation.to_json(indent=None))
        self.path.mkdir(parents=True, exist_ok=True)
        document = {"key": _plain(key), "sha256": _digest(cell), "cell": cell}
        with complete_file(file) as temporary:
            temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        return file

    def _file(self, key: Mapping[str, Any]) -> Path:
        label = ".".join(str(key[part]) for part in ("instance", "policy", "gpus"))
        return self.path / f"{label}.{_digest(_plain(key))[:DIGITS]}.json"


def _plain(key: Mapping[str, Any]) -> Any:
    """Return a key as it is after a trip through JSON."""
    return json.loads(json.dumps({"format": FORMAT} | dict(key)))


def _digest(document: Any) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
