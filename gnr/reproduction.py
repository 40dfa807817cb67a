"""What `gnr reproduce` returns: each experiment of the paper, what was measured, what stands."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gnr.instance import SCHEMA_VERSION
from gnr.provenance import Provenance
from gnr.simulation import write_document

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True)

Kind = Literal["exact", "printed", "estimated", "unrepeated"]
"""How sure a number is: `exact` where no chance is in it, `printed` if the paper prints it or what
it is computed from, `estimated` from repetitions, `unrepeated` if measured and the source does not
say how often. Only `estimated` has an interval."""

Met = Literal["yes", "no", "undecided"]
"""Whether a quantity is on the side of a bound that a claim asks for."""

Finding = Literal["confirmed", "partly", "not confirmed", "undecided"]
"""What the conditions of a claim come to."""

Limit = Literal["not specified enough", "data not public"]
"""What keeps a claim from being rebuilt as it stands."""


class Quantity(BaseModel):
    """A number with its interval; both ends are the number itself where it has none."""

    model_config = _FROZEN

    name: str
    """Name by which conditions refer to it."""
    words: str
    """What it is."""
    kind: Kind
    """Where its interval comes from, or why it has none."""
    value: float
    """The number."""
    low: float
    """Lower end of the interval."""
    high: float
    """Upper end of the interval."""
    unit: str
    """Unit; empty for plain numbers, `%` for shares that are told in per cent."""


class Condition(BaseModel):
    """A bound that a quantity must keep for a claim to stand."""

    model_config = _FROZEN

    quantity: str
    """Name of the quantity."""
    direction: Literal["at_most", "at_least"]
    """Which side of the bound is asked for."""
    bound: float
    """The bound, in the unit of the quantity."""
    met: Met
    """`yes` if the whole interval is on that side, `no` if none of it is, else `undecided`.
    Where there is no interval the number alone decides."""


class Claim(BaseModel):
    """One statement of the paper and what became of it."""

    model_config = _FROZEN

    name: str
    """Name, unique in the experiment."""
    says: str
    """What the paper says, in our words."""
    source: str
    """Where it says so."""
    reason: str
    """Why the bounds are where they are."""
    conditions: tuple[Condition, ...]
    """All must be met."""
    finding: Finding
    """`confirmed` if all conditions are met. One that is not met settles that the claim fails:
    `partly` if others are met, `not confirmed` if none is (shown to be). Else `undecided`."""
    limit: Limit | None
    """What keeps the claim from being rebuilt as it stands; `finding` is then about the choices
    or the data that were put in the place of what is missing."""

    @property
    def verdict(self) -> str:
        """Return the verdict in the words of the report."""
        return self.finding if self.limit is None else self.limit


class Series(BaseModel):
    """A line of a picture: points with intervals."""

    model_config = _FROZEN

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...] | None = None
    """Lower ends of the intervals; null where the points are exact."""
    high: tuple[float, ...] | None = None
    """Upper ends."""


class Reference(BaseModel):
    """A horizontal line to compare with."""

    model_config = _FROZEN

    label: str
    y: float


class Lines(BaseModel):
    """A panel of lines over one axis."""

    model_config = _FROZEN

    kind: Literal["lines"] = "lines"
    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    references: tuple[Reference, ...] = ()
    x_log: bool = False
    y_log: bool = False
    marks: bool = True
    """Whether the points are marked; false for curves."""


class Bars(BaseModel):
    """A panel of bars by category, one for each series."""

    model_config = _FROZEN

    kind: Literal["bars"] = "bars"
    title: str
    y_label: str
    categories: tuple[str, ...]
    series: tuple[Series, ...]
    """x counts the categories from 0."""
    references: tuple[Reference, ...] = ()


class HeatMap(BaseModel):
    """A panel of colours over two axes."""

    model_config = _FROZEN

    kind: Literal["map"] = "map"
    title: str
    x_label: str
    y_label: str
    z_label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    z: tuple[tuple[float | None, ...], ...]
    """By y, then x; null where there is no value."""
    x_log: bool = False
    y_log: bool = False


class Scatter(BaseModel):
    """A panel of points in clouds."""

    model_config = _FROZEN

    kind: Literal["scatter"] = "scatter"
    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    x_log: bool = False
    y_log: bool = False


Panel = Annotated[Lines | Bars | HeatMap | Scatter, Field(discriminator="kind")]


class Experiment(BaseModel):
    """A figure or table of the paper, run again."""

    model_config = _FROZEN

    name: str
    """Name, as `figure4`."""
    title: str
    """What it shows."""
    choices: tuple[str, ...]
    """What was chosen where the paper is silent."""
    quantities: tuple[Quantity, ...]
    """What was measured."""
    claims: tuple[Claim, ...]
    """What the paper says, and what became of it."""
    caption: str
    """What to see in the picture."""
    panels: tuple[Panel, ...]
    """The picture."""
    verdict: str
    """Of all claims together, by the rule of `Claim.finding`; the common limit if all have one."""
    warnings: tuple[str, ...]
    """What should be known before the numbers are used."""

    @property
    def verdicts(self) -> tuple[str, ...]:
        """Return the verdict, then what keeps single claims from being rebuilt as they stand."""
        limits = (each.limit for each in self.claims if each.limit is not None)
        return tuple(dict.fromkeys((self.verdict, *limits)))

    def quantity(self, name: str) -> Quantity:
        """Return the quantity of that name.

        Raises
        ------
        KeyError
            If there is none.
        """
        return {each.name: each for each in self.quantities}[name]


class Reproduction(BaseModel):
    """The experiments of the paper, what was measured, and what stands."""

    model_config = _FROZEN

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    effort: Literal["quick", "full"]
    """How much was simulated."""
    confidence: float
    """Of every interval: low enough an error for all verdicts to hold together, see `joint`."""
    joint: float
    """Probability, at least, that chance has made no verdict wrong, granted that the runs have
    settled and that the choices are right. What the sources of unrepeated measurements owe to
    chance is not known, and not counted."""
    experiments: tuple[Experiment, ...]
    """In the order of the paper."""
    warnings: tuple[str, ...]
    """What should be known before the numbers are used."""
    provenance: Provenance
    """Where this result comes from."""

    def __repr__(self) -> str:
        """Return one line; `rich.print` shows the whole table."""
        told = (f"{each.name}: {', '.join(each.verdicts)}" for each in self.experiments)
        return f"Reproduction({self.effort}; {'; '.join(told)})"

    __str__ = __repr__

    def __rich__(self) -> Any:
        """Return the terminal summary."""
        from gnr.reproduction_summary import summarize_reproduction

        return summarize_reproduction(self)

    @property
    def undecided(self) -> list[str]:
        """Return the claims that could not be settled, as ``EXPERIMENT/CLAIM``."""
        return [
            f"{experiment.name}/{claim.name}"
            for experiment in self.experiments
            for claim in experiment.claims
            if claim.finding == "undecided"
        ]

    def to_json(self, indent: int | None = 2) -> str:
        """Return the JSON document, floats at full precision."""
        return self.model_dump_json(indent=indent)

    def write(self, folder: Path) -> Path:
        """Write the JSON document into `folder` and return its path."""
        return write_document(self.to_json(), folder, "reproduction")


def met(quantity: Quantity, direction: str, bound: float) -> Met:
    """Return whether the interval of a quantity is on the side of a bound that is asked for."""
    low, high = quantity.low, quantity.high
    if direction == "at_least":
        low, high, bound = -high, -low, -bound
    if high <= bound:
        return "yes"
    return "no" if low > bound else "undecided"


def finding_of(parts: Iterable[Met]) -> Finding:
    """Return what conditions come to together, by the rule of `Claim.finding`."""
    found = set(parts)
    if "no" in found:
        return "partly" if "yes" in found else "not confirmed"
    return "undecided" if "undecided" in found or not found else "confirmed"


AS_MET: dict[Finding, tuple[Met, ...]] = {
    "confirmed": ("yes",),
    "not confirmed": ("no",),
    "partly": ("yes", "no"),
    "undecided": ("undecided",),
}
"""A finding as the conditions it stands for, so that claims are counted by the same rule."""


def verdict_of(claims: Sequence[Claim]) -> str:
    """Return the verdict on an experiment."""
    limits = {each.limit for each in claims}
    if len(limits) == 1 and (limit := limits.pop()) is not None:
        return limit
    return finding_of(one for each in claims for one in AS_MET[each.finding])
