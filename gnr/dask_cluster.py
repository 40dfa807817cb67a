"""A Dask cluster as the place where parts are done: connected to, and checked first."""

import logging
import platform
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

import joblib
from distributed import Client

from gnr.dask_backend import DaskBackend
from gnr.errors import InputError, Problem
from gnr.installed import instruction_set, source_digest

CONNECT_SECONDS = 10.0
"""Time after which a scheduler counts as unreachable."""

LOOK_SECONDS = 5.0
"""Time between two looks at whether there are workers."""

PACKAGES = (
    "gnr", "numpy", "numba", "llvmlite", "scipy", "pyomo", "highspy", "pydantic", "joblib",
    "cloudpickle", "distributed",
)  # fmt: skip
"""Packages that must have one version everywhere: they decide numbers, or what is understood."""

Note = Callable[[str], None]
"""Told in words what goes on."""


@contextmanager
def on_cluster(address: str, note: Note) -> Iterator[None]:
    """Do what is spread inside on the workers of a scheduler.

    Parameters
    ----------
    address
        Of the scheduler, as in ``tcp://host:8786``.
    note
        Told when there are no workers, and when processors differ.

    Raises
    ------
    InputError
        If the scheduler cannot be reached, or if scheduler or workers have other versions than
        this process.
    """
    client = _connected(address)
    try:
        _wait_for_workers(client, address, note)
        _refuse_other_versions(client, address)
        _tell_other_processors(client, note)
        with _watched(client, note), joblib.parallel_config(DaskBackend(client)):
            yield
    finally:
        client.close()


def _connected(address: str) -> Client:
    for name in [name for name in logging.root.manager.loggerDict if "distributed" in name]:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters is told in our words
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # versions are compared below
            return Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError, ImportError) as error:
        message = f"no Dask scheduler answers within {CONNECT_SECONDS:.0f} s"
        remedy = "start one with `dask scheduler` and give the address that it prints"
        raise InputError(
            [Problem("scheduler-unreachable", f"--scheduler {address}", "", message, remedy)]
        ) from error


def _wait_for_workers(client: Client, address: str, note: Note) -> None:
    if client.nthreads():
        return
    note(f"no workers at {address} yet, waiting; start one with `dask worker {address}`")
    client.wait_for_workers(1)


def _refuse_other_versions(client: Client, address: str) -> None:
    """Raise `InputError` naming every package of which there are several versions."""
    found = client.get_versions(packages=PACKAGES)
    here = _versions(found["client"])
    there = {"the scheduler": _versions(found["scheduler"])} | {
        worker: _versions(each) for worker, each in found["workers"].items()
    }
    problems = [
        problem
        for package, version in here.items()
        if (problem := _difference(address, package, version, there)) is not None
    ]
    if problems:
        raise InputError(problems)
    digests: dict[str, Any] = client.run(source_digest, on_error="return")
    digests["the scheduler"] = client.run_on_scheduler(source_digest)
    others = [place for place, digest in digests.items() if digest != source_digest()]
    if others:
        message = f"has other sources here than on {_listed(others)}"
        raise InputError([_problem(address, "gnr", message, "install the same commit everywhere")])


def _versions(host: Any) -> dict[str, str]:
    """Return versions by package; of Python what decides whether functions are understood."""
    packages = host["packages"]
    python = ".".join(str(packages["python"]).split(".")[:2])
    return {"python": python} | {each: packages.get(each) or "missing" for each in PACKAGES}


def _difference(
    address: str, package: str, version: str, there: Mapping[str, Mapping[str, str]]
) -> Problem | None:
    """Return what is wrong with a package, if anything."""
    others: dict[str, list[str]] = {}
    for place, versions in there.items():
        if versions[package] != version:
            others.setdefault(versions[package], []).append(place)
    if not others:
        return None
    told = " and ".join(f"{each} on {_listed(places)}" for each, places in others.items())
    wanted = package if package == "python" else f"pip install '{package}=={version}'"
    remedy = f"use Python {version} everywhere" if package == "python" else f"there: {wanted}"
    return _problem(address, package, f"is {version} here, {told}", remedy)


def _listed(places: list[str]) -> str:
    """Return the first of several places and how many more there are."""
    return places[0] + (f" and {len(places) - 1} more" if len(places) > 1 else "")


def _problem(address: str, package: str, message: str, remedy: str) -> Problem:
    return Problem("workers-differ", f"--scheduler {address}", package, message, remedy)


def _tell_other_processors(client: Client, note: Note) -> None:
    found: dict[str, Any] = client.run(instruction_set, on_error="return")
    others = [place for place, able in found.items() if able != instruction_set()]
    if others:
        note(
            f"the processor of {_listed(others)} is of another kind than this one "
            f"({platform.machine()}): results follow the same law, but last digits may differ "
            "from one run to the next"
        )


@contextmanager
def _watched(client: Client, note: Note) -> Iterator[None]:
    """Tell when the last worker has gone and when there is one again."""
    over = Event()

    def watch() -> None:
        alone = False
        while not over.wait(LOOK_SECONDS) and client.status == "running":
            none = not client.nthreads()
            if none and not alone:
                note("no workers are left, waiting; what is done is kept")
            alone = none

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(LOOK_SECONDS)
