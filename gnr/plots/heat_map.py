"""A panel of colours over two axes."""

from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from numpy.typing import ArrayLike

from gnr.arrays import Floats
from gnr.plots.layout import wrap
from gnr.plots.panel_labels import number_by_ratio
from gnr.plots.save import one_line
from gnr.plots.themes import Theme
from gnr.reproduction import HeatMap

LONGEST_LABEL = 2.0
"""Of the scale of colours, inches."""


def draw_heat_map(place: Any, axes: Any, panel: HeatMap, theme: Theme) -> None:
    """Draw a map into axes of a figure or a part of one; hatched where there is no value.

    Values on both sides of 0 are coloured by their side.
    """
    values = np.array([[np.nan if cell is None else cell for cell in row] for row in panel.z])
    known = values[np.isfinite(values)]
    colours: dict[str, Any] = {"cmap": theme.sequential}
    if known.size and known.min() < 0 < known.max():
        most = float(abs(known).max())
        shades = LinearSegmentedColormap.from_list("below and above 0", theme.diverging)
        colours = {"cmap": shades, "norm": TwoSlopeNorm(0, -most, most)}
    axes.grid(visible=False)
    axes.patch.set(hatch="////", edgecolor=theme.faint, linewidth=0)
    if panel.x_log:
        axes.set_xscale("log")
    if panel.y_log:
        axes.set_yscale("log")
    across, up = edges(panel.x, log=panel.x_log), edges(panel.y, log=panel.y_log)
    mesh = axes.pcolormesh(across, up, np.ma.masked_invalid(values), rasterized=True, **colours)
    if panel.x_log:
        number_by_ratio(axes.xaxis, (across[0], across[-1]))
    if panel.y_log:
        number_by_ratio(axes.yaxis, (up[0], up[-1]))
    if known.size < values.size:
        axes.set_xlabel(f"{axes.get_xlabel()}\n(hatched: no value)")
    bar = place.colorbar(mesh, ax=axes, pad=0.02)
    bar.outline.set_edgecolor(theme.faint)
    bar.ax.tick_params(labelsize=8.5, color=theme.faint, labelcolor=theme.ink)
    bar.set_label(one_line(panel.z_label), fontsize=9, color=theme.ink)
    wrap(bar.ax.yaxis.label, LONGEST_LABEL)


def edges(centres: ArrayLike, *, log: bool) -> Floats:
    """Return the ends of the cells around their centres, shape ``(cells + 1,)``."""
    x = np.asarray(centres, float)
    x = np.log(x) if log else x
    if len(x) == 1:
        ends = x[0] + np.array([-0.5, 0.5])
    else:
        middle = (x[1:] + x[:-1]) / 2
        ends = np.array([2 * x[0] - middle[0], *middle, 2 * x[-1] - middle[-1]])
    return np.asarray(np.exp(ends) if log else ends)
