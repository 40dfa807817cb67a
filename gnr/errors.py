"""What can be wrong with a user's input, and the exception that carries it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One fault in the input, told so that the user can mend it.

    Attributes
    ----------
    check
        Identifier of the check that found it (a key of `gnr.checks.CHECKS`, or the name of
        a command-line check).
    file
        File, shipped name or option the fault is in.
    path
        Place inside the file, as in ``classes[1].arrival_rate``; empty for the whole file.
    message
        What is wrong, with the value found and its unit.
    remedy
        What to write instead.
    """

    check: str
    file: str
    path: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        """Return ``file: path: message. remedy`` on one line."""
        place = f"{self.file}: {self.path}" if self.path else self.file
        advice = f"; {self.remedy}" if self.remedy else ""
        return f"{place}: {self.message}{advice}"


class InputError(Exception):
    """The input cannot be used; `problems` holds every fault found, not only the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> Any:
        """Pickle by the problems: the text alone would not bring them back from a worker."""
        return type(self), (self.problems,)


class NoOptimumError(InputError):
    """The input is well formed, but there is no optimum to compare with: an honest negative."""
