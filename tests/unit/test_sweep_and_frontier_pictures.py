"""Pictures of frontiers and sweeps: what a reader could mistake is not drawn."""

from collections.abc import Iterator
from typing import Any

import pytest

import gnr
from gnr.models.frontiers import frontier
from gnr.models.promise_map import frontier_map
from gnr.plots.frontier_plot import draw_frontiers
from gnr.plots.map_plot import draw_map
from gnr.plots.plan_plot import draw_plan
from gnr.plots.sweep_plot import draw_sweep

INSTANCE = gnr.load("two-class")

SMALL_PRICES = {"prices.prompt_token": 5e-8, "prices.output_token": 2.5e-7}


def test_no_share_above_the_best_is_written_and_small_money_stays_clear_of_the_label() -> None:
    """Panels of one range: the lower best of the second leaves room above its 100 %."""
    cheap = gnr.load("two-class", overrides=[f"{k}={v}" for k, v in SMALL_PRICES.items()])
    low = gnr.load(
        "two-class",
        overrides=[*(f"{k}={v}" for k, v in SMALL_PRICES.items()), "classes.0.arrival_rate=0.2"],
    )
    found = [frontier(each, "mean_tpot") for each in (cheap, low)]
    figure = draw_frontiers(cheap, found)
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    for axes in figure.axes:
        label = axes.yaxis.label.get_window_extent(renderer)
        for tick in axes.get_yticklabels():
            assert not label.overlaps(tick.get_window_extent(renderer))
        for child in axes.child_axes:
            shares = [tick.get_text().removesuffix(" %") for tick in child.get_yticklabels()]
            assert "100" in shares
            assert all(float(each) <= 100 for each in shares if each)


def test_the_stretch_that_is_not_to_be_trusted_is_hatched() -> None:
    """kappa = 1 lies between two of the chunk sizes."""
    result = gnr.sweep(INSTANCE, "gpu.chunk_tokens=32,64,96,128,512")
    (figure,) = draw_sweep(INSTANCE, result).values()
    hatched = [
        patch.get_extents().transformed(axes.transData.inverted())
        for axes in figure.axes
        for patch in axes.patches
        if patch.get_hatch()
    ]
    (box,) = hatched
    below = max(
        value
        for value, ratio in zip(result.axes[0].values, result.speed_ratio, strict=True)
        if ratio < 1
    )
    assert box.x0 == pytest.approx(32)
    assert below < box.x1 < 128


def test_labels_of_contours_stay_in_the_frame_and_apart() -> None:
    result = gnr.sweep(
        INSTANCE,
        ["gpu.batch_slots=4:64:12", "gpu.iteration_time.per_chunk_token=1e-5:1e-3:12:log"],
    )
    figure = draw_sweep(INSTANCE, result)["revenue"]
    figure.canvas.draw()
    renderer, axes = figure.canvas.get_renderer(), figure.axes[0]
    frame = axes.get_window_extent(renderer)
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert boxes
    for k, box in enumerate(boxes):
        assert all(frame.contains(*corner) for corner in box.corners())
        assert not box.count_overlaps(boxes[:k])


LONG = gnr.load(
    "two-class-promises",
    overrides=[
        "title=" + " ".join(["A TITLE OF MANY WIDE WORDS THAT RUNS ON"] * 6),
        "classes.0.name=" + "-".join(["answers-that-are-long"] * 3),
        'slis=[{kind="token_tpot",at_most=0.023},{kind="mean_ttft",class="'
        + "-".join(["answers-that-are-long"] * 3)
        + '",at_most=1.0},{kind="prefill_fairness",at_most=0.3},'
        '{kind="mean_tpot",at_most=0.0245}]',
    ],
)
"""A long title, a long name, and several promises."""


def figures_of_long_words() -> Iterator[tuple[str, Any]]:
    first, second = LONG.slis[0].label, LONG.slis[1].label
    found = [frontier(LONG, name) for name in (first, second, "prefill_fairness")]
    yield "frontier", draw_frontiers(LONG, found[1:2])
    yield "frontiers", draw_frontiers(LONG, found)
    yield "map", draw_map(LONG, frontier_map(LONG, first, second, points=5))
    for axes in (
        ["gpu.chunk_tokens=64:2048:6:log"],
        ["gpu.batch_slots=8:16:3", "gpu.iteration_time.per_chunk_token=2e-5:2e-4:3:log"],
    ):
        yield from draw_sweep(LONG, gnr.sweep(LONG, axes)).items()
    yield "plan", draw_plan(gnr.solve(LONG))


def test_no_text_reaches_beyond_the_picture_and_the_heading_ends_above_the_panels() -> None:
    for name, figure in figures_of_long_words():
        figure.canvas.draw()
        renderer = figure.canvas.get_renderer()
        panels = [axes.get_tightbbox(renderer) for axes in figure.axes]
        heading = [text.get_window_extent(renderer) for text in figure.texts]
        labels = [
            label.get_window_extent(renderer)
            for axes in figure.axes
            for label in (axes.xaxis.label, axes.yaxis.label, *axes.texts)
            if label.get_text()
        ]
        below = [part.get_window_extent(renderer) for each in figure.subfigs
                 for part in (*each.texts, *each.legends)]  # fmt: skip
        for box in (*heading, *labels, *below):
            assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, name
            assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1, name
        assert len(heading) > 1
        for k, box in enumerate(heading):
            assert not box.count_overlaps(panels + heading[:k]), name


def test_axes_by_ratio_carry_plain_numbers() -> None:
    result = gnr.sweep(INSTANCE, "gpu.chunk_tokens=128:4096:20:log")
    (figure,) = draw_sweep(INSTANCE, result).values()
    figure.canvas.draw()
    axes = figure.axes[0]
    assert not len(axes.get_xticks(minor=True))
    assert {"200", "500", "1000", "2000"} <= {label.get_text() for label in axes.get_xticklabels()}
