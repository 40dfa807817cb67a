"""Pictures of frontiers and sweeps: what a reader could mistake is not drawn."""

import pytest

import gnr
from gnr.models.frontiers import frontier
from gnr.plots.frontier_plot import draw_frontiers
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
