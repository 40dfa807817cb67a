"""Pictures: what a reader could mistake is not drawn, and what is drawn is explained."""

from collections.abc import Iterator
from typing import Any

import pytest

import gnr
from gnr.models.frontiers import frontier
from gnr.models.promise_map import frontier_map
from gnr.plots.comparison_plot import draw_promises
from gnr.plots.frontier_plot import draw_frontiers
from gnr.plots.map_plot import draw_map
from gnr.plots.plan_plot import draw_plan
from gnr.plots.sweep_plot import draw_sweep
from gnr.sweep_result import Kink
from gnr.validation.studies.setting import Setting

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


PENALISED = gnr.load("two-class", overrides=['slis=[{kind="token_tpot",penalty_weight=2000}]'])


def legend_of(figure: Any) -> set[str]:
    return {text.get_text() for part in figure.subfigs for each in part.legends
            for text in each.get_texts()}  # fmt: skip


def heading_of(figure: Any) -> str:
    return " ".join(" ".join(text.get_text() for text in figure.texts).split())


def test_under_a_penalty_the_star_lies_on_what_is_left_after_it() -> None:
    result = gnr.sweep(PENALISED, "gpu.batch_slots=8:24:5")
    assert result.best is not None
    assert result.best.penalty > 0
    (figure,) = draw_sweep(PENALISED, result).values()
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    ((x, y),) = lines["earns most"].get_xydata()
    assert [x, y] in lines["revenue less penalties"].get_xydata().tolist()
    assert y < result.best.revenue_rate
    without = draw_sweep(INSTANCE, gnr.sweep(INSTANCE, "gpu.batch_slots=8:24:5"))["curves"]
    assert "revenue less penalties" not in legend_of(without)


def test_a_stretch_too_narrow_for_its_label_has_it_in_the_legend() -> None:
    result = gnr.sweep(INSTANCE, "gpu.batch_slots=8:40:33")
    binding = ("penalty", *result.binding[1:])
    kink = Kink(lower=8, upper=9, before="penalty", after=binding[1])
    told = result.model_copy(update={"binding": binding, "kinks": (kink, *result.kinks)})
    (figure,) = draw_sweep(INSTANCE, told).values()
    written = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert "a penalty holds back" in legend_of(figure)
    assert "a penalty\nholds back" not in written
    assert "nothing\nis short" in written
    assert "nothing is short" not in legend_of(figure)


def test_white_regions_are_explained_where_there_are_any() -> None:
    strict = gnr.load("two-class", overrides=['slis=[{kind="throughput",at_least=0.8}]'])
    grid = ["gpu.batch_slots=4:40:4", "gpu.chunk_tokens=128:1024:3"]
    assert "no plan" in legend_of(draw_sweep(strict, gnr.sweep(strict, grid))["revenue"])
    assert "no plan" not in legend_of(draw_sweep(INSTANCE, gnr.sweep(INSTANCE, grid))["revenue"])


def test_marks_of_frontiers_are_explained_where_they_are() -> None:
    promised = gnr.load("two-class-promises")
    with_bound = heading_of(draw_frontiers(promised, [frontier(promised, "token_tpot")]))
    without = heading_of(draw_frontiers(INSTANCE, [frontier(INSTANCE, "token_tpot")]))
    assert "Dotted line: the bound of the file." in with_bound
    assert "Dotted line" not in without
    assert "Green diamond" in with_bound
    assert "Green diamond" in without


def test_a_promise_that_costs_nothing_is_drawn_from_nothing_to_the_best() -> None:
    found = frontier(INSTANCE, "throughput")
    revenue, price = draw_frontiers(INSTANCE, [found]).axes[:2]
    assert revenue.get_ylim()[0] < 0 < found.best_revenue_rate < revenue.get_ylim()[1]
    assert price.get_yticks().tolist() == [0]


def test_a_map_says_what_is_kept_only_by_serving_nobody() -> None:
    promised = gnr.load("two-class-promises")
    names = "token_tpot", "mean_ttft:decode-heavy"
    told = heading_of(draw_map(promised, frontier_map(promised, *names, points=5)))
    assert "token_tpot tighter than 22.0023 ms is kept only by serving nobody" in told
    assert "mean_ttft:decode-heavy tighter" not in told
    assert "Hatched: no plan keeps both." in told


def test_the_legend_of_promises_names_penalties_where_there_are_any() -> None:
    for sli, named in (("penalty_weight=20", True), ("at_most=0.03", False)):
        instance = gnr.load("two-class", overrides=[f'slis=[{{kind="token_tpot",{sli}}}]'])
        setting = Setting(replications=4, horizon=20.0, warmup=5.0)
        result = gnr.compare(instance, ["gate-and-route"], [5], ["exponential"], setting=setting)
        (legend,) = draw_promises(instance, result).legends
        words = {text.get_text() for text in legend.get_texts()}
        assert ("penalised, without a bound" in words) == named
        assert ("kept" in words) != named
