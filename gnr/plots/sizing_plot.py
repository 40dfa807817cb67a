"""The picture of `gnr size`: what promises cost, and which GPUs prefill and decode."""

from dataclasses import dataclass, replace
from typing import Any

from gnr.plots.layout import headed_figure
from gnr.plots.palette import INK
from gnr.plots.save import plain_text
from gnr.plots.sizing_groups import (
    class_handles,
    draw_groups,
    draw_shares,
    shown_classes,
    ways_of,
)
from gnr.plots.sizing_points import bounds_of, drawn_policies, of_nearest, shown_bounds
from gnr.plots.sizing_promises import MOST_PANELS, draw_bound, mark_handles, policy_handles
from gnr.sizing import SizedPolicy, Sizing

WIDTH, MARGIN, GAP = 12.5, 0.22, 0.2
"""Of the picture, left of texts, and between its parts, inches."""

SECTION, PANEL, ROW, AXIS, ENTRY = 0.72, 2.75, 0.6, 0.6, 0.24
"""Heights of the texts above panels, of a panel, of a way to run the cluster, of the numbers and
the label below a panel, and of a line of a legend, inches."""

PANELS, BETWEEN = (0.9, 10.85), 0.33
"""Left end and width of the upper panels together, and the space between two, inches."""

BARS, SHARES = (1.65, 5.6), (9.05, 3.1)
"""Left end and width of the bars and of the shares by class, inches."""

COLUMNS = 4
"""Entries of a legend side by side."""

Entries = tuple[list[Any], list[str]]


@dataclass(frozen=True)
class Sheet:
    """The part of the picture below its heading; distances in inches from its upper left corner."""

    body: Any
    height: float

    def panel(self, left: float, down: float, width: float, height: float) -> Any:
        """Return new axes."""
        bottom = 1 - (down + height) / self.height
        return self.body.add_axes((left / WIDTH, bottom, width / WIDTH, height / self.height))

    def write(self, down: float, title: str, text: str) -> None:
        """Write what a section shows and how to read it."""
        for lower, words, style in (
            (0.0, title, {"fontsize": 11, "weight": "bold"}),
            (0.23, text, {"fontsize": 9}),
        ):
            up = 1 - (down + lower) / self.height
            self.body.text(MARGIN / WIDTH, up, words, color=INK, va="top", **style)

    def legend(self, down: float, entries: Entries) -> None:
        """Write what marks mean."""
        self.body.legend(
            *entries, loc="upper left", bbox_to_anchor=(MARGIN / WIDTH, 1 - down / self.height),
            frameon=False, ncols=COLUMNS, fontsize=9, borderpad=0, borderaxespad=0,
            labelspacing=0.4, handlelength=2.6, columnspacing=1.6,
        )  # fmt: skip


@plain_text()
def draw_sizing(result: Sizing) -> Any:
    """Return the matplotlib figure of a sizing.

    Above: the fewest GPUs of those tried against the bound of each promise, at most three, those
    that some cluster breaks before others. Below: the GPUs that prefill and that decode, by class,
    of the linear program with and without disaggregation and of each size found.
    """
    policies, marks = policy_handles(result), mark_handles(result)
    upper = SECTION + PANEL + AXIS + _height(policies) + _height(marks) + GAP
    ways = ways_of(result)
    classes = class_handles(shown_classes(result))
    lower = SECTION - GAP + ROW * len(ways) + AXIS + _height(classes) if ways else 0.0
    height = GAP + upper + lower
    figure, body = headed_figure(WIDTH, height, _title(result), *_paragraphs(result))
    sheet = Sheet(body, height)
    _draw_bounds(sheet, GAP / 2, result)
    down = GAP / 2 + SECTION + PANEL + AXIS
    sheet.legend(down, policies)
    sheet.legend(down + _height(policies), marks)
    if ways:
        _draw_ways(sheet, GAP / 2 + upper, result)
        sheet.legend(GAP / 2 + upper + SECTION - GAP + ROW * len(ways) + AXIS, classes)
    return figure


def _title(result: Sizing) -> str:
    rate = f"{sum(each.requests_per_second for each in result.demanded):,.6g} requests/s"
    choice = result.choice
    if choice is None or choice.gpus is None:
        return f"{result.instance}: no cluster tried keeps the promises at {rate}"
    serve = "serves" if choice.gpus == 1 else "serve"
    size = f"{choice.gpus:,} {_gpus(result, choice.gpus)} {serve} {rate}"
    split = ""
    if choice.prefill_gpus is not None:
        decoding = choice.gpus - choice.prefill_gpus
        split = f", {choice.prefill_gpus:,} to prefill and {decoding:,} to decode"
    perhaps = "" if choice.status == "found" else "perhaps "
    return f"{result.instance}: {perhaps}{size}{split}"


def _gpus(result: Sizing, number: int = 2) -> str:
    plural = "" if number == 1 else "s"
    if result.replica_gpus == 1:
        return f"GPU{plural}"
    return f"replica{plural} of {result.replica_gpus} GPUs"


def _paragraphs(result: Sizing) -> list[str]:
    promised = "; ".join(each.words for each in bounds_of(result))
    choice = result.choice
    told = [f"Promised: {promised}."] if promised else []
    if choice is not None:
        told.append(
            f"Fewest under {choice.policy}, which keeps them with 95 % confidence."
            if choice.status == "found"
            else f"Under {choice.policy} they seem to be kept, which was not shown."
        )
    told += [_nearest(each) for each in result.policies if each.nearest]
    left_out = len(result.policies) - len(drawn_policies(result))
    more = "policy is" if left_out == 1 else "policies are"
    told += [f"{left_out} more {more} not drawn."] if left_out else []
    return [" ".join(told), "" if result.complete else "Interrupted: policies are missing."]


def _nearest(policy: SizedPolicy) -> str:
    could = [replace(of_nearest(each), promised=each.keepable) for each in policy.nearest]
    words = "; ".join(each.words for each in could)
    return f"The largest cluster tried under {policy.policy} could promise {words}."


def _draw_bounds(sheet: Sheet, down: float, result: Sizing) -> None:
    """Draw the panels of the promises, with one axis of GPUs."""
    sheet.write(
        down,
        "What other bounds would cost",
        "Lines: the fewest GPUs of those tried that keep a bound and all other promises. Other "
        "sizes were tried with few replications and are no claims.",
    )
    bounds = shown_bounds(result, MOST_PANELS)
    left, whole = PANELS
    side_by_side = max(len(bounds), 2)
    width = (whole - BETWEEN * (side_by_side - 1)) / side_by_side
    panels = [
        sheet.panel(left + place * (width + BETWEEN), down + SECTION, width, PANEL)
        for place in range(len(bounds))
    ]
    for axes, bound in zip(panels, bounds, strict=True):
        draw_bound(axes, result, bound)
        axes.tick_params(axis="y", labelleft=axes is panels[0])
    if panels:
        panels[0].set_ylabel(_gpus(result), fontsize=9, color=INK)
        _draw_cost(panels[-1], result)


def _draw_cost(axes: Any, result: Sizing) -> None:
    """Write what GPUs cost along the right side, where a price is known."""
    costs = [(each.cost.per_hour, each.gpus) for each in result.policies if each.cost is not None]
    price = next((cost / gpus for cost, gpus in costs if gpus), 0.0)
    if price > 0:
        side = axes.secondary_yaxis("right", functions=(lambda n: n * price, lambda c: c / price))
        side.set_ylabel("cost per hour", fontsize=9, color=INK)
        side.tick_params(labelsize=8.5)
        side.yaxis.set_major_formatter(lambda value, _: f"{value:,.5g}")


def _draw_ways(sheet: Sheet, down: float, result: Sizing) -> None:
    """Draw the GPUs by class and which share of them prefills."""
    sheet.write(
        down,
        "P : D, the GPUs that may prefill to the others, and what they do by class",
        "Upper bars: GPUs that prefill. Lower bars: GPUs that the decodes would fill, a batch "
        "each. Where one is above the other, GPUs do both.",
    )
    ways, classes = ways_of(result), shown_classes(result)
    for (left, width), draw in ((BARS, draw_groups), (SHARES, draw_shares)):
        draw(sheet.panel(left, down + SECTION - GAP, width, ROW * len(ways)), ways, classes)


def _height(entries: Entries) -> float:
    return ENTRY * -(-len(entries[0]) // COLUMNS)
