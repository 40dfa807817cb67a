"""The terminal summary of `gnr frontier`, and the words that its pictures share with it."""

from dataclasses import dataclass
from typing import Any, Literal

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from gnr.facts import money
from gnr.frontier_result import Breakpoint, Frontier, FrontierMap, FrontierSli
from gnr.outward import outward
from gnr.promise_facts import SOME_STEP, with_unit

MOST_ROWS = 40
"""Breakpoints shown; the rest is in the JSON."""

MAP_ROWS = 9
"""Bounds of each promise shown of a map; the rest is in the JSON and in the picture."""

MAP_NOTE = (
    "A grid: the figures are exact at its points, and between them the revenue is only known not "
    "to fall as a promise is loosened."
)

SYMBOLS = {"at_most": "≤", "at_least": "≥"}


@dataclass(frozen=True)
class Measure:
    """How the bounds of a promise are shown: on the looser side, where they can be kept.

    Attributes
    ----------
    factor
        Shown numbers are the bounds times this.
    unit
        Their unit.
    direction
        Which way the bounds go.
    """

    factor: float
    unit: str
    direction: Literal["at_most", "at_least"]

    def text(self, bound: float) -> str:
        """Return a bound with its unit."""
        return with_unit(self.number(bound), self.unit)

    def number(self, bound: float) -> str:
        """Return a bound without its unit."""
        return f"{outward(self.factor * bound, self.direction):.6g}"

    @property
    def priced(self) -> float:
        """How much looser a bound is that is priced: a unit, or a hundredth of a whole."""
        return SOME_STEP if self.unit.startswith("fraction ") else 1.0

    @property
    def price_unit(self) -> str:
        """Unit of the shadow price."""
        return f"money/s per GPU for {with_unit(f'{self.priced:g}', self.unit)}"

    def price(self, slope: float) -> str:
        """Return a shadow price without its unit."""
        return money(slope / self.factor * self.priced)


def measure(sli: FrontierSli, largest: float) -> Measure:
    """Return how the bounds of a promise are shown: times below a second in ms."""
    if sli.unit == "s" and abs(largest) < 1:
        return Measure(1e3, "ms", sli.direction)
    return Measure(1.0, sli.unit, sli.direction)


def measure_of(frontier: Frontier) -> Measure:
    """Return how the bounds of a frontier are shown."""
    return measure(frontier.sli, frontier.breakpoints[-1].bound)


def summarize_frontier(frontier: Frontier) -> Any:
    """Return the summary of one frontier as a rich renderable."""
    sli, shown = frontier.sli, measure_of(frontier)
    heading = (
        f"{frontier.instance}: best revenue under {frontier.scheme} pricing against {sli.name} "
        f"{SYMBOLS[sli.direction]} bound ({sli.title})"
    )
    parts: list[Any] = [Text(heading, style="bold")]
    parts += [Text(line) for line in sentences(frontier)]
    parts.append(_breakpoint_table(frontier, shown))
    parts.append(Text(verification(frontier), style="" if frontier.verified else "bold red"))
    return Group(*parts)


def sentences(frontier: Frontier) -> list[str]:
    """Return in sentences where the frontier begins and where it ends."""
    shown, best = measure_of(frontier), frontier.best_revenue_rate
    tight, loose = frontier.tightest, frontier.loosest
    begins = (
        f"The tightest that can be promised is {shown.text(tight.bound)}: it leaves "
        f"{revenue(tight.revenue_rate, best)}."
    )
    if frontier.beyond_tightest_revenue_rate is None:
        begins += " No tighter one can be kept."
    else:
        begins += (
            " A tighter one is kept only by plans that serve nobody it is about; they earn "
            f"{revenue(frontier.beyond_tightest_revenue_rate, best)}."
        )
    found = [begins]
    if loose is None:
        found.append("It costs something at any bound.")
    else:
        from_here = "on" if frontier.sli.direction == "at_most" else "down"
        found.append(
            f"From {shown.text(loose.bound)} {from_here} its bound costs nothing: "
            f"{revenue(loose.revenue_rate, best)}."
        )
    if frontier.loosest_revenue_rate < best * (1 - 1e-9):
        found.append(
            "It comes with an empty decode buffer (eqs. P43, P45), which alone costs "
            f"{money(best - frontier.loosest_revenue_rate)} money/s per GPU."
        )
    return found


def verification(frontier: Frontier) -> str:
    """Return in a sentence whether the ordinary solver agrees."""
    by_point = [point.solves for point in frontier.breakpoints]
    solves = [each for found in by_point for each in found]
    apart = [each for each in solves if not each.agrees]
    if not solves:
        return "NOT VERIFIED: too narrow for a solve to tell one end from the other."
    if not apart:
        count = len(solves)
        where = "beside every breakpoint" if all(by_point) else "where a solve can tell ends apart"
        where = where if len(by_point) > 1 else "here"
        return f"Solved anew {where}: {count} of {count} solves agree."
    shown = measure_of(frontier)
    places = ", ".join(shown.text(each.bound) for each in apart)
    return f"NOT VERIFIED: {len(apart)} of {len(solves)} solves disagree, at {places}."


def revenue(amount: float, best: float) -> str:
    """Return an amount with its share of the best."""
    return f"{money(amount)} money/s per GPU ({share(amount, best)} of the best)"


def share(amount: float, best: float) -> str:
    """Return a share in percent; a dash where nothing can be earned at all."""
    return f"{amount / best:.2%}" if best > 0 else "–"


def _breakpoint_table(frontier: Frontier, shown: Measure) -> Table:
    table = _table(f"where the price changes; price: {shown.price_unit}")
    sli = frontier.sli
    table.add_column(f"promise {SYMBOLS[sli.direction]} ({shown.unit})", justify="right")
    for heading in ("revenue", "of the best", "price below", "price above"):
        table.add_column(heading, justify="right")
    table.add_column("from here up", justify="left")
    table.add_column("solved anew", justify="left")
    best = frontier.best_revenue_rate
    shapes = [piece.shape for piece in frontier.pieces] + [""]
    rows = list(zip(frontier.breakpoints, shapes, strict=False))
    for point, shape in rows[:MOST_ROWS]:
        slopes = prices_at(frontier, point)
        table.add_row(
            shown.number(point.bound),
            money(point.revenue_rate),
            share(point.revenue_rate, best),
            *("" if slope is None else shown.price(slope) for slope in slopes),
            shape,
            _solved(point),
        )
    if len(rows) > MOST_ROWS:
        table.caption = f"and {len(rows) - MOST_ROWS} more (see --json)"
    return table


def prices_at(frontier: Frontier, point: Breakpoint) -> list[float | None]:
    """Return the prices below and above a breakpoint; beyond the loosest the price is 0."""
    slopes = [point.slope_left, point.slope_right]
    if frontier.loosest is not None and point.exact == frontier.loosest.exact:
        free = 1 if frontier.sli.direction == "at_most" else 0
        slopes[free] = slopes[free] or 0.0
    return slopes


def _solved(point: Breakpoint) -> str:
    if point.agrees is None:
        return "–"
    return f"{len(point.solves)} agree" if point.agrees else "DISAGREES"


def summarize_map(result: FrontierMap) -> Any:
    """Return the summary of a map as a rich renderable."""
    first, second = result.slis
    heading = (
        f"{result.instance}: best revenue under {result.scheme} pricing against {first.name} and "
        f"{second.name}"
    )
    across, down = (
        measure(sli, bounds[-1]) for sli, bounds in zip(result.slis, result.bounds, strict=True)
    )
    table = _table(
        f"share of the best revenue, {money(result.best_revenue_rate)} money/s per GPU; columns: "
        f"{second.name} {SYMBOLS[second.direction]} ({down.unit})"
    )
    table.add_column(f"{first.name} {SYMBOLS[first.direction]} ({across.unit})", justify="right")
    rows, columns = (_some(len(bounds)) for bounds in result.bounds)
    for j in columns:
        table.add_column(down.number(result.bounds[1][j]), justify="right")
    for i in rows:
        cells = (result.revenue_rate[i][j] for j in columns)
        best = result.best_revenue_rate
        table.add_row(
            across.number(result.bounds[0][i]),
            *("cannot" if cell is None else share(cell, best) for cell in cells),
        )
    verified = f"Solved anew at {len(result.resolved)} points of the grid: " + (
        "all agree." if result.verified else "THEY DISAGREE."
    )
    return Group(Text(heading, style="bold"), table, Text(MAP_NOTE, style="dim"), Text(verified))


def _some(count: int) -> list[int]:
    """Return at most `MAP_ROWS` places spread over `count`, both ends among them."""
    number = min(count, MAP_ROWS)
    return [round(k * (count - 1) / (number - 1)) for k in range(number)]


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="italic", box=box.SIMPLE_HEAD,
                 pad_edge=False, padding=(0, 1, 0, 0))  # fmt: skip
