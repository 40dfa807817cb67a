"""The experiments by name, in the order of the paper."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from gnr.validation.studies.reproduction import (
    figure2,
    figure3,
    figure4,
    figure5,
    figure6,
    figure7,
    figure8,
    figure9,
    figure10,
    figure11,
    figure12,
    table1,
    table2,
)
from gnr.validation.studies.reproduction.effort import Effort
from gnr.validation.studies.reproduction.outline import Measured
from gnr.validation.studies.reproduction.parts import Part


@dataclass(frozen=True)
class Rebuild:
    """How an experiment is run again.

    Attributes
    ----------
    parts
        The parts it is made of, by keys of its own.
    measured
        What their documents, by the same keys, come to.
    """

    parts: Callable[[Effort], Mapping[Any, Part]]
    measured: Callable[[Any, Effort], Measured]


def nothing_to_run(effort: Effort) -> Mapping[Any, Part]:
    """Return no parts: all is printed in the paper or kept in ``open_data.json``."""
    return {}


REBUILDS: Mapping[str, Rebuild] = MappingProxyType(
    {
        "figure2": Rebuild(figure2.parts, figure2.measured),
        "figure3": Rebuild(nothing_to_run, figure3.measured),
        "figure4": Rebuild(figure4.parts, figure4.measured),
        "figure5": Rebuild(figure5.parts, figure5.measured),
        "figure6": Rebuild(figure6.parts, figure6.measured),
        "figure7": Rebuild(figure7.parts, figure7.measured),
        "figure8": Rebuild(figure8.parts, figure8.measured),
        "figure9": Rebuild(figure9.parts, figure9.measured),
        "figure10": Rebuild(figure10.parts, figure10.measured),
        "figure11": Rebuild(nothing_to_run, figure11.measured),
        "figure12": Rebuild(nothing_to_run, figure12.measured),
        "table1": Rebuild(nothing_to_run, table1.measured),
        "table2": Rebuild(nothing_to_run, table2.measured),
    }
)
"""By name."""
