"""What `gnr sweep` returns: the optimum over a grid of parameters, and what binds where."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gnr.comparison import write_arrays
from gnr.frontier_result import file_part
from gnr.instance import SCHEMA_VERSION, Sli
from gnr.provenance import Provenance
from gnr.simulation import write_document

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True)

Numbers = tuple[float | None, ...]
"""One number for each point; null where there is none."""

UNITS = {
    "revenue_rate": "money/s per GPU",
    "penalty": "money/s per GPU",
    "mixed_share": "1",
    "tpot_capacity": "s",
    "tpot_token_mean": "s",
    "speed_ratio": "1",
    "speed_threshold": "1",
    "decode_price": "money/s per mixed slot",
    "prefill_price": "money/s per GPU",
}
"""Units of the arrays."""


class Axis(BaseModel):
    """A parameter that is varied."""

    model_config = _FROZEN

    path: str
    """Its place in the instance file."""
    unit: str
    """Unit of the values."""
    values: tuple[float, ...]
    """In ascending order."""


class Best(BaseModel):
    """The point that earns most of some, penalties subtracted."""

    model_config = _FROZEN

    values: dict[str, float]
    """Value of each axis, by path."""
    revenue_rate: float
    """Money/s per GPU, penalties not subtracted."""
    penalty: float
    """What is paid for penalties there, money/s per GPU."""
    equally_good: int
    """How many others of them earn the same within 1e-9; this is the first."""
    equally_good_range: dict[str, tuple[float, float]]
    """Least and largest value among all that earn the same, by path."""
    at_end: tuple[str, ...]
    """Paths along which this is the end of the values and its neighbour earns less: the best may
    lie beyond. Token prices and ends at 0 do not count."""


class Kink(BaseModel):
    """Two neighbours on the only axis between which it changes what binds."""

    model_config = _FROZEN

    lower: float
    """Value of the axis before."""
    upper: float
    """Value of the axis after."""
    before: str
    """What binds before."""
    after: str
    """What binds after."""


class Alone(BaseModel):
    """The same sweep without the promises of the instance."""

    model_config = _FROZEN

    revenue_rate: Numbers
    """Money/s per GPU."""
    best: Best | None
    """As in `Sweep`."""


class PriceSegment(BaseModel):
    """Revenue along the prices with one sum c_p + c_d = k, both of the instance (10.1(k))."""

    model_config = _FROZEN

    total: float
    """k, money/token."""
    prompt_token: tuple[float, ...]
    """c_p, from 0 to k, money/token."""
    revenue_rate: tuple[float, ...]
    """Optimal value, money/s per GPU: convex in c_p."""
    largest_dent: float
    """Largest amount, relative to the best revenue, by which a point lies above the chord of its
    neighbours: rounding only, if the value is convex."""
    best_at: Literal["all on output tokens", "all on prompt tokens", "everywhere"]
    """Which end earns most; everywhere if revenue is the same along the whole segment."""
    interior_best: bool
    """Whether some price ratio between the ends earns more than both."""


class Sweep(BaseModel):
    """The optimum at every point of a grid of one or two parameters.

    Arrays have one entry for each point, the last axis running fastest.
    """

    model_config = _FROZEN

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    instance: str
    """Name of the instance."""
    scheme: Literal["bundled", "separate"]
    """Pricing scheme of the objective."""
    promises: tuple[Sli, ...]
    """Service level indicators that are kept or paid for at every point."""
    axes: tuple[Axis, ...]
    """One or two."""
    revenue_rate: Numbers
    """Optimal revenue, penalties not subtracted, money/s per GPU; null where there is no plan."""
    penalty: Numbers
    """What is paid for penalties, money/s per GPU; 0 without any, null where there is no plan."""
    mixed_share: Numbers
    """X, the share of GPUs that prefill. Where it is not unique: of the classes that pay alike the
    first in the file are let in; below kappa = (B-1)/B the largest; at a re-solved point what the
    solver found."""
    tpot_capacity: Numbers
    """Mean iteration time over the decode slots at X, s (eq. P47)."""
    tpot_token_mean: Numbers
    """Mean iteration time over output tokens, s (eq. D9), solo slots filled first (at re-solved
    points as the solver found it); null also where nothing decodes."""
    speed_ratio: tuple[float, ...]
    """kappa."""
    speed_threshold: tuple[float, ...]
    """(B-1)/B: below it Proposition 3.2 and Theorem 4.1 do not hold."""
    decode_price: Numbers
    """What one more mixed decode slot earns, money/s; null at re-solved points."""
    prefill_price: Numbers
    """What more room for prefill earns, decode capacity held, money/s per GPU; null as above."""
    binding: tuple[str, ...]
    """What is short: `none`, `decode`, `prefill`, `promise`, or several joined by ` + `. At points
    in closed form what has a price; at re-solved points capacities that are used up, and promises
    that are used up and have a price. `promise` or `penalty` alone also where one of them turns
    requests away for whom there would be room. `infeasible` where there is no plan, `undecided`
    where the solver found no answer that stands up, `missing` after an interrupt."""
    method: tuple[str, ...]
    """How each point was solved."""
    best: Best | None
    """Of the points inside the range of the iteration-time law, kappa >= 1; null if none of them
    has a plan."""
    best_outside: Best | None
    """Of the points outside that range, where mixed iterations are taken to be faster than they can
    be (eq. D1); null if none earns more than `best`."""
    alone: Alone | None
    """The sweep without promises; null if there are none."""
    kinks: tuple[Kink, ...]
    """Along one axis; empty with two."""
    price_segment: PriceSegment | None
    """If both token prices are varied."""
    complete: bool
    """False if interrupted: points are then missing and null."""
    warnings: tuple[str, ...]
    """What should be known before the numbers are used."""
    provenance: Provenance
    """Where this result comes from."""

    def __repr__(self) -> str:
        """Return one line; `rich.print` shows the whole summary."""
        return f"Sweep({self.instance}: {' x '.join(axis.path for axis in self.axes)})"

    __str__ = __repr__

    def __rich__(self) -> Any:
        """Return the terminal summary."""
        from gnr.sweep_summary import summarize_sweep

        return summarize_sweep(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the number of values on each axis."""
        return tuple(len(axis.values) for axis in self.axes)

    def array(self, name: str) -> Any:
        """Return one of the arrays of numbers as a grid, nan where there is none."""
        import numpy as np

        fields = {key: getattr(self, key) for key in UNITS}
        return np.array(fields[name], dtype=float).reshape(self.shape)

    def to_json(self, indent: int | None = 2) -> str:
        """Return the JSON document, floats at full precision."""
        return self.model_dump_json(indent=indent, by_alias=True)

    @property
    def stem(self) -> str:
        """Return the beginning of the names of its files: the instance and what is varied."""
        return f"{self.instance}.sweep.{'-'.join(_short(axis.path) for axis in self.axes)}"

    def write(self, folder: Path) -> list[Path]:
        """Write the JSON document and the arrays as netCDF into `folder`; return the paths."""
        written = write_document(self.to_json(), folder, self.stem)
        return [written, write_arrays(self.to_dataset(), folder / f"{self.stem}.nc")]

    def to_dataset(self) -> Any:
        """Return an `xarray.Dataset` over the axes, provenance as an attribute."""
        import numpy as np
        import xarray as xr

        paths = [axis.path for axis in self.axes]
        columns: dict[str, Any] = {
            name: (paths, self.array(name), {"units": unit}) for name, unit in UNITS.items()
        }
        for name, words in (("binding", self.binding), ("method", self.method)):
            columns[name] = (paths, np.array(words, dtype=np.str_).reshape(self.shape))
        if self.alone is not None:
            values = np.array(self.alone.revenue_rate, dtype=float).reshape(self.shape)
            columns["revenue_rate_alone"] = (paths, values, {"units": UNITS["revenue_rate"]})
        return xr.Dataset(
            columns,
            coords={
                axis.path: (axis.path, np.array(axis.values), {"units": axis.unit})
                for axis in self.axes
            },
            attrs={
                "instance": self.instance,
                "scheme": self.scheme,
                "promises": ", ".join(sli.label for sli in self.promises),
                "provenance": self.provenance.model_dump_json(),
            },
        )


def _short(path: str) -> str:
    """Return the last name of a path, with the class if it has one, for a file name."""
    owner, _, field = path.rpartition(".")
    table, _, name = owner.partition(".")
    return file_part(f"{name}-{field}" if table == "classes" else field)
