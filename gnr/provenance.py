"""Where a result comes from: software, machine, options, cost."""

import os
import platform
import sys
import time
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from gnr._version import __version__


class Provenance(BaseModel):
    """What is needed to make a result again, and what it cost."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    schema_version: int = 1
    """Version of this record."""
    version: str
    """Version of gnr."""
    commit: str | None
    """Commit of the checkout it ran from; null when installed from a package."""
    instance_sha256: str | None
    """SHA-256 of the resolved instance; null where none is involved."""
    options: dict[str, Any]
    """Options that were given."""
    seed: int | None
    """Seed of the random numbers; null where chance is not used."""
    versions: dict[str, str | None]
    """Versions of python and of the libraries; null if not installed."""
    machine: str
    """Processor and system."""
    gpu: str | None
    """Name of the accelerator used; null if none."""
    wall_time_s: float
    """Wall time, s."""
    peak_memory_mib: float | None
    """Largest resident memory of the process so far, MiB; null where it cannot be told."""


LIBRARIES = ("pyomo", "highspy", "numpy", "numba", "cupy", "sympy")


def record(
    instance_sha256: str | None,
    started: float,
    options: Mapping[str, Any],
    seed: int | None = None,
    gpu: str | None = None,
) -> Provenance:
    """Return the provenance of a result; `started` is a reading of `time.perf_counter`."""
    return Provenance(
        version=__version__,
        commit=_commit(),
        instance_sha256=instance_sha256,
        options=dict(options),
        seed=seed,
        versions=dict(_versions()),
        machine=_machine(),
        gpu=gpu,
        wall_time_s=time.perf_counter() - started,
        peak_memory_mib=_peak_memory(),
    )


def origin(instance_sha256: str | None) -> str:
    """Return in one line what a picture comes from; the same for the same input and software."""
    return f"gnr {__version__}, commit {_commit()}, instance sha256 {instance_sha256}"


@cache
def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = None
    return found


@cache
def _commit() -> str | None:
    """Return the commit of the git checkout this file is in, read from its files."""
    git = Path(__file__).resolve().parents[1] / ".git"
    try:
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        loose = git / name
        if loose.exists():
            return loose.read_text().strip()
        packed = (git / "packed-refs").read_text().splitlines()
    except OSError:
        return None
    return next((line.split()[0] for line in packed if line.endswith(f" {name}")), None)


@cache
def _machine() -> str:
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), model)
    return f"{model}, {os.cpu_count()} cores, {platform.system()}"


def _peak_memory() -> float | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    unit = 1024**2 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
