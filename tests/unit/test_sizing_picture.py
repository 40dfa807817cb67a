"""The picture of a size: lines are what was measured, bars are GPUs, and nothing is cut off."""

import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import pytest

from gnr.latency_promise import LatencyPromise
from gnr.plots.sizing_plot import draw_sizing
from gnr.plots.sizing_points import Point, bounds_of, staircase
from gnr.provenance import record
from gnr.simulation import Estimate
from gnr.sizing import (
    ClassAtSize,
    Cost,
    DemandedClass,
    FluidGpus,
    KeptPromise,
    NearestPromise,
    SizedCluster,
    SizedPolicy,
    Sizing,
    SmallerCluster,
    TriedCluster,
)

BOUNDS = {"p99_ttft": 0.5, "p99_tpot": 0.03, "abandonment_fraction": 0.01}

UNITS = {"p99_ttft": "s", "p99_tpot": "s", "abandonment_fraction": "fraction of arrivals"}


def measured_at(prefill: int, decode: int, scale: int) -> dict[str, float | None]:
    """Return made-up measurements: better with more GPUs of the side that each depends on."""
    return {
        "p99_ttft": 0.35 + 0.15 * (60 * scale / prefill) ** 8,
        "p99_tpot": 0.017 if decode >= 40 * scale else 0.048,
        "abandonment_fraction": 0.005 * (60 * scale / prefill) ** 20,
    }


def broken_by(measured: dict[str, float | None], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if (measured[name] or 0.0) > BOUNDS[name])


def tried(prefill: int, decode: int, scale: int, names: Sequence[str]) -> TriedCluster:
    measured = {k: v for k, v in measured_at(prefill, decode, scale).items() if k in names}
    broken = broken_by(measured, names)
    return TriedCluster(
        gpus=prefill + decode, prefill_gpus=prefill, seems_to_keep=not broken, broken=broken,
        measured=measured,
    )  # fmt: skip


def claimed(prefill: int, decode: int, scale: int, names: Sequence[str]) -> SizedCluster:
    measured = measured_at(prefill, decode, scale)
    broken = broken_by(measured, names)
    return SizedCluster(
        gpus=prefill + decode, prefill_gpus=prefill, keeps="no" if broken else "yes",
        error_probability=0.025, replications=16, horizon_s=200.0,
        promises=tuple(
            KeptPromise(
                name=name, unit=UNITS[name], direction="at_most", promised=BOUNDS[name],
                measured=Estimate(mean=measured[name] or 0.0, half_width=0.02 * BOUNDS[name]),
                kept="no" if name in broken else "yes",
            )
            for name in names
        ),
    )  # fmt: skip


def by_class(total: float, classes: Sequence[str], step: int = 1) -> dict[str, float]:
    weights = range(1, len(classes) + 1)[::step]
    return {name: total * w / sum(weights) for name, w in zip(classes, weights, strict=True)}


def fluid(scale: int, classes: Sequence[str], *, mixed: bool) -> FluidGpus:
    return FluidGpus(
        gpus=(85 if mixed else 95) * scale,
        prefill_gpus=by_class(57 * scale, classes),
        decode_gpus=by_class((83 if mixed else 38) * scale, classes, -1),
        gpus_per_request=by_class(1.0, classes),
    )


def found(
    name: str, scale: int, classes: Sequence[str], names: Sequence[str], *, decided: bool = True
) -> SizedPolicy:
    prefill, decode = 61 * scale, 40 * scale
    gpus = prefill + decode
    sizes = [
        (prefill + i * scale, decode + j * scale) for i in (-3, -1, 0, 2, 6) for j in (-2, 0, 1)
    ]
    return SizedPolicy(
        policy=name,
        status="found" if decided else "undecided",
        fluid=fluid(scale, classes, mixed=name != "disaggregated"),
        first_guess=gpus,
        gpus=gpus,
        prefill_gpus=prefill,
        physical_gpus=gpus,
        cluster=claimed(prefill, decode, scale, names),
        smaller=SmallerCluster(
            gpus=gpus - 5 * scale, fails="yes", reason="simulated",
            clusters=(claimed(prefill - 5 * scale, decode, scale, names),),
        ) if decided else None,
        classes=tuple(
            ClassAtSize(name=one, prefill_gpus=p, decodes=32 * d, decode_gpus=d, finished=1.0,
                        abandoned=0.0)
            for (one, p), d in zip(by_class(58.0 * scale, classes).items(),
                                   by_class(38.5 * scale, classes, -1).values(), strict=True)
        ),
        cost=None,
        tried=tuple(tried(*size, scale, names) for size in sizes),
        nearest=(),
    )  # fmt: skip


def none_found(
    name: str, scale: int, classes: Sequence[str], names: Sequence[str], *, possible: bool = True
) -> SizedPolicy:
    """Every GPU does both, and answers are slow whatever their number."""
    clusters = [
        TriedCluster(
            gpus=gpus * scale, prefill_gpus=None, seems_to_keep=False, broken=("p99_tpot",),
            measured={each: {"p99_ttft": 0.4, "p99_tpot": 0.049}.get(each, 0.0) for each in names},
        )
        for gpus in (90, 96, 120, 4000)
    ]  # fmt: skip
    near = NearestPromise(name="p99_tpot", promised=0.03, keepable=0.052, unit="s")
    return SizedPolicy(
        policy=name, status="none",
        fluid=fluid(scale, classes, mixed=True) if possible else None,
        first_guess=90 * scale, gpus=None, prefill_gpus=None, physical_gpus=None, cluster=None,
        smaller=None, classes=(), cost=None, tried=tuple(clusters) if possible else (),
        nearest=(near,) if possible else (),
    )  # fmt: skip


def sizing(policies: Sequence[SizedPolicy], classes: Sequence[str], **changes: Any) -> Sizing:
    sized = [each.policy for each in policies if each.gpus is not None]
    fields = {
        "instance": "made-up",
        "demand": "demand.csv",
        "demand_sha256": "0" * 64,
        "demanded": tuple(DemandedClass(name=n, requests_per_second=100.0) for n in classes),
        "percentiles": (
            LatencyPromise(latency="ttft", percentile="p99", at_most=0.5),
            LatencyPromise(latency="tpot", percentile="p99", at_most=0.03),
        ),
        "promises": ("abandonment_fraction",),
        "lengths": "exponential",
        "seed": 1,
        "replica_gpus": 1,
        "policies": tuple(policies),
        "best": sized[0] if sized else None,
        "complete": True,
        "warnings": (),
        "provenance": record("0" * 64, 0.0, {}, seed=1),
    }
    return Sizing.model_validate(fields | changes)


NAMES = tuple(BOUNDS)

PAIR = ("chat", "search")

EIGHT = tuple(f"a-class-with-a-long-name-{k}" for k in range(8))


def usual(**changes: Any) -> Sizing:
    policies = (
        found("gate-and-route", 1, PAIR, NAMES),
        found("disaggregated", 1, PAIR, NAMES),
        none_found("price-index-fill", 1, PAIR, NAMES),
    )
    return sizing(policies, PAIR, **changes)


def priced() -> Sizing:
    cost = Cost(per_hour=404.0, per_million_tokens=1.0, per_million_output_tokens=4.0)
    first, *others = usual().policies
    return sizing([first.model_copy(update={"cost": cost}), *others], PAIR)


def cases() -> Iterator[tuple[str, Sizing]]:
    yield "usual", usual()
    yield "priced", priced()
    yield "replicas", usual(replica_gpus=8)
    yield "one policy", sizing([found("gate-and-route", 1, PAIR, NAMES)], PAIR)
    undecided = found("gate-and-route", 1, ("chat",), NAMES, decided=False)
    yield "one class, undecided", sizing([undecided], ("chat",))
    yield (
        "no percentile",
        sizing([found("gate-and-route", 1, PAIR, NAMES[2:])], PAIR, percentiles=()),
    )
    names = ("gate-and-route", "disaggregated")
    eight = [found(name, 1000, EIGHT, NAMES) for name in names]
    yield (
        "eight classes, large",
        sizing([*eight, none_found("price-index-fill", 1000, EIGHT, NAMES)], EIGHT),
    )
    fourteen = tuple(f"class {k}" for k in range(14))
    yield "fourteen classes", sizing([found(name, 1, fourteen, NAMES) for name in names], fourteen)
    yield "none found", sizing([none_found("price-index-fill", 1, PAIR, NAMES)], PAIR)
    yield "none possible", sizing([none_found("fifo", 1, PAIR, NAMES, possible=False)], PAIR)
    seven = [found(f"policy-number-{k}", 1, PAIR, NAMES) for k in range(7)]
    yield "seven policies", sizing(seven, PAIR, complete=False)
    yield "one GPU", sizing([single()], PAIR)


def single() -> SizedPolicy:
    """Return one GPU that does everything, found at once."""
    large = found("price-index-fill", 1, PAIR, NAMES)
    one = {"gpus": 1, "prefill_gpus": None}
    cluster = claimed(61, 40, 1, NAMES).model_copy(update=one)
    classes = tuple(
        each.model_copy(update={"prefill_gpus": 0.2, "decode_gpus": 0.1}) for each in large.classes
    )
    rest = {"tried": (), "smaller": None, "fluid": None, "first_guess": 1, "physical_gpus": 1}
    return large.model_copy(update=one | rest | {"cluster": cluster, "classes": classes})


CASES = dict(cases())


@cache
def drawn(name: str) -> Any:
    """Return the picture of a case; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw_sizing(CASES[name])
        figure.canvas.draw()
    return figure


def text_of(figure: Any) -> str:
    texts = [*figure.texts, *(text for part in figure.subfigs for text in part.texts)]
    return " ".join(" ".join(text.get_text() for text in texts).split())


def legend_of(figure: Any) -> str:
    return "; ".join(text.get_text() for part in figure.subfigs for each in part.legends
                     for text in each.get_texts())  # fmt: skip


def panel(figure: Any, title: str) -> Any:
    return next(axes for axes in figure.axes if axes.get_title(loc="left").startswith(title))


def line(axes: Any, policy: str) -> list[tuple[float, float]]:
    found = next(each for each in axes.lines if each.get_label() == policy)
    return list(zip(*found.get_data(), strict=True))


def labelled(figure: Any, label: str) -> Any:
    return next(axes for axes in figure.axes if axes.get_xlabel().startswith(label))


def test_the_line_is_the_fewest_gpus_of_those_that_keep_the_other_promises() -> None:
    """By hand: (0.7, 80) breaks another promise, and (0.6, 95) is dearer than (0.5, 90)."""
    bound = bounds_of(usual())[0]
    assert bound.name == "p99_ttft"
    rows = ((0.4, 100, ()), (0.5, 90, ()), (0.6, 95, ()), (0.7, 80, ("p99_tpot",)),
            (0.8, 70, ("p99_ttft",)))  # fmt: skip
    points = [Point(gpus, {"p99_ttft": x}, frozenset(broken)) for x, gpus, broken in rows]
    assert staircase(points, bound) == [(0.4, 100), (0.5, 90), (0.8, 70)]


def test_a_promise_of_at_least_something_gets_cheaper_downwards() -> None:
    points = [Point(gpus, {"throughput": x}, frozenset()) for x, gpus in ((0.9, 90), (0.5, 50))]
    bound = bounds_of(usual())[0]
    upward = type(bound)("throughput", "requests/s per GPU", "at_least", 0.7)
    assert staircase(points, upward) == [(0.9, 90), (0.5, 50)]


def test_lines_never_rise_and_reach_the_size_found_at_the_bound() -> None:
    """Policies whose size was found need no more than it where the bound is as promised."""
    figure = drawn("usual")
    for title, policy in (("p99_ttft", "gate-and-route"), ("p99_tpot", "disaggregated")):
        axes = panel(figure, title)
        steps = line(axes, policy)
        assert [x for x, _ in steps] == sorted(x for x, _ in steps)
        gpus = [y for _, y in steps]
        assert gpus == sorted(gpus, reverse=True)
        at_bound = [y for x, y in steps if x <= 1e3 * BOUNDS[title]][-1]
        assert at_bound <= 101
        assert steps[-1][0] == pytest.approx(axes.get_xlim()[1])


def test_a_policy_without_a_size_shows_which_looser_bound_would_do() -> None:
    """Its line begins beyond the bound; the clusters of other panels are hollow."""
    figure = drawn("usual")
    begin, gpus = line(panel(figure, "p99_tpot"), "price-index-fill")[0]
    assert (begin, gpus) == pytest.approx((49.0, 90))
    labels = [each.get_label() for each in panel(figure, "p99_ttft").lines]
    assert "price-index-fill" not in labels
    assert "price-index-fill: none found" in legend_of(figure)
    assert "could promise p99_tpot ≤ 52 ms" in text_of(figure)


def test_clusters_that_break_another_promise_are_hollow() -> None:
    axes = panel(drawn("one policy"), "p99_ttft")
    fills = {
        (round(float(each.get_xdata()[0]), 6), int(each.get_ydata()[0])): each.get_markerfacecolor()
        for each in axes.lines
        if len(each.get_xdata()) == 1
    }
    for decode, hollow in ((38, True), (40, False)):
        ttft = 1e3 * (measured_at(61, decode, 1)["p99_ttft"] or 0.0)
        assert (fills[round(ttft, 6), 61 + decode] == "white") == hollow


def test_bars_are_the_gpus_of_each_class() -> None:
    """Pieces add up to what prefills and what decodes fill; the ratio is written beside them."""
    result = usual()
    axes = labelled(drawn("usual"), "GPUs, side by side")
    choice = result.policies[0]
    row = [label.get_text() for label in axes.get_yticklabels()].index(choice.policy)
    pieces = [each for each in axes.patches if each.get_edgecolor()[:3] == (1, 1, 1)]
    pieces = [each for each in pieces if int(each.get_y() + 0.5) == row]
    prefills = [each.get_width() for each in pieces if each.get_hatch()]
    decodes = [each.get_width() for each in pieces if not each.get_hatch()]
    assert prefills == pytest.approx([each.prefill_gpus for each in choice.classes])
    assert decodes == pytest.approx([each.decode_gpus for each in choice.classes])
    assert [text.get_text() for text in axes.texts].count("61 : 40") == 2


def test_the_linear_program_is_drawn_with_mixed_gpus_and_without() -> None:
    """With mixed GPUs prefill and decodes overlap; without they lie side by side."""
    axes = labelled(drawn("usual"), "GPUs, side by side")
    names = [" ".join(label.get_text().split()) for label in axes.get_yticklabels()]
    assert names[:2] == ["linear program, mixed GPUs", "linear program, disaggregated"]
    ratios = {text.get_text() for text in axes.texts}
    assert {"57.0 : 28.0", "57.0 : 38.0"} <= ratios
    first = [each for each in axes.patches if each.get_edgecolor()[:3] == (1, 1, 1)]
    leftmost = {
        row: min(each.get_x() for each in first
                 if not each.get_hatch() and int(each.get_y() + 0.5) == row)
        for row in (0, 1)
    }  # fmt: skip
    assert leftmost[0] < 57 <= leftmost[1] + 1e-9


def test_shares_by_class_are_those_of_its_gpus() -> None:
    axes = labelled(drawn("usual"), "share of a class's GPUs")
    shares = [each.get_xdata()[0] for each in axes.lines if each.get_marker() not in ("None", "")]
    first, last = shares[:2], shares[-2:]
    assert first == pytest.approx([100 * p / (p + d) for p, d in ((19, 166 / 3), (38, 83 / 3))])
    choice = usual().policies[1].classes
    wanted = [100 * each.prefill_gpus / (each.prefill_gpus + each.decode_gpus) for each in choice]
    assert last == pytest.approx(wanted)


def test_cost_is_written_where_a_price_is_known() -> None:
    assert not any(axes.child_axes for axes in drawn("usual").axes)
    figure = drawn("priced")
    axes = panel(figure, "abandonment")
    (side,) = axes.child_axes
    assert side.get_ylim() == pytest.approx([4.0 * each for each in axes.get_ylim()])


def test_the_title_gives_the_answer_as_sure_as_it_is() -> None:
    assert "101 GPUs serve 200 requests/s, 61 to prefill and 40" in text_of(drawn("usual"))
    undecided = text_of(drawn("one class, undecided"))
    assert "perhaps 101 GPUs" in undecided
    assert "not shown" in undecided
    assert "1 GPU serves 200 requests/s" in text_of(drawn("one GPU"))
    assert "no cluster tried keeps the promises" in text_of(drawn("none found"))
    assert "replicas of 8 GPUs" in text_of(drawn("replicas"))
    assert "1 more policy is not drawn" in text_of(drawn("seven policies"))
    assert "Interrupted" in text_of(drawn("seven policies"))
    assert "not drawn" not in text_of(drawn("usual"))


@pytest.mark.parametrize("name", CASES)
def test_every_case_is_drawn_without_warnings_and_inside_the_picture(name: str) -> None:
    """No text is cut off or on another; nothing of one panel is on the next."""
    figure = drawn(name)
    renderer = figure.canvas.get_renderer()
    heading = [text.get_window_extent(renderer) for text in figure.texts]
    panels = [axes.get_tightbbox(renderer) for axes in figure.axes]
    words = [part.get_window_extent(renderer) for each in figure.subfigs
             for part in (*each.texts, *each.legends)]  # fmt: skip
    boxes = heading + words + panels
    for k, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, k
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1, k
        assert not box.count_overlaps(boxes[:k]), k
    for axes in figure.axes:
        labels = [each.get_window_extent(renderer) for each in axes.texts if each.get_text()]
        for k, box in enumerate(labels):
            assert not box.count_overlaps(labels[:k])
