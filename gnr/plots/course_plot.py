"""Picture of a cluster through a surge and a drain: dots are the chain, lines the fluid model."""

from typing import Any

from gnr.plots.palette import FAINT, INK, class_colour
from gnr.plots.save import new_figure, one_line, plain_text
from gnr.validation.chain import Row
from gnr.validation.studies.courses import Course, Courses

ROWS = (
    ("in prefill", (Row.PREFILL,)),
    ("waiting for prefill", (Row.PREFILL_QUEUE,)),
    ("decoding", (Row.MIXED_DECODE, Row.SOLO_DECODE)),
    ("waiting for a decode slot", (Row.DECODE_QUEUE, Row.SOLO_QUEUE)),
)

MOST_CLASSES = 10
"""Classes drawn."""


def draw_courses(found: Courses) -> Any:
    """Return the figure: a column for each scenario, a row for each station."""
    with plain_text():
        figure = new_figure(12, 10.0)
        for column, course in enumerate(found.courses):
            for row, (title, stations) in enumerate(ROWS):
                axes = figure.add_axes((0.07 + 0.49 * column, 0.715 - 0.2 * row, 0.42, 0.14))
                _draw(axes, course, [int(station) for station in stations])
                axes.set_title(title, loc="left", fontsize=9.5, color=INK)
                if row == 0:
                    axes.text(0.0, 1.24, course.title, transform=axes.transAxes, fontsize=11,
                              weight="bold", color=INK)  # fmt: skip
                if row == len(ROWS) - 1:
                    axes.set_xlabel("seconds", color=INK)
                else:
                    axes.set_xticklabels([])
        heading = f"{found.policy} on {found.gpus:,} GPUs: fluid model (lines) and simulation"
        figure.text(0.02, 0.973, heading, fontsize=14, weight="bold", color=INK, va="center")
        lanes = found.courses[0].chain.shape[-1]
        figure.text(
            0.02, 0.945,
            f"{one_line(found.instance.title)}. Dots: mean of {lanes} runs; band: all of them. "
            "Requests per GPU.",
            fontsize=10, color=INK, va="center",
        )  # fmt: skip
        figure.text(0.02, 0.918, _caution(found), fontsize=10, color=INK, va="center")
        _legend(figure, found)
    return figure


def _caution(found: Courses) -> str:
    """Return what keeps the chain away from the fluid."""
    if found.least_target < 1:
        return "Some class should have less than one prefill: the fluid is no guide there."
    return "Finite clusters wait more before decode than the fluid does."


def _draw(axes: Any, course: Course, stations: list[int]) -> None:
    for i in range(min(course.fluid.shape[1], MOST_CLASSES)):
        colour = class_colour(i)
        lanes = course.chain[:, i, stations].sum(axis=1)
        axes.fill_between(
            course.times,
            lanes.min(axis=1),
            lanes.max(axis=1),
            color=colour,
            alpha=0.18,
            linewidth=0,
        )
        axes.plot(
            course.times, course.fluid[:, i, stations].sum(axis=1), color=colour, linewidth=1.4
        )
        axes.plot(
            course.times[::6], lanes.mean(axis=1)[::6], color=colour, marker="o", markersize=2.8,
            linestyle="none",
        )  # fmt: skip
    for change in course.changes:
        axes.axvline(change, color=FAINT, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.set_xlim(0, course.times[-1])
    axes.set_ylim(bottom=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _legend(figure: Any, found: Courses) -> None:
    from matplotlib.lines import Line2D

    names = [one_line(each.name) for each in found.instance.classes][:MOST_CLASSES]
    handles = [Line2D([], [], color=class_colour(i), linewidth=3) for i in range(len(names))]
    figure.legend(handles, names, loc="lower center", ncols=min(len(names), 5), frameon=False,
                  fontsize=9, bbox_to_anchor=(0.5, 0.0))  # fmt: skip
