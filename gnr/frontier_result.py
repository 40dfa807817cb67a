"""What `gnr frontier` returns: the best revenue as a function of a promise, or of two."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gnr.instance import SCHEMA_VERSION
from gnr.plan import Occupancy
from gnr.provenance import Provenance
from gnr.result import NamedSli
from gnr.simulation import write_document

WIDE = 10.0
"""Ratio of the ends of a range from which on it is divided by ratio rather than by difference."""

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True)


class FrontierSli(NamedSli):
    """The promise whose bound moves."""

    title: str
    """What is measured, in words."""
    bound: float | None
    """The bound in the instance file; null if it has none."""


class ExactPoint(BaseModel):
    """A point of the frontier."""

    model_config = _FROZEN

    bound: float
    """Bound of the promise."""
    exact: str
    """The same as a fraction."""
    revenue_rate: float
    """Best revenue there, money/s per GPU."""


class FrontierPiece(BaseModel):
    """An interval of bounds on which the best revenue is one function, (a + b eta)/(c + d eta)."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, populate_by_name=True)

    low: float = Field(alias="from")
    """Its lower end."""
    high: float = Field(alias="to")
    """Its upper end."""
    revenue_from: float
    """Best revenue at the lower end, money/s per GPU."""
    revenue_to: float
    """Best revenue at the upper end."""
    slope_from: float
    """Slope at the lower end, money/s per GPU and unit of the bound: the shadow price."""
    slope_to: float
    """Slope at the upper end."""
    shape: Literal["flat", "straight", "curved"]
    """Whether it is constant, affine, or a proper quotient (then d = 1)."""
    numerator: tuple[float, float]
    """a and b."""
    denominator: tuple[float, float]
    """c and d."""
    exact: dict[str, str]
    """from, to, a, b, c, d as fractions."""

    def at(self, bound: float) -> float:
        """Return the best revenue at a bound between the ends.

        Told from the ends: a + b eta may be a small difference of large numbers.
        """
        share, bend = self._share(bound), self._bend
        return self.revenue_from + (self.revenue_to - self.revenue_from) * share / (
            share + (1 - share) * bend
        )

    def slope_at(self, bound: float) -> float:
        """Return the slope at a bound between the ends."""
        share, bend = self._share(bound), self._bend
        return self.slope_from * (bend / (share + (1 - share) * bend)) ** 2

    def _share(self, bound: float) -> float:
        width = self.high - self.low
        return (bound - self.low) / width if width else 0.0

    @property
    def _bend(self) -> float:
        """Mean slope over that at the lower end, 1 for straight pieces."""
        rise, width = self.revenue_to - self.revenue_from, self.high - self.low
        return rise / (width * self.slope_from) if rise and width and self.slope_from else 1.0


class Resolved(BaseModel):
    """The program solved anew by the ordinary solver, a little beside a breakpoint."""

    model_config = _FROZEN

    bound: float
    """Bound it was solved at."""
    status: str
    """How the solve ended."""
    revenue_rate: float | None
    """What the solver found, money/s per GPU; null unless optimal."""
    price: float | None
    """The shadow price it found; null unless optimal."""
    expected_revenue_rate: float | None
    """What the frontier says there; null: that the promise cannot be kept."""
    expected_price: float | None
    """The slope of the frontier there; null where it cannot be kept, or where it jumps."""
    agrees: bool
    """Whether both say the same."""


class ClassOccupancy(Occupancy):
    """Where the requests of one class are, per GPU."""

    model_config = _FROZEN

    name: str
    """Name of the class."""


class Breakpoint(ExactPoint):
    """An end of a piece."""

    slope_left: float | None
    """Slope on its left; null if the frontier begins here."""
    slope_right: float | None
    """Slope on its right; null if it ends here."""
    resolved_left: Resolved | None
    """A solve on its left; null where no bound makes sense or none was asked for, and in a piece
    narrower than a millionth of its bounds: a solver cannot tell its ends apart."""
    resolved_right: Resolved | None
    """A solve on its right. Where the frontier is a single bound, one of the two is at it if none
    is beside it on the looser side."""
    agrees: bool | None
    """Whether all solves agree; null where there is none, the pieces on both sides being too
    narrow for a solve to tell one end from the other."""
    classes: tuple[ClassOccupancy, ...]
    """An optimal plan here, a vertex; there may be others."""

    @property
    def solves(self) -> tuple[Resolved, ...]:
        """Return those of the two solves that there are."""
        both = (self.resolved_left, self.resolved_right)
        return tuple(each for each in both if each is not None)


class Frontier(BaseModel):
    """The best revenue of an instance against the bound of one promise, per GPU and in money/s."""

    model_config = _FROZEN

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    instance: str
    """Name of the instance."""
    scheme: Literal["bundled", "separate"]
    """Pricing scheme."""
    sli: FrontierSli
    """The promise that moves; the others of the instance stay."""
    best_revenue_rate: float
    """Best revenue without it."""
    loosest_revenue_rate: float
    """Best revenue with its bound as loose as may be: less than `best_revenue_rate` where the
    promise comes with an empty decode buffer and that costs something."""
    tightest: ExactPoint
    """Best bound that can be kept; it is attained."""
    beyond_tightest_revenue_rate: float | None
    """Best revenue under a promise that is still better: earned by plans that serve nobody it is
    about; null where there is none."""
    loosest: ExactPoint | None
    """Bound from which on the promise costs nothing; null if there is no such bound."""
    pieces: tuple[FrontierPiece, ...]
    """All pieces between the bounds asked for, by increasing bound."""
    breakpoints: tuple[Breakpoint, ...]
    """All ends of pieces, by increasing bound."""
    verified: bool
    """Whether all solves agree, and there is one at least."""
    warnings: tuple[str, ...]
    """What should be known before the numbers are used."""
    provenance: Provenance
    """Where this result comes from."""

    def __repr__(self) -> str:
        """Return one line; `rich.print` shows the whole table."""
        return f"Frontier({self.instance}, {self.sli.name}: {len(self.pieces)} pieces)"

    __str__ = __repr__

    def __rich__(self) -> Any:
        """Return the terminal summary."""
        from gnr.frontier_summary import summarize_frontier

        return summarize_frontier(self)

    @property
    def stem(self) -> str:
        """Return the beginning of the names of its files."""
        return f"{self.instance}.frontier.{file_part(self.sli.name)}"

    def to_json(self, indent: int | None = 2) -> str:
        """Return the JSON document, floats at full precision."""
        return self.model_dump_json(indent=indent, by_alias=True)

    def write(self, folder: Path) -> Path:
        """Write the JSON document into `folder` and return its path."""
        return write_document(self.to_json(), folder, self.stem)


class FrontierMap(BaseModel):
    """The best revenue of an instance against the bounds of two promises, on a grid."""

    model_config = _FROZEN

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    instance: str
    """Name of the instance."""
    scheme: Literal["bundled", "separate"]
    """Pricing scheme."""
    slis: tuple[FrontierSli, FrontierSli]
    """The promises that move."""
    best_revenue_rate: float
    """Best revenue without either."""
    bounds: tuple[tuple[float, ...], tuple[float, ...]]
    """Bounds of the grid, increasing, by promise."""
    tightest: tuple[float, float]
    """Best bound of each that can be kept if the other is not promised; it is in the grid. Better
    ones are all alike: kept, if at all, by serving nobody the promise is about."""
    revenue_rate: tuple[tuple[float | None, ...], ...]
    """Best revenue, by bound of the first and of the second promise; null where the two cannot be
    kept together. Exact at the points of the grid; nothing is known between them but that it never
    falls as a bound is loosened."""
    resolved: tuple[tuple[int, int, Resolved], ...]
    """Solves anew at some points of the grid, by their places along it."""
    verified: bool
    """Whether they agree."""
    warnings: tuple[str, ...]
    """What should be known before the numbers are used."""
    provenance: Provenance
    """Where this result comes from."""

    def __repr__(self) -> str:
        """Return one line; `rich.print` shows the whole table."""
        return f"FrontierMap({self.instance}, {' and '.join(sli.name for sli in self.slis)})"

    __str__ = __repr__

    def __rich__(self) -> Any:
        """Return the terminal summary."""
        from gnr.frontier_summary import summarize_map

        return summarize_map(self)

    @property
    def stem(self) -> str:
        """Return the beginning of the names of its files."""
        names = ".".join(file_part(sli.name) for sli in self.slis)
        return f"{self.instance}.frontier-map.{names}"

    def to_json(self, indent: int | None = 2) -> str:
        """Return the JSON document, floats at full precision."""
        return self.model_dump_json(indent=indent, by_alias=True)

    def write(self, folder: Path) -> Path:
        """Write the JSON document into `folder` and return its path."""
        return write_document(self.to_json(), folder, self.stem)


def file_part(name: str) -> str:
    """Return a name as a part of a file name: letters, digits, ``-`` and ``_``."""
    return "".join(each if each.isalnum() or each in "-_" else "-" for each in name)


def wide(low: float, high: float) -> bool:
    """Return whether a range is divided by ratio rather than by difference."""
    return low > 0 and high > WIDE * low
