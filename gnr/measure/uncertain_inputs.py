"""From what `gnr calibrate`, `gnr fit` and a planner say to the inputs that are uncertain."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from gnr.demand import Demand
from gnr.errors import InputError, Problem
from gnr.instance import Instance
from gnr.measure.calibrated_uncertainty import read_calibration
from gnr.measure.fitted_uncertainty import read_fit
from gnr.measure.stated_uncertainty import OPTION, Key, label, nominal, read_stated
from gnr.measure.uncertain_documents import Reading
from gnr.size_band import UncertainInput

UNCERTAIN_CHECKS = ("uncertain-file", "uncertain-class", "uncertain-unknown", "uncertain-option")
"""Identifiers of the checks made on what is said to be uncertain."""


def read_uncertain_inputs(
    instance: Instance,
    demand: Demand,
    calibration: Path | None,
    fit: Path | None,
    stated: Sequence[str],
) -> tuple[UncertainInput, ...]:
    """Return the inputs of a size that are uncertain.

    A calibration tells of both iteration times, a fit of rates and mean lengths by class; their
    relative uncertainty is carried to the values sized for. What is stated takes the place of what
    a file says of the same thing: ``demand:chat=5%`` of that of the class. Without a class it is
    one factor of all classes, ``demand=20%``, beside what a file says of each.

    Parameters
    ----------
    instance
        What is sized for; its arrival rates do not matter.
    demand
        Requests/s of its classes, in all.
    calibration, fit
        Documents that `gnr calibrate` and `gnr fit` wrote.
    stated
        Texts ``KEY=SHARE`` or ``KEY:CLASS=SHARE``: with 95 % probability the value is between
        value / (1 + SHARE) and value (1 + SHARE).

    Raises
    ------
    InputError
        With every fault: of the files, of the texts, and what a file leaves unknown and no text
        states.
    """
    demanded = demand.for_instance(instance)
    problems: list[Problem] = []
    said: dict[Key, float] = {}
    try:
        said = read_stated(stated, instance)
    except InputError as error:
        problems += error.problems
    readings: list[Reading] = []
    for read, file in ((read_calibration, calibration), (read_fit, fit)):
        try:
            readings += [] if file is None else [read(file, instance, demanded)]
        except InputError as error:
            problems += error.problems
    problems += _unknown(readings, said)
    if problems:
        raise InputError(problems)
    measured = [each for reading in readings for each in reading.inputs]
    return (
        *(each for each in measured if (each.quantity, each.class_name) not in said),
        *(
            UncertainInput.model_validate(
                {
                    "quantity": key[0],
                    "class": key[1],
                    "value": nominal(key, instance, demanded),
                    "share": share,
                    "source": f"{OPTION} {label(key)}={share:.4g}",
                }
            )
            for key, share in said.items()
            if share > 0
        ),
    )


def _unknown(readings: Sequence[Reading], said: Iterable[Key]) -> list[Problem]:
    """Return what a file does not tell and nobody states."""
    known = set(said)
    if ("iteration_time", None) in known:
        known |= {("mixed_time", None), ("decode_only", None)}
    return [
        problem
        for reading in readings
        for key, problem in reading.unknown.items()
        if key not in known and (key[0], None) not in known
    ]
