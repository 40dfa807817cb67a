"""Policies over instances drawn at random: means, worst cases, who is best and how surely."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from gnr._version import __version__
from gnr.arrays import Floats
from gnr.comparison import Condition, condition_of
from gnr.errors import InputError, Problem
from gnr.instance import Instance
from gnr.provenance import record
from gnr.simulation import Estimate, Simulation
from gnr.survey import DrawnInstance, InstanceGap, PolicySummary, Survey
from gnr.validation.drawing_rule import RULE, drawn_instance
from gnr.validation.engines import Progress
from gnr.validation.part_folder import PartFolder
from gnr.validation.ranking import best_policies, policy_pairs
from gnr.validation.statistics import interval
from gnr.validation.studies.comparison import (
    ALL,
    LAWS,
    SIZES,
    START_UNSETTLED,
    Field,
    conditions,
    prepare_field,
)
from gnr.validation.studies.setting import Setting
from gnr.validation.studies.side_by_side import simulations

FEWEST, MOST = 2, 10_000
"""Instances: one alone has no spread."""

MOST_LISTED = 5
"""Instances that a warning names by number."""

TOO_SMALL = "the plan for"
"""How a plan's warning begins when whole GPUs cannot follow it."""


@dataclass(frozen=True)
class Drawn:
    """One instance with the policies that take part.

    Attributes
    ----------
    number
        k.
    instance
        Instance k of the seed.
    field
        Its policies.
    """

    number: int
    instance: Instance
    field: Field


@dataclass(frozen=True)
class Work:
    """What a survey has to do.

    Attributes
    ----------
    drawn
        The instances.
    grid
        Sizes and laws.
    setting
        How to simulate.
    left_out
        Why policies of `all` do not take part, by name.
    """

    drawn: list[Drawn]
    grid: list[Condition]
    setting: Setting
    left_out: dict[str, str]

    @property
    def names(self) -> list[str]:
        """Return the policies that take part: those that every instance has."""
        return [name for name in self.drawn[0].field.studies if name not in self.left_out]

    def cells(self, one: Drawn) -> list[tuple[str, Condition]]:
        """Return the cells of one instance."""
        return [(name, condition) for condition, name in product(self.grid, self.names)]

    def expected_events(self, store: PartFolder[Simulation] | None) -> float:
        """Return about how many events the cells have that are not in `store`."""
        total = 0.0
        for one in self.drawn:
            for name, condition in self.cells(one):
                if store is None or store.read(self.key(one, name, condition)) is None:
                    total += one.field.expected_events(one.field.studies[name], condition)
        return total

    def key(self, one: Drawn, policy: str, condition: Condition) -> dict[str, Any]:
        """Return what decides the numbers of a cell."""
        return {
            "label": f"{one.instance.name}.{policy}.{condition.gpus}",
            "version": __version__,
            "sha256": one.instance.sha256(),
            "policy": policy,
            "gpus": condition.gpus,
            "lengths": condition.lengths,
            "accounting": one.field.target.scheme,
            "fidelity": one.field.at(one.field.studies[policy], condition).fidelity(condition.gpus),
            "setting": vars(self.setting) | {"lengths": condition.lengths},
        }


Told = Callable[[Drawn, int], None]
"""Called with each instance that is done and how many of its cells came from disk."""


def prepare_survey(
    count: int,
    policies: str | Sequence[str] = ALL,
    gpus: Sequence[int] = SIZES,
    lengths: Sequence[str] = LAWS,
    *,
    account: str | None = None,
    setting: Setting | None = None,
) -> Work:
    """Draw the instances and plan every policy on them.

    Raises
    ------
    InputError
        As `gnr.validation.studies.comparison.compare`; also if `count` is out of range, or if a
        law is a file.
    """
    if not FEWEST <= count <= MOST:
        text = f"must be from {FEWEST} to {MOST:,} instances, got {count}"
        raise InputError([Problem("survey-range", "--random", "", text, "say 24")])
    files = [law for law in lengths if law.endswith(".csv")]
    if files:
        text = f"{', '.join(files)} cannot fit the classes of every random instance"
        raise InputError([Problem("survey-lengths", "--lengths", "", text, "say lognormal:1.5")])
    setting = setting or Setting()
    setting.check()  # its seed draws the instances
    grid = conditions(gpus, lengths)
    drawn = []
    for number in range(count):
        instance = drawn_instance(setting.seed, number)
        drawn.append(
            Drawn(number, instance, prepare_field(instance, policies, grid, account, setting))
        )
    left_out: dict[str, str] = {}
    for one in drawn:
        for name, reason in one.field.left_out.items():
            left_out.setdefault(name, f"{reason} (instance {one.number})")
    return Work(drawn, grid, setting, left_out)


def survey(
    work: Work,
    store: PartFolder[Simulation] | None = None,
    *,
    progress: Progress | None = None,
    told: Told | None = None,
    options: Mapping[str, Any] | None = None,
) -> Survey:
    """Simulate every policy on every instance.

    Parameters
    ----------
    work
        From `prepare_survey`.
    store
        Where every cell that is done is kept; one that is there is not computed again. None keeps
        nothing.
    progress
        Called now and then with the events simulated so far.
    told
        Called with each instance that is done.
    options
        Further options to write into the provenance.

    Returns
    -------
    Survey
        Over the instances that were complete, if interrupted.

    Raises
    ------
    KeyboardInterrupt
        If interrupted before two instances were complete.
    """
    started = time.perf_counter()
    cells = _Cells(work, store, told)
    complete = True
    try:
        missing = list(cells.read())
        runs = [one.field.run(one.field.studies[name], at) for one, name, at in missing]
        for place, cell in simulations(runs, progress):
            if not cell.complete:
                raise KeyboardInterrupt
            cells.enter(*missing[place], cell)
    except KeyboardInterrupt:
        complete = False
        if len(cells.done()) < FEWEST:
            raise
    return _document(work, cells.done(), store, complete, started, options or {})


class _Cells:
    """The cells of a survey that are done."""

    def __init__(self, work: Work, store: PartFolder[Simulation] | None, told: Told | None) -> None:
        self._work, self._store, self._told = work, store, told
        self._found: dict[int, dict[tuple[str, Condition], Simulation]] = {}
        self._known: dict[int, int] = {}

    def read(self) -> Iterator[tuple[Drawn, str, Condition]]:
        """Take what the store has; yield the instance, policy and condition of all others."""
        for one in self._work.drawn:
            found = self._found.setdefault(one.number, {})
            for name, condition in self._work.cells(one):
                key = self._work.key(one, name, condition)
                cell = None if self._store is None else self._store.read(key)
                if cell is None:
                    yield one, name, condition
                else:
                    found[name, condition] = cell
            self._known[one.number] = len(found)
            self._tell(one)

    def enter(self, one: Drawn, name: str, condition: Condition, cell: Simulation) -> None:
        """Take a simulated cell, into the store too."""
        if self._store is not None:
            self._store.write(self._work.key(one, name, condition), cell)
        self._found[one.number][name, condition] = cell
        self._tell(one)

    def done(self) -> list[tuple[Drawn, list[Simulation]]]:
        """Return the instances that are complete, each with its cells, both in order."""
        return [
            (one, [self._found[one.number][each] for each in self._work.cells(one)])
            for one in self._work.drawn
            if self._complete(one)
        ]

    def _complete(self, one: Drawn) -> bool:
        return len(self._found.get(one.number, ())) == len(self._work.cells(one))

    def _tell(self, one: Drawn) -> None:
        if self._told is not None and self._complete(one):
            self._told(one, self._known[one.number])


def summaries(
    gaps: Mapping[Condition, Mapping[str, Floats]], numbers: Sequence[int]
) -> tuple[PolicySummary, ...]:
    """Return each policy over the instances; `gaps` by policy have shape ``(instances,)``."""
    found = []
    for condition, named in gaps.items():
        least = np.min(list(named.values()), axis=0)
        for name, values in named.items():
            mean = interval(values)
            found.append(
                PolicySummary(
                    policy=name,
                    gpus=condition.gpus,
                    lengths=condition.lengths,
                    gap=Estimate(mean=mean.mean, half_width=mean.half_width),
                    standard_deviation=float(values.std(ddof=1)),
                    worst_gap=float(values.max()),
                    worst_instance=numbers[int(values.argmax())],
                    wins=int((values <= least).sum()),
                )
            )
    return tuple(found)


def _document(
    work: Work,
    done: Sequence[tuple[Drawn, list[Simulation]]],
    store: PartFolder[Simulation] | None,
    complete: bool,
    started: float,
    options: Mapping[str, Any],
) -> Survey:
    gaps: dict[Condition, dict[str, Floats]] = {
        condition: {
            name: np.array([_gap(cells, name, condition) for _, cells in done])
            for name in work.names
        }
        for condition in work.grid
    }
    numbers = [one.number for one, _ in done]
    policies = summaries(gaps, numbers)
    pairs = policy_pairs(
        {at: {name: -values for name, values in named.items()} for at, named in gaps.items()}
    )
    means: dict[Condition, dict[str, Estimate]] = {}
    for each in policies:
        means.setdefault(each.condition, {})[each.policy] = each.gap
    digest = hashlib.sha256("".join(one.instance.sha256() for one, _ in done).encode())
    return Survey(
        seed=work.setting.seed,
        rule=RULE,
        asked=len(work.drawn),
        accounting=work.drawn[0].field.target.scheme,
        instances=tuple(
            DrawnInstance(
                number=one.number,
                sha256=one.instance.sha256(),
                lp_revenue_rate=float(one.field.target.revenue_rate or 0.0),
                instance=one.instance,
            )
            for one, _ in done
        ),
        policies=policies,
        gaps=tuple(
            InstanceGap(
                instance=one.number,
                policy=cell.policy,
                gpus=cell.gpus,
                lengths=cell.lengths,
                gap=cell.gap,
                starts_agree=cell.warmup_check.agree,
            )
            for one, cells in done
            for cell in cells
        ),
        pairs=pairs,
        best=best_policies(means, pairs),
        complete=complete,
        warnings=tuple(_warnings(work, done, store, complete)),
        provenance=record(
            digest.hexdigest(),
            started,
            vars(work.setting)
            | {"random": len(work.drawn), "policies": work.names}
            | {"gpus": list(dict.fromkeys(each.gpus for each in work.grid))}
            | {"lengths": list(dict.fromkeys(each.lengths for each in work.grid))}
            | dict(options),
            seed=work.setting.seed,
        ),
    )


def _gap(cells: Sequence[Simulation], policy: str, condition: Condition) -> float:
    return next(
        cell.gap.mean for cell in cells if cell.policy == policy and condition_of(cell) == condition
    )


def _warnings(
    work: Work,
    done: Sequence[tuple[Drawn, list[Simulation]]],
    store: PartFolder[Simulation] | None,
    complete: bool,
) -> list[str]:
    told = [f"left out {name}: {reason}" for name, reason in work.left_out.items()]
    small: dict[Condition, list[int]] = {}
    starts: dict[tuple[Condition, str], dict[str, list[int]]] = {}
    for one, cells in done:
        for cell in cells:
            at, agree = condition_of(cell), cell.warmup_check.agree
            if any(each.startswith(TOO_SMALL) for each in cell.warnings):
                small.setdefault(at, []).append(one.number)
            if agree != "yes":
                starts.setdefault((at, agree), {}).setdefault(cell.policy, []).append(one.number)
    told += [
        f"{at}: too small to follow the plan on {_listed(numbers, done)}"
        for at, numbers in small.items()
    ]
    if starts:
        named = [
            f"{at} ({agree}): "
            + ", ".join(f"{name} on {_listed(each, done)}" for name, each in found.items())
            for (at, agree), found in starts.items()
        ]
        told.append(f"{START_UNSETTLED}: {'; '.join(named)}; see `gaps` in the JSON")
    if store is not None:
        told += [f"{file} was damaged and computed again" for file in dict.fromkeys(store.damaged)]
    commits = {cell.provenance.commit for _, cells in done for cell in cells}
    if len(commits) > 1:
        listed = ", ".join(sorted(str(commit)[:9] for commit in commits))
        told.append(f"the cells come from {len(commits)} commits of gnr: {listed}")
    if not complete:
        after = "nothing was kept (no --out)" if store is None else "the same command goes on"
        told.append(
            f"interrupted: {len(done)} of {len(work.drawn)} instances are complete; {after}"
        )
    return told


def _listed(numbers: Sequence[int], done: Sequence[object]) -> str:
    """Return numbers of instances in order, each once; of many only how many."""
    distinct = sorted(set(numbers))
    if len(distinct) == len(done):
        return "all instances"
    if len(distinct) > MOST_LISTED:
        return f"{len(distinct)} instances"
    plural = "s" * (len(distinct) > 1)
    return f"instance{plural} {', '.join(str(number) for number in distinct)}"
