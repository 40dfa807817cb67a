"""How uncertain a planner says the inputs are: ``--uncertain KEY=SHARE``."""

import re
from collections.abc import Sequence

from gnr.demand import Demand
from gnr.errors import InputError, Problem
from gnr.instance import Instance
from gnr.rates import mixed_iteration_time
from gnr.schema_errors import show, suggest
from gnr.size_band import BY_CLASS, WIDEST, WORDS, Quantity

OPTION = "--uncertain"

EXAMPLE = "write KEY=SHARE, as in demand=10% or prompt_tokens:chat=0.05"

NUMBER = re.compile(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.A)

Key = tuple[Quantity, str | None]
"""What is uncertain, and of which class; None: of all."""


def label(key: Key) -> str:
    """Return a key as options write it: demand:chat."""
    return key[0] if key[1] is None else f"{key[0]}:{key[1]}"


def nominal(key: Key, instance: Instance, demand: Demand) -> float | None:
    """Return the value that is sized for; None where one factor is that of several values.

    A patience is the mean 1/theta, s, infinite where nobody leaves.
    """
    quantity, owner = key
    time = instance.gpu.iteration_time
    if quantity == "mixed_time":
        chunk = instance.gpu.chunk_tokens
        return float(mixed_iteration_time(time.base, time.per_chunk_token, chunk))
    if quantity == "decode_only":
        return time.decode_only
    if quantity == "demand":
        return demand.total if owner is None else demand.rates[owner]
    if quantity == "iteration_time" or owner is None:
        return None
    each = next(each for each in instance.classes if each.name == owner)
    if quantity == "patience":
        return 1 / each.patience_rate if each.patience_rate > 0 else float("inf")
    return each.prompt_tokens if quantity == "prompt_tokens" else each.output_tokens


def read_stated(texts: Sequence[str], instance: Instance) -> dict[Key, float]:
    """Return the relative uncertainties that texts ``KEY=SHARE`` or ``KEY:CLASS=SHARE`` state.

    A share is a number or a percentage, 0 to `WIDEST`; 0 says that something is known exactly.

    Raises
    ------
    InputError
        Naming every text that cannot be read.
    """
    found: dict[Key, float] = {}
    problems: list[Problem] = []
    for text in texts:
        try:
            key, share = _read(text, instance)
        except InputError as error:
            problems += error.problems
            continue
        if key in found:
            problems.append(_problem(f"{label(key)} is stated twice", "name it once"))
        found[key] = share
    if problems:
        raise InputError(problems)
    return found


def _read(text: str, instance: Instance) -> tuple[Key, float]:
    name, equals, number = text.rpartition("=")
    if not equals:
        raise InputError([_problem(f"{show(text)} has no share", EXAMPLE)])
    kind, colon, owner = (part.strip() for part in name.partition(":"))
    quantity = next((each for each in WORDS if each == kind), None)
    if quantity is None:
        near = suggest(kind, list(WORDS))
        remedy = f"did you mean {near}?" if near else f"use {', '.join(WORDS)}"
        raise InputError([_problem(f"{show(text)}: nothing is called {show(kind)}", remedy)])
    problems = [*_owner_problems(text, quantity, owner if colon else None, instance)]
    share = _share(number.strip())
    if share is None:
        remedy = f"write a share from 0 to {WIDEST:.0%}, as 10% or 0.1"
        problems.append(_problem(f"{show(text)}: no share {show(number.strip())}", remedy))
    if problems or share is None:
        raise InputError(problems)
    return (quantity, owner if colon else None), share


def _owner_problems(
    text: str, quantity: Quantity, owner: str | None, instance: Instance
) -> Sequence[Problem]:
    names = [each.name for each in instance.classes]
    if owner is not None and quantity not in BY_CLASS:
        return [_problem(f"{show(text)}: {quantity} is not of a class", f"write {quantity}")]
    if owner is not None and owner not in names:
        near = suggest(owner, names)
        remedy = f"did you mean {near}?" if near else f"classes: {', '.join(names)}"
        return [_problem(f"{show(text)}: no class {show(owner)}", remedy)]
    owned = [each for each in instance.classes if owner in (None, each.name)]
    if quantity == "patience" and not any(each.patience_rate for each in owned):
        return [_problem(f"{show(text)}: nobody leaves, with a patience rate of 0", "leave it out")]
    return []


def _share(number: str) -> float | None:
    digits = number.removesuffix("%").strip()
    if not NUMBER.fullmatch(digits):
        return None
    value = float(digits) / 100 if number.endswith("%") else float(digits)
    return value if value <= WIDEST else None


def _problem(message: str, remedy: str) -> Problem:
    return Problem("uncertain-option", OPTION, "", message, remedy)
