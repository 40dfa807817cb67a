"""An instance written out as the TOML file that would give it."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gnr.instance import Instance


def to_toml(instance: Instance) -> str:
    """Return the text of a file with the content of `instance`, overrides written in.

    Reading it gives an equal instance; layout and comments of the original are not kept.
    """
    content = instance.model_dump(by_alias=True, exclude_none=True)
    return "\n".join(_lines(content, "")) + "\n"


def _lines(table: Mapping[str, Any], path: str) -> Iterator[str]:
    """Yield the values of a table, then its tables, then its arrays of tables."""
    for key, value in table.items():
        if not isinstance(value, dict | tuple):
            yield f"{key} = {_value(value)}"
    for key, value in table.items():
        inner = f"{path}{key}"
        if isinstance(value, dict):
            yield from ("", f"[{inner}]", *_lines(value, f"{inner}."))
        elif isinstance(value, tuple):
            for each in value:
                yield from ("", f"[[{inner}]]", *_lines(each, f"{inner}."))


def _value(value: str | float) -> str:
    if isinstance(value, str):  # JSON escapes what TOML does, but for the delete character
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)
