"""The engines of the pooled chain by name; one that is not there is an error, never replaced."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import Protocol

from gnr.arrays import Floats
from gnr.errors import InputError, Problem
from gnr.validation.chain import Chain
from gnr.validation.lanes import Lanes, Seeds

Progress = Callable[[float], None]
"""Called now and then with the number of events so far."""


class Engine(Protocol):
    """Lanes that advance together; see `gnr.validation.compiled_engine.CompiledEngine`."""

    name: str

    def advance(self, until: Floats, progress: Progress | None = None) -> None:
        """Simulate every lane until its time in `until`, s, shape ``(lanes,)``."""

    def feed(self, uniforms: Floats) -> None:
        """Simulate one event per lane for each of the `uniforms`, shape ``(steps, 3, lanes)``."""

    def snapshot(self) -> Lanes:
        """Return a copy of state and records."""


EngineMaker = Callable[[Sequence[Chain], Floats, Seeds], Engine]
"""Makes an engine from chains, start ``(classes, 6, lanes)`` and seeds ``(4, lanes)``."""


def _compiled() -> EngineMaker:
    from gnr.validation.compiled_engine import CompiledEngine

    return CompiledEngine


def _numpy() -> EngineMaker:
    from gnr.validation.array_engine import ArrayEngine

    return ArrayEngine


def _cupy() -> EngineMaker:
    from gnr.validation.array_engine import ArrayEngine

    cupy = import_module("cupy")
    cupy.zeros(1)  # fails without a device
    return lambda chains, start, seeds: ArrayEngine(chains, start, seeds, cupy)


ENGINES: Mapping[str, Callable[[], EngineMaker]] = MappingProxyType(
    {"compiled": _compiled, "numpy": _numpy, "cupy": _cupy}
)
"""How to find each engine."""


def find_engine(name: str) -> EngineMaker:
    """Return the maker of an engine.

    Raises
    ------
    InputError
        If there is none of that name, or it cannot work on this machine.
    """
    if name not in ENGINES:
        raise InputError([_problem(f"no engine {name!r}", f"use {', '.join(ENGINES)}")])
    try:
        return ENGINES[name]()
    except Exception as error:  # whatever a missing driver, library or device raises
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        advice = "install gnr[cuda] on a machine with a CUDA GPU, or use --engine compiled"
        raise InputError([_problem(f"{name} is not available here: {reason}", advice)]) from error


def _problem(message: str, remedy: str) -> Problem:
    return Problem("engine-unavailable", "--engine", "", message, remedy)
