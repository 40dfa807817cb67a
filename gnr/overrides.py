"""``--set path=value``: ask "what if" without editing a file."""

import copy
import re
import tomllib
from typing import Any

from gnr.errors import InputError, Problem
from gnr.schema_errors import optional_tables, show, suggest

OVERRIDE_CHECKS = ("set-syntax", "set-unknown-path")
"""Identifiers of the checks made on an override itself."""

SOME_PROMISE = """'slis=[{kind="mean_tpot", at_most=0.03}]'"""

QUOTES = (
    "within brackets a text needs double quotes, and the whole single ones, as in --set "
    + SOME_PROMISE
)


def apply_override(data: dict[str, Any], override: str) -> dict[str, Any]:
    """Return a copy of the raw instance `data` with one ``path=value`` change made.

    The path is that of the file, ``gpu.batch_slots``; an element of an array is named by its
    ``name`` or its index, ``classes.decode-heavy.patience_rate`` or ``classes.0.patience_rate``;
    one of ``slis`` without a name by its key in results, ``slis.mean_tpot.at_most``.
    The value is written as in TOML; a text needs no quotes unless it stands within brackets. The
    last key need not be in the file, nor an optional table before it, as in
    ``gpu.cost.per_hour``; the schema decides whether it may be there.

    Raises
    ------
    InputError
        If the text has no ``=``, the path leads nowhere, or what stands in brackets is not TOML.
    """
    option = f"--set {override}"
    path, equals, text = override.partition("=")
    if not equals or not path.strip() or not text.strip() or "\n" in override:
        raise _error("set-syntax", option, "must be path=value", "as in gpu.batch_slots=32")
    return with_value(data, path, _parse_value(text.strip(), option), option)


def with_value(data: dict[str, Any], path: str, value: Any, option: str) -> dict[str, Any]:
    """Return a copy of the raw instance `data` with another value at `path`.

    Parameters
    ----------
    data
        The parsed file.
    path
        As in `apply_override`.
    value
        As TOML would give it.
    option
        What the user typed, for messages.

    Raises
    ------
    InputError
        If the path leads nowhere.
    """
    changed = copy.deepcopy(data)
    *inner, last = locate(data, path, option)
    node: Any = changed
    for key in inner:
        node = node[int(key)] if isinstance(node, list) else node.setdefault(key, {})
    node[last] = value
    return changed


def locate(data: dict[str, Any], path: str, option: str) -> tuple[str | int, ...]:
    """Return the keys that lead to a value of the raw instance `data`.

    The last need not exist, nor a table before it that the format lets be left out.

    Parameters
    ----------
    data
        The parsed file.
    path
        As in `apply_override`.
    option
        What the user typed, for messages.

    Raises
    ------
    InputError
        If the path leads nowhere.
    """
    node: Any = data
    keys: list[str | int] = []
    rest = re.sub(r"^(\w+)\[(\d+)\]", r"\1.\2", path.strip())  # as error messages write it
    while True:
        key, rest = _next_key(node, rest, option)
        keys.append(key)
        if not rest:
            return tuple(keys)
        node = _descend(node, key, optional_tables(keys[:-1]), option)


def _next_key(node: Any, path: str, option: str) -> tuple[str | int, str]:
    """Split the next step off `path`; array elements may have dots in their names."""
    if not isinstance(node, list):
        key, _, rest = path.partition(".")
        return key, rest
    names = {label: index for index, each in enumerate(node) if (label := _label(each))}
    for name in sorted(names, key=len, reverse=True):
        if path == name or path.startswith(f"{name}."):
            return names[name], path[len(name) + 1 :]
    key, _, rest = path.partition(".")
    if key.isdecimal() and int(key) < len(node):
        return int(key), rest
    near = suggest(key, list(names))
    known = f"did you mean {near}?" if near else f"known: {', '.join(names) or 'none'}"
    raise _error("set-unknown-path", option, f"no element {key!r} here", f"{known} (or its index)")


def _label(element: Any) -> str:
    """Return what an element of an array is called: its name, its kind, or kind:class."""
    if not isinstance(element, dict):
        return ""
    kind, owner = element.get("kind", ""), element.get("class")
    label = element.get("name", kind if owner is None else f"{kind}:{owner}")
    return label if isinstance(label, str) else ""


def _descend(node: Any, key: str | int, optional: list[str], option: str) -> Any:
    if isinstance(node, list):
        found = node[int(key)]
    else:
        found = node.get(key, {} if key in optional else None)
        if found is None:
            choices = list(dict.fromkeys([*node, *optional]))
            near = suggest(str(key), choices)
            known = f"did you mean {near}?" if near else f"known: {', '.join(choices)}"
            if key == "slis":
                known = "the file promises nothing; for example --set " + SOME_PROMISE
            raise _error("set-unknown-path", option, f"there is no table {key!r}", known)
    if not isinstance(found, dict | list):
        raise _error(
            "set-unknown-path", option, f"{key!r} is a value, not a table", "shorten the path"
        )
    return found


def _parse_value(text: str, option: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        if (text[0], text[-1]) in (("[", "]"), ("{", "}")):
            raise _error("set-syntax", option, f"{show(text)} is not TOML", QUOTES) from None
        return text


def _error(check: str, option: str, message: str, remedy: str) -> InputError:
    return InputError([Problem(check, option, "", message, remedy)])
