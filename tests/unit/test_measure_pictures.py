"""Pictures of calibrations and replays: what they promise is drawn, and nothing is cut off."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gnr
from gnr.calibration_result import Calibration
from gnr.plots.calibration_plot import draw_calibration
from gnr.plots.replay_plot import draw_replay
from gnr.replay_result import Replay

SAMPLES = Path(__file__).parents[1] / "data" / "samples"


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return gnr.calibrate(SAMPLES / "iteration-times.csv", decodes=15, context=1024)


@pytest.fixture(scope="module")
def replay() -> Replay:
    return gnr.replay(
        gnr.read_trace(SAMPLES / "requests.csv"), gnr.load("two-class"),
        gnr.Cluster(8, kv_tokens=60_000), replan=60.0, replications=1,
    )  # fmt: skip


def lines(axes: Any) -> dict[str, Any]:
    return {line.get_label(): line for line in axes.lines}


def test_the_line_is_drawn_through_the_measured_times(calibration: Calibration) -> None:
    """In the panel, within its range, as far from the points as the result says."""
    axes = draw_calibration(calibration).axes[0]
    found = lines(axes)
    x, y = found["line α + βC"].get_data()
    chunk, seconds = found["measured"].get_data()
    low, high = calibration.line.chunk_tokens
    inside = (chunk >= low) & (chunk <= high)
    off = np.interp(chunk[inside], x, y) / seconds[inside] - 1
    assert np.abs(off).max() == pytest.approx(calibration.line.max_error, abs=2e-3)
    bottom, top = axes.get_ylim()
    assert bottom < y.min() < y.max() < top


def test_arrivals_and_finished_requests_of_the_picture_are_those_of_the_log(
    replay: Replay,
) -> None:
    """The curves add up to the requests; a short last interval makes no spike."""
    for each in replay.policies:
        course = each.course
        length = np.array(course.end_s) - np.array(course.start_s)
        assert np.sum(course.arrivals * length) == pytest.approx(replay.requests)
        finished = each.fates.finished.mean * replay.requests
        assert np.sum(course.finished * length) == pytest.approx(finished)
        assert length.min() >= length.max() / 3
        assert np.max(course.finished) < 5 * replay.requests / replay.span_s


def test_replanned_policies_have_the_colour_of_their_own_and_a_broken_line(
    replay: Replay,
) -> None:
    axes = draw_replay(replay).axes[1]
    styles = {
        (each.policy, each.replanned_every_s is None): line
        for each, line in zip(replay.policies, axes.lines, strict=True)
    }
    own, other = styles["gate-and-route", True], styles["gate-and-route", False]
    assert own.get_color() == other.get_color()
    assert own.get_linestyle() != other.get_linestyle()


def test_no_text_is_cut_off_or_on_another(calibration: Calibration, replay: Replay) -> None:
    long = replay.model_copy(update={"trace": "a-log-with-a-rather-long-name-" * 5})
    for figure in (draw_calibration(calibration), draw_replay(replay), draw_replay(long)):
        figure.canvas.draw()
        renderer = figure.canvas.get_renderer()
        heading = [text.get_window_extent(renderer) for text in figure.texts]
        panels = [axes.get_tightbbox(renderer) for axes in figure.axes]
        legends = [part.get_window_extent(renderer) for each in figure.subfigs
                   for part in each.legends]  # fmt: skip
        for box in (*heading, *panels, *legends):
            assert figure.bbox.x0 - 1 <= box.x0 <= box.x1 <= figure.bbox.x1 + 1
            assert figure.bbox.y0 - 1 <= box.y0 <= box.y1 <= figure.bbox.y1 + 1
        for k, box in enumerate(heading):
            assert not box.count_overlaps(panels + heading[:k])
        for box in legends:
            assert not box.count_overlaps(panels)
