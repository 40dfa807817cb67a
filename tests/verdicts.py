"""The verdicts of a reproduction judged anew, from its stored numbers and the committed bounds."""

import tomllib
from pathlib import Path
from typing import Any

CLAIMS = Path(__file__).parents[1] / "validation" / "studies" / "reproduction" / "claims.toml"


def again_met(quantity: dict[str, Any], direction: str, bound: float) -> str:
    """Judge a condition anew: by the ends of the interval, one after the other."""
    inside = [
        each <= bound if direction == "at_most" else each >= bound
        for each in (quantity["low"], quantity["high"])
    ]
    return "yes" if all(inside) else "undecided" if any(inside) else "no"


def again_found(parts: list[str]) -> str:
    """Judge a claim anew: all its bounds must be kept, and one that is missed settles it."""
    if all(each == "yes" for each in parts):
        return "confirmed"
    if all(each != "no" for each in parts):
        return "undecided"
    return "partly" if any(each == "yes" for each in parts) else "not confirmed"


def check_verdicts(document: Any) -> None:
    """Fail unless every verdict in a document of ``gnr reproduce`` is that of its numbers."""
    outline = tomllib.loads(CLAIMS.read_text())
    standing = {"confirmed": ["yes"], "not confirmed": ["no"], "partly": ["yes", "no"]}
    for experiment in document["experiments"]:
        quantities = {each["name"]: each for each in experiment["quantities"]}
        entries = {each["name"]: each for each in outline[experiment["name"]]["claims"]}
        votes: list[str] = []
        for claim in experiment["claims"]:
            entry = entries.pop(claim["name"])
            bounds = {
                (direction, name): bound
                for direction in ("at_most", "at_least")
                for name, bound in entry.get(direction, {}).items()
            }
            told = {(c["direction"], c["quantity"]): c["bound"] for c in claim["conditions"]}
            assert told == bounds
            met = [
                again_met(quantities[each["quantity"]], each["direction"], each["bound"])
                for each in claim["conditions"]
            ]
            assert [each["met"] for each in claim["conditions"]] == met, claim["name"]
            assert claim["finding"] == again_found(met), claim["name"]
            assert claim["limit"] == entry.get("limit")
            votes += standing.get(claim["finding"], ["undecided"])
        assert not entries
        limits = {claim["limit"] for claim in experiment["claims"]}
        common = limits.pop() if len(limits) == 1 else None
        assert experiment["verdict"] == (common or again_found(votes)), experiment["name"]
