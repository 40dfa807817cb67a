"""Run the parts of the experiments, keep each that is done, and judge what they come to."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gnr.errors import InputError, Problem
from gnr.provenance import record
from gnr.reproduction import Experiment, Reproduction
from gnr.schema_errors import suggest
from gnr.spreading import spread
from gnr.validation.part_folder import PartFolder
from gnr.validation.studies.reproduction.effort import FULL, Effort
from gnr.validation.studies.reproduction.outline import confidence, judged
from gnr.validation.studies.reproduction.parts import Part
from gnr.validation.studies.reproduction.registry import REBUILDS

ALL = "all"

Progress = Callable[[float], None]
"""Called with the work done so far, about core-seconds."""


def read_experiments(names: Sequence[str]) -> list[str]:
    """Return the experiments asked for, in the order of the paper.

    Raises
    ------
    InputError
        Naming every one that is unknown.
    """
    known = ", ".join(REBUILDS)
    problems = []
    for name in dict.fromkeys(names):
        if name not in REBUILDS and name != ALL:
            near = suggest(name, [*REBUILDS, ALL])
            advice = f"use {near}? There are {known}" if near else f"use {known}, or {ALL}"
            problems.append(Problem("experiment-unknown", name, "", "no such experiment", advice))
    if problems:
        raise InputError(problems)
    return [each for each in REBUILDS if ALL in names or not names or each in names]


def outstanding(names: Iterable[str], effort: Effort, folder: Path) -> dict[str, Part]:
    """Return the parts of the experiments that are not in the folder, by their names there."""
    parts = (part for name in names for part in REBUILDS[name].parts(effort).values())
    return missing(parts, folder)


def missing(parts: Iterable[Part], folder: Path) -> dict[str, Part]:
    """Return those of the parts that are not in the folder, by their names there."""
    found = {}
    for part in parts:
        store = PartFolder(folder, part.document)
        if store.read(part.key()) is None:
            found[store.name(part.key())] = part
    return found


def run_parts(parts: Mapping[str, Part], folder: Path, progress: Progress | None = None) -> None:
    """Run parts, wherever there is room, and store each as soon as it is done, large ones first."""
    todo = sorted(parts.values(), key=lambda part: -part.weight)
    done = 0.0
    for at, document in spread(_run, todo):
        PartFolder(folder, todo[at].document).write(todo[at].key(), document)
        done += todo[at].weight
        if progress is not None:
            progress(done)


def _run(part: Part) -> BaseModel:
    return part.run()


def reproduce(
    names: Sequence[str] = (ALL,),
    effort: Effort = FULL,
    folder: Path = Path("reproduction/parts"),
    progress: Progress | None = None,
    options: Mapping[str, Any] | None = None,
) -> Reproduction:
    """Run the experiments again and say, claim by claim, what stands.

    Parameters
    ----------
    names
        Experiments, see `read_experiments`.
    effort
        How much is simulated.
    folder
        Where finished parts are kept; those that are there are not computed again.
    progress
        Called with the work done so far.
    options
        Further options to write into the provenance.

    Raises
    ------
    InputError
        If a name is unknown.
    """
    started = time.perf_counter()
    names = read_experiments(names)
    todo = outstanding(names, effort, folder)
    damaged = [each for each in todo if (folder / each).exists()]
    run_parts(todo, folder, progress)
    experiments = tuple(
        judged(name, REBUILDS[name].measured(_documents(name, effort, folder), effort))
        for name in names
    )
    return Reproduction(
        effort=effort.name,
        confidence=confidence(),
        joint=joint_confidence(experiments),
        experiments=experiments,
        warnings=tuple(f"{each} was damaged and computed again" for each in damaged),
        provenance=record(
            None,
            started,
            {"experiments": names, **vars(effort)} | dict(options or {}),
            seed=effort.seed,
        ),
    )


def joint_confidence(experiments: Iterable[Experiment]) -> float:
    """Return the probability, at least, with which no verdict that chance is in is wrong.

    An interval that lies wholly on the wrong side of a bound has missed at one end: half the error.
    """
    chances = sum(
        experiment.quantity(condition.quantity).kind == "estimated"
        for experiment in experiments
        for claim in experiment.claims
        for condition in claim.conditions
    )
    return 1 - chances * (1 - confidence()) / 2


def _documents(name: str, effort: Effort, folder: Path) -> dict[Any, BaseModel]:
    """Return the documents of an experiment's parts, all from the folder, by its own keys."""
    return {key: _kept(part, folder) for key, part in REBUILDS[name].parts(effort).items()}


def _kept(part: Part, folder: Path) -> BaseModel:
    found = PartFolder(folder, part.document).read(part.key())
    if found is None:
        raise RuntimeError(f"{part.key()['label']} was written and cannot be read back")
    return found
