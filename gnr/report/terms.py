"""Terms and names that a report takes for granted, kept in ``terms.toml``."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class Term:
    """Names that are explained together.

    Attributes
    ----------
    names
        As they stand in a text.
    says
        What they are.
    """

    names: tuple[str, ...]
    says: str

    def occurs_in(self, text: str) -> bool:
        """Tell whether one of the names stands in a text, as a word of its own."""
        found = "|".join(re.escape(each) for each in self.names)
        return re.search(rf"(?<!\w)(?:{found})(?!\w)", text) is not None


@cache
def all_terms() -> tuple[Term, ...]:
    """Return everything that is explained, in the order in which it is told."""
    text = (resources.files("gnr.report") / "terms.toml").read_text(encoding="utf-8")
    return tuple(Term(tuple(each["names"]), each["says"]) for each in tomllib.loads(text)["terms"])


def terms_in(text: str) -> list[Term]:
    """Return those terms that stand in a text, and those that explain these."""
    found = [each for each in all_terms() if each.occurs_in(text)]
    explained = " ".join(each.says for each in found)
    if all(each in found for each in all_terms() if each.occurs_in(explained)):
        return found
    return terms_in(f"{text} {explained}")
