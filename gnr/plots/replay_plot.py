"""Picture of `gnr replay`: the log and the cluster over time, one line for each policy."""

from collections.abc import Callable
from typing import Any

import numpy as np

from gnr.plots.convergence_plot import POLICY_COLOURS
from gnr.plots.layout import headed_figure, label_by_ratio
from gnr.plots.palette import FAINT, IDLE, INK
from gnr.plots.save import plain_text
from gnr.replay_result import Course, Replay, ReplayedPolicy
from gnr.replay_summary import name_of

WIDTH, PANEL, FOOT = 11.0, 1.55, 1.05

MOST_POLICIES = 6
"""Policies drawn: more lines cannot be told apart."""

Values = Callable[[Course], list[float]]


def draw_replay(found: Replay) -> Any:
    """Return the figure: a row of time for each quantity."""
    drawn = found.policies[:MOST_POLICIES]
    rows = _rows(found)
    left_out = len(found.policies) - len(drawn)
    with plain_text():
        figure, body = headed_figure(
            WIDTH,
            PANEL * len(rows) + FOOT,
            f"{found.trace} on {found.gpus:,} GPUs of {found.instance}",
            f"{found.requests:,} requests in {found.span_s:,.4g} s, a load of {found.load:.0%} of "
            f"what the linear program serves in full. Averages over {found.interval_s:.3g} s of "
            "one replay of each policy; shaded: after the last arrival. Lines that are "
            "alike hide each other.",
            f"{left_out} more policies are not drawn." if left_out else "",
        )
        every = body.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
        foot = FOOT / (PANEL * len(rows) + FOOT)
        body.subplots_adjust(left=0.09, right=0.98, top=0.985, bottom=foot, hspace=0.16)
        for axes, (title, values, logarithmic) in zip(every, rows, strict=True):
            _draw(axes, drawn, values, logarithmic)
            axes.axvspan(found.span_s, max(each.makespan_s.mean for each in drawn), color=IDLE,
                         zorder=0)  # fmt: skip
            axes.set_ylabel(title, color=INK, fontsize=9)
        _arrivals(every[0], drawn[0].course)
        every[-1].set_xlabel("seconds since the first request", color=INK)
        every[-1].set_xlim(0, max(each.makespan_s.mean for each in drawn))
        _legend(body, drawn)
    return figure


def _rows(found: Replay) -> list[tuple[str, Values, bool]]:
    rows: list[tuple[str, Values, bool]] = [
        ("requests/s\n(area: came,\nlines: done)", lambda course: course.finished, False),
        ("waiting for\nprefill", lambda course: course.waiting_prefill, False),
        (
            "decoding,\nper GPU",
            lambda course: [each / found.gpus for each in course.decoding],
            False,
        ),
        (
            "95 % of TTFT\nbelow (s)",
            lambda course: [np.nan if each is None else each for each in course.ttft_p95_s],
            True,
        ),
    ]
    if any(any(each.course.waiting_decode) for each in found.policies):
        rows.insert(2, ("waiting for\ndecode", lambda course: course.waiting_decode, False))
    if found.kv_tokens is not None:
        most = found.kv_tokens
        rows.append(
            (
                "KV memory\nreserved (%)",
                lambda c: [100 * each / most for each in c.kv_tokens],
                False,
            )
        )
    return rows


def _draw(
    axes: Any, policies: tuple[ReplayedPolicy, ...], values: Values, logarithmic: bool
) -> None:
    for each, style in zip(policies, _styles(policies), strict=True):
        start = np.array(each.course.start_s)
        middle = (start + np.array(each.course.end_s)) / 2
        axes.plot(middle, values(each.course), linewidth=1.2, **style)
    if logarithmic:
        axes.set_yscale("log")
        label_by_ratio(axes.yaxis, *axes.get_ylim())
    else:
        axes.set_ylim(bottom=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _styles(policies: tuple[ReplayedPolicy, ...]) -> list[dict[str, Any]]:
    """Return a colour for each policy; broken lines where plans are made anew."""
    names = list(dict.fromkeys(each.policy for each in policies))
    return [
        {
            "color": POLICY_COLOURS[names.index(each.policy) % len(POLICY_COLOURS)],
            "linestyle": "-" if each.replanned_every_s is None else (0, (4, 2)),
        }
        for each in policies
    ]


def _arrivals(axes: Any, course: Course) -> None:
    """Draw what came behind what was finished."""
    middle = (np.array(course.start_s) + np.array(course.end_s)) / 2
    axes.fill_between(middle, course.arrivals, color=FAINT, alpha=0.35, linewidth=0, step="mid")


def _legend(body: Any, policies: tuple[ReplayedPolicy, ...]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], linewidth=2, **style) for style in _styles(policies)]
    body.legend(handles, [name_of(each) for each in policies], loc="lower center", frameon=False,
                ncols=min(len(policies), 3), fontsize=9)  # fmt: skip
