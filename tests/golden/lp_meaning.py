"""Read an LP file as Pyomo writes it, and keep its meaning only."""

import re
from typing import NamedTuple

NUMBER = r"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|inf)"


class Row(NamedTuple):
    """A row or objective: ``terms relation right``; an objective has right 0."""

    terms: frozenset[tuple[str, float]]
    relation: str
    right: float


def parse(text: str) -> dict[str, Row]:
    """Return rows, objective and bounds by name.

    Rows are normalised: no ``>=`` (the signs are turned instead), equations with a positive
    first coefficient in alphabetical order, zero coefficients left out, order forgotten.
    """
    text = re.sub(r"\\\*.*?\*\\", "", text)
    head, _, rest = text.partition("s.t.")
    rows, _, bounds = rest.partition("bounds")
    sense = head.split()[0]
    found = {"objective": _row(head.split(":", 1)[1], sense)}
    for label, body in re.findall(
        r"^(\S+):\n(.*?)(?=^\S+:\n|\Z)", rows.strip() + "\n", re.M | re.S
    ):
        name = re.sub(r"^c_[eul]_(.*)_$", r"\1", label)
        left, relation, right = re.split(r"(<=|>=|=)", body)
        found[name] = _row(left, relation, float(right))
    for line in bounds.strip().splitlines()[:-1]:
        low, name, high = re.split(r"<=", line)
        found[f"bounds of {name.strip()}"] = Row(frozenset(), low.strip(), float(high))
    return {name: row for name, row in found.items() if "ONE_VAR_CONSTANT" not in name}


def _row(body: str, relation: str, right: float = 0.0) -> Row:
    terms: dict[str, float] = {}
    for coefficient, variable in re.findall(rf"({NUMBER})\s+(\S+)", body):
        terms[variable] = terms.get(variable, 0.0) + float(coefficient)
    terms = {variable: value for variable, value in terms.items() if value}
    first = terms[min(terms)] if terms else 1.0
    if relation == ">=" or (relation == "=" and first < 0):
        terms = {variable: -value for variable, value in terms.items()}
        relation, right = relation.replace(">", "<"), -right
    return Row(frozenset(terms.items()), relation, right)
