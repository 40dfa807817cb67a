"""Panels of a reproduction: all kinds are drawn in both themes, nothing is cut off or covered."""

import itertools
import warnings
from functools import cache
from typing import Any

import numpy as np
import pytest
from made_up_reproduction import PANELS

from gnr.plots.heat_map import edges
from gnr.plots.panels import draw_panel
from gnr.plots.save import svg_of
from gnr.plots.themes import DARK, LIGHT, Theme
from gnr.reproduction import Bars, Series

THEMES = {"light": LIGHT, "dark": DARK}

COLOUR_BLIND = {
    "none": np.eye(3),
    "deuteranopia": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "protanopia": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
}
"""How linear RGB is seen: Machado, Oliveira and Fernandes (2009), table 1, severity 1."""


@cache
def drawn(name: str, theme: str) -> Any:
    """Return the picture of a panel; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw_panel(PANELS[name], THEMES[theme])
        figure.canvas.draw()
    return figure


def texts(axes: Any) -> list[str]:
    return [each.get_text() for each in axes.texts]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("name", PANELS)
def test_every_kind_is_drawn_inside_the_picture_and_no_label_covers_another(
    name: str, theme: str
) -> None:
    figure = drawn(name, theme)
    renderer = figure.canvas.get_renderer()
    boxes = [each.get_tightbbox(renderer) for each in figure.axes]
    boxes += [each.get_window_extent(renderer) for each in figure.legends]
    for k, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1 + 1, k
        assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1 + 1, k
        assert not box.count_overlaps(boxes[:k]), k
    labels = [each.get_window_extent(renderer) for each in figure.axes[0].texts]
    for k, box in enumerate(labels):
        assert not box.count_overlaps(labels[:k]), k


def test_dashed_lines_are_labelled_in_place_or_in_the_legend() -> None:
    """Four lines at nearly the same height have room for no more than a few labels."""
    for name in ("lines", "gaps", "curves"):
        panel, figure = PANELS[name], drawn(name, "light")
        (legend,) = figure.legends
        told = texts(figure.axes[0]) + [each.get_text() for each in legend.get_texts()]
        wanted = [each.label for each in (*panel.series, *panel.references)]  # type: ignore[union-attr]
        found = [any(text.startswith(one[:30]) for text in told) for one in wanted]
        assert all(found), wanted


def test_logarithmic_axes_have_plain_numbers_and_tell_what_they_cannot_show() -> None:
    axes = drawn("gaps", "light").axes[0]
    numbers = {label.get_text() for label in axes.get_yticklabels() if label.get_text()}
    assert {"0.01", "0.1", "1", "10"} <= numbers
    assert "1 point at or below 0 cannot be shown" in axes.get_xlabel()
    assert "cannot be shown" not in drawn("scatter", "light").axes[0].get_xlabel()


def test_bars_bear_their_values_beyond_their_intervals() -> None:
    axes = drawn("bars", "light").axes[0]
    values = {each.get_text(): each.xy[0] for each in axes.texts}
    assert values == {"12.3": 14.0, "0": 0.0, "-4": -5.0, "1": 1.0, "2": 2.0, "1,234": 1234.5}


def test_cells_of_a_map_meet_halfway_between_their_centres() -> None:
    assert edges([1.0, 2.0, 4.0], log=False) == pytest.approx([0.5, 1.5, 3.0, 5.0])
    assert edges([1.0, 100.0], log=True) == pytest.approx([0.1, 10.0, 1000.0])
    assert edges([3.0], log=False) == pytest.approx([2.5, 3.5])


def test_values_on_both_sides_of_nothing_are_coloured_by_their_side() -> None:
    mesh = drawn("signed map", "dark").axes[0].collections[0]
    assert mesh.norm(0.0) == pytest.approx(0.5)
    assert mesh.norm(-0.5) + mesh.norm(0.5) == pytest.approx(1.0)


def test_the_same_panel_gives_the_same_picture() -> None:
    first, second = (svg_of(draw_panel(PANELS["scatter"], DARK)) for _ in range(2))
    assert first == second
    assert "Matplotlib" not in first


def linear(colour: str) -> Any:
    part = np.array([int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)])
    return np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours (WCAG 2.2)."""
    low, high = sorted(float(linear(each) @ [0.2126, 0.7152, 0.0722]) for each in (first, second))
    return (high + 0.05) / (low + 0.05)


def lab(light: Any) -> Any:
    """Return linear RGB as CIE L*a*b*, white D65."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ np.clip(light, 0, 1) / [0.9505, 1, 1.0888]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_colours_can_be_read_and_stay_apart_for_the_colour_blind(theme: Theme) -> None:
    assert contrast(theme.ink, theme.background) > 7
    assert contrast(theme.faint, theme.background) > 4.5
    assert all(contrast(each, theme.background) > 3 for each in theme.colours)
    for seen in COLOUR_BLIND.values():
        shades = [lab(np.array(seen) @ linear(each)) for each in theme.colours]
        for first, second in itertools.combinations(shades, 2):
            assert np.linalg.norm(first - second) > 15


def test_a_title_ends_within_the_panel_however_long_the_names_of_categories_are() -> None:
    bars = Bars(
        title="Either policy billed either way: what is lost",
        y_label="lost",
        categories=("a category of a long name", "another"),
        series=(Series(label="s", x=(0.0, 1.0), y=(1.0, 2.0)),),
    )
    figure = draw_panel(bars, LIGHT)
    figure.canvas.draw()
    (axes,) = figure.axes
    assert axes.get_tightbbox().x1 <= figure.bbox.x1
    assert axes.get_title(loc="left").split() == bars.title.split()
