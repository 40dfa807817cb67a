"""Finished parts of long work on disk, so that what was interrupted goes on where it stopped."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from gnr.atomic import complete_file

FORMAT = 4
"""Version of the files."""

DIGITS = 16
"""Of the key's digest in a file's name."""

Document = TypeVar("Document", bound=BaseModel)


@dataclass
class PartFolder(Generic[Document]):
    """A folder with one file for each part that is done.

    A file is either whole or not there, bears its key and the digest of its content, and is
    believed only if both are right.

    Attributes
    ----------
    path
        The folder; made on the first write.
    kind
        Model of the documents.
    damaged
        Files that were there and could not be believed.
    """

    path: Path
    kind: type[Document]
    damaged: list[Path] = field(default_factory=list)

    def read(self, key: Mapping[str, Any]) -> Document | None:
        """Return the document of that key; None if it is not there or damaged."""
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
            if found["key"] != _plain(key) or found["sha256"] != _digest(found["part"]):
                raise ValueError("another key, or changed content")
            return self.kind.model_validate(found["part"])
        except (ValueError, KeyError, TypeError, ValidationError):
            self.damaged.append(file)
            return None

    def write(self, key: Mapping[str, Any], document: Document) -> Path:
        """Store a complete document under that key and return its file."""
        file, part = self._file(key), json.loads(document.model_dump_json(by_alias=True))
        self.path.mkdir(parents=True, exist_ok=True)
        content = {"key": _plain(key), "sha256": _digest(part), "part": part}
        with complete_file(file) as temporary:
            temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        return file

    @staticmethod
    def name(key: Mapping[str, Any]) -> str:
        """Return the name of the file of a key."""
        return f"{key['label']}.{_digest(_plain(key))[:DIGITS]}.json"

    def _file(self, key: Mapping[str, Any]) -> Path:
        return self.path / self.name(key)


def _plain(key: Mapping[str, Any]) -> Any:
    """Return a key as it is after a trip through JSON."""
    return json.loads(json.dumps({"format": FORMAT} | dict(key)))


def _digest(document: Any) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
