"""What `gnr fit` is asked for, checked before a long log is read."""

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gnr.errors import InputError, Problem

DEFAULT_LIKE = "azure-2023-conversation"
"""Instance that the GPU and the prices are taken from where none is named."""

DEFAULT_LOAD = 1.1
"""Load of the instance where nothing is said: a little more than can be served, so that the plan
has to choose; as in the shipped instance."""

DEFAULT_PATIENCE = 0.05
"""Rate at which a waiting request leaves, 1/s: an assumption, since logs do not tell."""

MOST_CLASSES = 64

AUTO = "auto"

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""Names of instances."""

ENDINGS = (".gz", ".csv", ".jsonl", ".json", ".txt", ".tsv")


@dataclass(frozen=True, kw_only=True)
class FitRequest:
    """The options of `gnr.fit` that shape its instance, by the same names and in its units.

    `classes` is None where the number is to be chosen.
    """

    classes: int | None
    gpus: float | None = None
    load: float | None = None
    rate: float | None = None
    like: str = DEFAULT_LIKE
    patience: float = DEFAULT_PATIENCE
    prefix_caching: bool = False
    block_tokens: float = 512.0
    seed: int = 0
    names: tuple[str, ...] = ()
    title: str | None = None
    origin: str = ""

    def check(self) -> None:
        """Raise `InputError` with everything that cannot be meant."""
        problems = list(self._problems())
        if problems:
            raise InputError(problems)

    def _problems(self) -> Iterator[Problem]:
        if self.classes is not None and not 1 <= self.classes <= MOST_CLASSES:
            yield _problem("--classes", f"must be auto or between 1 and {MOST_CLASSES}", "auto")
        for option, value, words in (
            ("--gpus", self.gpus, "a number of GPUs above 0"),
            ("--load", self.load, "a load above 0, such as 1.1"),
            ("--rate", self.rate, "requests/s in all, above 0"),
            ("--patience", self.patience, "a rate in 1/s above 0, such as 0.05"),
            ("--block-tokens", self.block_tokens, "tokens of a block, at least 1"),
        ):
            least = 1.0 if option == "--block-tokens" else 0.0
            if value is None:
                continue
            if not math.isfinite(value) or value <= 0 or value < least:
                yield _problem(option, f"must be {words}, got {value:g}", "correct it")
        if self.gpus is not None and self.load is not None:
            yield _problem(
                "--gpus", "goes not with --load: one of them gives the other", "drop one"
            )
        if len(set(self.names)) < len(self.names):
            yield _problem("--names", "must differ from each other", "give each class its own")
        if not all(each.strip() and each.isprintable() for each in self.names):
            yield _problem("--names", "must be words on one line", "as in --names chat,code")
        if self.classes is not None and self.names:
            yield from self.wrong_names(self.classes)
        if self.seed < 0:
            yield _problem("--seed", f"must be 0 or more, got {self.seed}", "correct it")

    def wrong_names(self, classes: int) -> Iterator[Problem]:
        """Yield what to say if there are names, and not as many as classes."""
        if self.names and len(self.names) != classes:
            message = f"names {len(self.names)} classes, there are {classes}"
            yield _problem("--names", message, "name each of them, most requests first")

    def without_rate(self, path: Path, why: str) -> InputError | None:
        """Return what to say where the log has no rate and none can be made up."""
        if self.rate is not None or self.load is not None:
            return None
        ways = (
            "say --column arrival=HEADER[:UNIT]; of a log without times say --rate R (requests/s "
            "in all) or --load F"
        )
        return InputError([Problem("no-rate", str(path), "", why, ways)])


def read_classes(text: str) -> int | None:
    """Return a number of classes, None for ``auto``.

    Raises
    ------
    InputError
        If it is neither.
    """
    if text.strip().lower() == AUTO:
        return None
    try:
        return int(text)
    except ValueError:
        message = f"must be auto or a whole number, got {text!r}"
        raise InputError([_problem("--classes", message, "as in --classes 3")]) from None


def name_of(path: Path, chosen: str | None) -> str:
    """Return the name of the instance: what was chosen, or a slug of the file's name.

    Raises
    ------
    InputError
        If what was chosen is no slug.
    """
    if chosen is not None:
        if SLUG.fullmatch(chosen):
            return chosen
        message = f"must be lower-case letters, digits and single hyphens, got {chosen!r}"
        raise InputError([_problem("--name", message, f"as in --name {_slug(chosen)}")])
    name = path.name.lower()
    while name.endswith(ENDINGS):
        name = name.rpartition(".")[0]
    return _slug(name)


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", plain)) or "request-log"


def _problem(option: str, message: str, remedy: str) -> Problem:
    return Problem("fit-option", option, "", message, remedy)
