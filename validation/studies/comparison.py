"""Policies side by side on one instance: same random numbers, every pair, who is best."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gnr.checks import warnings_for
from gnr.comparison import Comparison, Condition, condition_of
from gnr.errors import InputError, Problem
from gnr.instance import Instance
from gnr.provenance import record
from gnr.result import Solution
from gnr.schema_errors import suggest
from gnr.simulation import Simulation
from gnr.validation.engines import Progress
from gnr.validation.per_gpu.lengths import read_law
from gnr.validation.policies import POLICIES
from gnr.validation.ranking import best_policies, policy_pairs
from gnr.validation.studies.optima import optimum, target_optimum
from gnr.validation.studies.setting import PER_GPU, Setting
from gnr.validation.studies.side_by_side import Run, simulations
from gnr.validation.studies.simulation import Study

ALL = "all"
"""Instead of names: every policy made for the accounting that can be simulated."""

SIZES = (20, 100, 500)
"""Default cluster sizes."""

LAWS = ("exponential",)
"""Default laws of the lengths."""

START_UNSETTLED = (
    "runs from an empty cluster and from the plan are not shown to agree (a longer --warmup or "
    "--horizon, or more --replications, settles it)"
)
"""How the warning begins that names the cells which may remember their start."""

Told = Callable[[Simulation], None]
"""Called with each cell that is done."""


def compare(
    instance: Instance,
    policies: str | Sequence[str] = ALL,
    gpus: Sequence[int] = SIZES,
    lengths: Sequence[str] = LAWS,
    *,
    account: str | None = None,
    setting: Setting | None = None,
    progress: Progress | None = None,
    told: Told | None = None,
    options: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Comparison:
    """Simulate several policies on the same random numbers and say which earns most.

    Each policy follows the plan of its own program. At one cluster size and law of the lengths
    run k of every policy meets the same random numbers, so that differences are sharper than the
    intervals of the policies suggest.

    Parameters
    ----------
    instance
        What to simulate.
    policies
        Names of policies, or `all`: those whose program has the pricing of the accounting.
        Policies of `all` that cannot follow a plan of this instance, or whose own program has no
        plan that keeps its promises, are left out with a warning.
    gpus
        Cluster sizes.
    lengths
        Laws of the lengths, see `Setting.lengths`.
    account
        `bundled` or `separate`; by default as the instance is priced.
    setting, changes
        How to simulate; single fields of `Setting` may be given as keywords instead.
    progress
        Called now and then with the events simulated so far.
    told
        Called with each cell that is done.
    options
        Further options to write into the provenance.

    Returns
    -------
    Comparison
        Of the cells that were complete, if interrupted after the first.

    Raises
    ------
    InputError
        If a name is unknown, a named policy cannot follow its plan, an option is out of range, or
        there is no optimum to compare with, or none that keeps the promises.
    KeyboardInterrupt
        If interrupted before any cell was complete.
    """
    started = time.perf_counter()
    setting = Setting(**(vars(setting or Setting()) | changes))
    grid = conditions(gpus, lengths)
    field = prepare_field(instance, policies, grid, account, setting, options)
    runs = [field.run(*cell) for cell in field.cells(grid)]
    cells: dict[int, Simulation] = {}
    try:
        for place, cell in simulations(runs, progress):
            if not cell.complete:
                break
            cells[place] = cell
            if told is not None:
                told(cell)
    except KeyboardInterrupt:
        if not cells:
            raise
    if not cells:
        raise KeyboardInterrupt
    complete, in_order = len(cells) == len(runs), [cells[place] for place in sorted(cells)]
    return _document(instance, field, setting, in_order, complete, started, options or {})


def conditions(gpus: Sequence[int], lengths: Sequence[str]) -> list[Condition]:
    """Return every law with every cluster size, small clusters first.

    Raises
    ------
    InputError
        If a size is no positive number, or if a size or a law comes twice or is missing.
    """
    problems = []
    if not gpus or len(set(gpus)) != len(gpus) or min(gpus) < 1:
        problems.append(
            ("--gpus", f"must be different sizes of at least 1, got {list(gpus)}", "say 20,100")
        )
    if not lengths or len(set(lengths)) != len(lengths):
        problems.append(
            ("--lengths", f"must be different laws, got {list(lengths)}", "say exponential")
        )
    if problems:
        raise InputError(Problem("compare-range", at, "", text, say) for at, text, say in problems)
    return [Condition(size, law) for law in lengths for size in sorted(gpus)]


@dataclass(frozen=True)
class Field:
    """The policies that take part.

    Attributes
    ----------
    target
        The optimum they are held against.
    promised
        The optimum with the promises of the instance.
    studies
        By policy, for the default law.
    left_out
        Why policies of `all` do not take part, by name.
    """

    target: Solution
    promised: Solution
    studies: dict[str, Study]
    left_out: dict[str, str]

    def cells(self, grid: Sequence[Condition]) -> list[tuple[Study, Condition]]:
        """Return every study with every condition, condition by condition."""
        return [(study, condition) for condition in grid for study in self.studies.values()]

    def at(self, study: Study, condition: Condition) -> Study:
        """Return a study with the law and the fidelity of a condition.

        Where the fidelity is left open all policies of a condition get the same one: per GPU as
        soon as one of them, the size or the law asks for it.
        """
        setting = replace(study.setting, lengths=condition.lengths)
        asked = {setting.fidelity_for(POLICIES[each], condition.gpus) for each in self.studies}
        fidelity = PER_GPU if PER_GPU in asked else setting.fidelity
        return replace(study, setting=replace(setting, fidelity=fidelity))

    def run(self, study: Study, condition: Condition) -> Run:
        """Return the simulation of one policy at one size and law."""
        return Run(self.at(study, condition), study.plan(condition.gpus))

    def expected_events(self, study: Study, condition: Condition) -> float:
        """Return about how many events a cell has."""
        run = self.run(study, condition)
        return run.study.expected_events(run.plan)


def prepare_field(
    instance: Instance,
    policies: str | Sequence[str],
    grid: Sequence[Condition],
    account: str | None,
    setting: Setting,
    options: Mapping[str, Any] | None = None,
) -> Field:
    """Return the policies that take part, everything checked that can be beforehand.

    Raises
    ------
    InputError
        As `compare`.
    """
    names = _names(policies)
    if setting.precision is not None:
        message = "pairs need the same replications under every policy"
        raise InputError([Problem("compare-range", "precision", "", message, "say replications")])
    for law in dict.fromkeys(condition.lengths for condition in grid):
        replace(setting, lengths=law).check()
        read_law(law, instance)
    target = target_optimum(instance, account or instance.prices.scheme)
    promised = optimum(instance, target.scheme) if instance.slis else target
    studies: dict[str, Study] = {}
    left_out: dict[str, str] = {}
    for name in names:
        policy = POLICIES[name]
        if policies == ALL and target.scheme not in policy.objectives:
            made_for = " or ".join(policy.objectives)
            left_out[name] = f"it plans for {made_for} pricing; name it to see it all the same"
            continue
        study = Study(instance, target, name, setting, dict(options or {}))
        try:
            for condition in grid:
                setting.fidelity_for(policy, condition.gpus)
                policy.check(study.plan(condition.gpus))
        except InputError as error:
            if policies != ALL:
                raise
            left_out[name] = "; ".join(each.message for each in error.problems)
        else:
            studies[name] = study
    if not studies:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise InputError(
            [Problem("compare-none", "--policies", "", f"none is left: {reasons}", "name some")]
        )
    return Field(target, promised, studies, left_out)


def _warnings(field: Field, cells: Sequence[Simulation], complete: bool) -> list[str]:
    told = [f"left out {name}: {reason}" for name, reason in field.left_out.items()]
    told += [
        warning
        for cell in cells
        for warning in cell.warnings
        if not warning.startswith(("runs from", "interrupted"))
    ]
    unsettled = _unsettled(cells)
    if unsettled:
        told.append(f"{START_UNSETTLED}: {'; '.join(unsettled)}")
    if not complete:
        told.append("interrupted: cells are missing")
    return told


def _unsettled(cells: Sequence[Simulation]) -> list[str]:
    """Return which cells may remember their start, those of one condition together."""
    found: dict[tuple[Condition, str], list[str]] = {}
    for cell in cells:
        if cell.warmup_check.agree != "yes":
            key = (condition_of(cell), cell.warmup_check.agree)
            found.setdefault(key, []).append(cell.policy)
    return [f"{at} ({agree}): {', '.join(names)}" for (at, agree), names in found.items()]


def _names(policies: str | Sequence[str]) -> list[str]:
    """Return the names of the policies asked for.

    Raises
    ------
    InputError
        Naming every one that is unknown or comes twice.
    """
    if policies == ALL:
        return list(POLICIES)
    names = [policies] if isinstance(policies, str) else list(policies)
    known = ", ".join(POLICIES)
    problems = []
    for name in dict.fromkeys(names):
        if name not in POLICIES:
            near = suggest(name, list(POLICIES))
            advice = f"use {near}? There are {known}" if near else f"use {known}, or {ALL}"
            problems.append((f"no policy {name!r}", advice))
        elif names.count(name) > 1:
            problems.append((f"{name} comes twice", "name each once"))
    if not names:
        problems.append(("no policy is named", f"use {known}, or {ALL}"))
    if problems:
        raise InputError(
            Problem("policy-unknown", "--policies", "", text, say) for text, say in problems
        )
    return names


def _document(
    instance: Instance,
    field: Field,
    setting: Setting,
    cells: Sequence[Simulation],
    complete: bool,
    started: float,
    options: Mapping[str, Any],
) -> Comparison:
    value = float(field.target.revenue_rate or 0.0)
    grid = list(dict.fromkeys(condition_of(cell) for cell in cells))
    at = {each: [cell for cell in cells if condition_of(cell) == each] for each in grid}
    pairs = policy_pairs(
        {
            each: {cell.policy: cell.samples["revenue_rate"] / value for cell in found}
            for each, found in at.items()
        },
        value,
        unsettled={
            (condition_of(cell), cell.policy) for cell in cells if cell.warmup_check.agree == "no"
        },
    )
    arrivals = sum(each.arrival_rate for each in instance.classes)
    return Comparison(
        instance=instance.name,
        accounting=field.target.scheme,
        lp_revenue_rate=value,
        promised_revenue_rate=field.promised.revenue_rate if instance.slis else None,
        arrival_shares={each.name: each.arrival_rate / arrivals for each in instance.classes},
        cells=tuple(cells),
        pairs=pairs,
        best=best_policies(
            {each: {cell.policy: cell.gap for cell in found} for each, found in at.items()},
            pairs,
            {(condition_of(cell), cell.policy): cell.keeps_promises for cell in cells},
        ),
        complete=complete,
        warnings=tuple(
            dict.fromkeys([*warnings_for(instance), *_warnings(field, cells, complete)])
        ),
        provenance=record(
            instance.sha256(),
            started,
            vars(setting)
            | {"policies": list(field.studies), "gpus": [each.gpus for each in grid]}
            | {"lengths": list(dict.fromkeys(each.lengths for each in grid))}
            | dict(options),
            seed=setting.seed,
        ),
    )
