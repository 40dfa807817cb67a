r"""Beyond the ledger: the programs that are solved are the fluid limit at rest (THEORY 4.1, 4.2).

The rows of the Pyomo models are built with symbols and compared with what the network says.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain, combinations
from typing import Any

import pyomo.environ as pyo
import sympy as sp

from gnr.models import programs
from gnr.proofs.fluid_limit import missing, steady_equations
from gnr.proofs.kit.claim import Claim, Finding, Mutant, Verdict, all_of, proved, refuted
from gnr.proofs.kit.drift import revenue_rate
from gnr.proofs.kit.exact import equal
from gnr.proofs.kit.paths import capacity_gaps
from gnr.proofs.kit.program_rows import (
    VARIABLES,
    ProgramRow,
    exact_rates,
    free_below_zero,
    program_rows,
)
from gnr.proofs.kit.steady_state import program
from gnr.proofs.kit.symbols import STATE, Model, general_class
from gnr.proofs.kit.totals import Total, numbered, written_out
from gnr.rates import Rates

MOST_CLASSES = 4
RESTRICTION = f"I ≤ {MOST_CLASSES}"
PATIENCE = sp.Symbol("theta_i", positive=True)

Build = Callable[[Rates], Any]

_CAPACITIES = ("prefill_capacity", "mixed_decode_capacity", "solo_decode_capacity")

_SIZED = ("sized_prefill_capacity", "mixed_decode_capacity", "sized_solo_decode_capacity")
"""The same in the program of the fewest GPUs."""

SCHEMES: dict[str, Build] = {
    "bundled": lambda rates: programs.bundled_program(rates),
    "separate": lambda rates: programs.separate_program(rates),
}
"""The programs by pricing scheme, looked up when they are built."""


def every_case() -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield numbers of classes, each with every choice of classes that never leave."""
    for count in range(1, MOST_CLASSES + 1):
        numbers = range(1, count + 1)
        for patient in chain.from_iterable(combinations(numbers, k) for k in range(count + 1)):
            yield count, patient


def _for_all_cases(compare: Callable[[int, tuple[int, ...]], Finding], says: str) -> Finding:
    """Return the finding over all cases, told once; the first that fails settles it."""
    cases = list(every_case())
    for count, patient in cases:
        finding = compare(count, patient)
        if finding.verdict is not Verdict.PROVED:
            return finding
    return proved(
        f"{says}, coefficient by coefficient, as rational functions of the model's symbols",
        f"for {len(cases)} cases: I = 1 to {MOST_CLASSES}, each choice of classes with theta = 0",
        restriction=RESTRICTION,
    )


def equality_rows_are_the_fluid_at_rest(
    build: dict[str, Build] | None = None, model: Model | None = None
) -> Finding:
    """Compare the equality rows of both programs with the drift at rest, class by class.

    Every row is minus one of the equations without controls, each equation has one row, and
    no variable has another bound than being nonnegative.
    """
    derived = steady_equations(model or general_class(), STATE)
    names = ("prefill_balance", "decode_balance")
    if len(derived) != len(names):
        return refuted(f"the network at rest gives {len(derived)} equations per class")

    def compare(count: int, patient: tuple[int, ...]) -> Finding:
        parts = []
        for scheme, builder in (build or SCHEMES).items():
            built = builder(exact_rates(count, patient))
            rows = {k: v for k, v in program_rows(built).items() if v.lower is not None}
            expected = {
                f"{name}[{k - 1}]": -_of_class(equation, k, patient)
                for name, equation in zip(names, derived, strict=True)
                for k in range(1, count + 1)
            }
            case = f"{scheme}, I = {count}, theta = 0 for {list(patient) or 'none'}"
            if set(rows) != set(expected) or any(v.lower != v.upper for v in rows.values()):
                return refuted(f"{case}: equality rows are {', '.join(rows)}")
            if free_below_zero(built):
                return refuted(f"{case}: not just nonnegative: {free_below_zero(built)}")
            parts += [
                equal(row.expression - row.upper, expected[name], f"{case}: {name}")
                for name, row in rows.items()
            ]
        return all_of(*parts)

    return _for_all_cases(compare, "both equality rows of every class are the drift at rest")


def _of_class(expression: Any, number: int, patient: tuple[int, ...]) -> Any:
    """Return an expression of class i for a numbered class, whose theta may be 0."""
    if number in patient:
        expression = expression.subs(PATIENCE, 0)
    return numbered(expression, number)


def capacity_rows_are_the_capacities(
    build: dict[str, Build] | None = None, slots_kept: int = 1
) -> Finding:
    """Compare the three inequality rows with (P12)-(P14) for one GPU, totals written out."""
    model = general_class()
    totals = [Total(each) for each in (STATE.prefill, STATE.mixed_decode, STATE.solo_decode)]
    free, mixed, solo = capacity_gaps(model.rates.batch_slots, 1, *totals)
    mixed -= (slots_kept - 1) * totals[0]
    stated = dict(zip(_CAPACITIES, (free, mixed, solo), strict=True))
    in_the_kit = dict(zip(_CAPACITIES, program(model).rooms, strict=True))

    def compare(count: int, patient: tuple[int, ...]) -> Finding:
        parts = []
        for scheme, builder in (build or SCHEMES).items():
            rows = program_rows(builder(exact_rates(count, patient)))
            limits = {k: v for k, v in rows.items() if v.upper is not None and v.lower is None}
            case = f"{scheme}, I = {count}"
            if set(limits) != set(_CAPACITIES):
                return refuted(f"{case}: inequality rows are {', '.join(limits)}")
            parts += [
                equal(
                    row.upper - row.expression,
                    written_out(stated[name], count),
                    f"{case}: what {name} leaves free",
                )
                for name, row in limits.items()
            ]
        parts += [equal(in_the_kit[name], stated[name], f"{name}, in the kit") for name in stated]
        return all_of(*parts)

    return _for_all_cases(compare, "the three inequality rows are (P33)-(P35)")


def objectives_are_the_fluid_revenue(
    build: dict[str, Build] | None = None, model: Model | None = None
) -> Finding:
    """Compare each objective with the rewards on the edges, totals written out."""
    model = model or general_class()

    def compare(count: int, patient: tuple[int, ...]) -> Finding:
        parts = []
        for scheme, builder in (build or SCHEMES).items():
            built = builder(exact_rates(count, patient))
            rows = program_rows(built)
            objectives = [v for v in rows.values() if v.upper is None and v.lower is None]
            senses = [each.sense for each in built.component_data_objects(pyo.Objective)]
            if len(objectives) != 1 or senses != [pyo.maximize]:
                return refuted(f"{scheme}: one objective to maximize expected, found {senses}")
            earned = sum(
                numbered(revenue_rate(model, STATE, scheme), k) for k in range(1, count + 1)
            )
            parts.append(equal(objectives[0].expression, earned, f"{scheme}, I = {count}"))
        return all_of(*parts)

    return _for_all_cases(compare, "both objectives are the rewards on the edges")


def _objective(rows: Mapping[str, ProgramRow]) -> Any:
    """Return the expression of the one objective of a program."""
    (objective,) = (row for row in rows.values() if row.upper is None)
    return objective.expression


def _gap(row: ProgramRow) -> Any:
    """Return what must be at most 0, or 0."""
    return row.expression - row.upper


def variants_differ_as_they_say(
    reduced: Build = lambda rates: programs.reduced_program(rates),
    elastic: Build = lambda rates: programs.elastic_program(rates),
) -> Finding:
    """Write down what each variant does to the equations at rest, and compare all its rows.

    (P52) leaves out the decode queue, which makes an inequality of the balance; the elastic
    program leaves some arrivals of classes with theta = 0 unserved; a demand adds its row.
    """
    derived = steady_equations(general_class(), STATE)
    if len(derived) != 2:
        return refuted(f"the network at rest gives {len(derived)} equations per class")
    prefill, decode = derived
    emptied = decode.subs(STATE.decode_buffer, 0)
    unserved = VARIABLES["unserved_rate"]

    def compare(count: int, patient: tuple[int, ...]) -> Finding:
        numbers = range(1, count + 1)
        impatient = [k for k in numbers if k not in patient]
        rates = exact_rates(count, patient)
        demanding = programs.bundled_program(rates)
        plain = program_rows(demanding)
        programs.require_empty_decode_buffer(demanding)
        programs.require_disaggregation(demanding)
        stated = {
            "reduced": (
                reduced(rates),
                {("prefill_balance", "="): (prefill, numbers),
                 ("decode_flow_limit", "≤"): (emptied, impatient),
                 ("decode_balance", "="): (decode, patient)},
            ),
            "elastic": (
                elastic(rates),
                {("prefill_balance", "="): (prefill, impatient),
                 ("served_balance", "="): (prefill - unserved, patient),
                 ("decode_balance", "="): (decode, numbers)},
            ),
            "with demands": (
                demanding,
                {("prefill_balance", "="): (prefill, numbers),
                 ("decode_balance", "="): (decode, numbers),
                 ("empty_decode_buffer", "="): (-STATE.decode_buffer, impatient),
                 ("disaggregation", "="): (-STATE.mixed_decode, numbers)},
            ),
        }  # fmt: skip
        parts = []
        for variant, (built, rows) in stated.items():
            expected = {
                (f"{name}[{k - 1}]", kind): -_of_class(equation, k, patient)
                for (name, kind), (equation, members) in rows.items()
                for k in members
            }
            built_rows = program_rows(built)
            found = {
                (name, "=" if row.lower == row.upper else "≤"): _gap(row)
                for name, row in built_rows.items()
                if row.upper is not None and name not in _CAPACITIES
            }
            case = f"{variant}, I = {count}, theta = 0 for {list(patient) or 'none'}"
            if set(found) != set(expected) or free_below_zero(built):
                return refuted(f"{case}: rows are {', '.join(map(' '.join, found))}")
            parts += [equal(found[key], expected[key], f"{case}: {key[0]}") for key in found]
            missed = sum(numbered(unserved, k) for k in patient)
            aim, original = _objective(built_rows), _objective(plain)
            parts += [
                equal(aim, missed if variant == "elastic" else original, f"{case}: objective"),
                *(equal(_gap(built_rows[name]), _gap(plain[name]), name) for name in _CAPACITIES),
            ]
        return all_of(*parts)

    return _for_all_cases(compare, "the rows of (P52), of the elastic program and of the demands")


def fewest_gpus_is_the_program_times_n(
    build: Build = lambda rates: programs.fewest_gpus_program(rates),
) -> Finding:
    """Put n times the occupancies and rates of one GPU into the rows; each is n times its own."""
    size = VARIABLES["gpus"]
    of_cluster = dict(zip(_SIZED, _CAPACITIES, strict=True))

    def compare(count: int, patient: tuple[int, ...]) -> Finding:
        rates = exact_rates(count, patient)
        built, plain = build(rates), program_rows(programs.bundled_program(rates))
        rows = program_rows(built)
        aims = {name for name, row in rows.items() if row.upper is None}
        senses = [each.sense for each in built.component_data_objects(pyo.Objective)]
        names = {name: of_cluster.get(name, name) for name in rows if name not in aims}
        case = f"I = {count}, theta = 0 for {list(patient) or 'none'}"
        stated = {name for name, row in plain.items() if row.upper is not None}
        if set(names.values()) != stated or free_below_zero(built) or senses != [pyo.minimize]:
            return refuted(f"{case}: rows are {', '.join(rows)}, to {senses}")
        per_gpu = [
            *(numbered(each, k) for each in VARIABLES.values() for k in range(1, count + 1)),
            *(each.value for each in rates.arrival_rate),
        ]
        scaled = {each: size * each for each in per_gpu if each != size}
        parts = [
            equal(
                _gap(rows[name]).subs(scaled, simultaneous=True),
                size * _gap(plain[own]),
                f"{case}: {name}",
            )
            for name, own in names.items()
        ]
        return all_of(*parts, equal(_objective(rows), size, f"{case}: objective"))

    return _for_all_cases(compare, "every row is n times that of (P40), and n is made least")


def _with_row(name: str, rule: Callable[[Any, Any, int], Any]) -> dict[str, Build]:
    """Return builders whose row of class 1 is another; `rule` gets model, row and class."""

    def altered(builder: Build) -> Build:
        def build(rates: Rates) -> Any:
            model = builder(rates)
            row = model.component(name)[0]
            row.set_value(rule(model, row, 0))
            return model

        return build

    return {scheme: altered(builder) for scheme, builder in SCHEMES.items()}


def _with_capacity(name: str, more: Callable[[Any], Any]) -> dict[str, Build]:
    """Return builders with something added to the body of a capacity."""

    def altered(builder: Build) -> Build:
        def build(rates: Rates) -> Any:
            model = builder(rates)
            row = model.component(name)
            row.set_value(row.body + more(model) <= row.upper)
            return model

        return build

    return {scheme: altered(builder) for scheme, builder in SCHEMES.items()}


def _disaggregated() -> dict[str, Build]:
    """Return builders of the programs with y_m = 0 demanded."""

    def altered(builder: Build) -> Build:
        def build(rates: Rates) -> Any:
            model = builder(rates)
            programs.require_disaggregation(model)
            return model

        return build

    return {scheme: altered(builder) for scheme, builder in SCHEMES.items()}


def _disaggregated_size(rates: Rates) -> Any:
    model = programs.fewest_gpus_program(rates)
    programs.require_disaggregation(model)
    return model


CLAIMS = (
    Claim(
        id="FL-pyomo",
        statement="The equality rows of both linear programs are the network at rest, coefficient"
        " by coefficient.",
        latex=r"\text{prefill\_balance}_i,\ \text{decode\_balance}_i\ \equiv\ "
        r"\text{drift}_i=0\ \text{without controls}",
        source="derived here; eqs. P40, P42",
        check=equality_rows_are_the_fluid_at_rest,
        mutants=(
            Mutant(
                "prefill completes twice as fast in the prefill balance",
                lambda: equality_rows_are_the_fluid_at_rest(
                    _with_row(
                        "prefill_balance",
                        lambda m, row, i: (
                            row.body + m.prefill_rate[i] * m.prefill_occupancy[i] == row.upper
                        ),
                    )
                ),
            ),
            Mutant(
                "mixed decodes run at the solo rate in the decode balance",
                lambda: equality_rows_are_the_fluid_at_rest(
                    _with_row(
                        "decode_balance",
                        lambda m, row, i: (
                            row.body
                            + (m.solo_decode_rate[i] - m.mixed_decode_rate[i])
                            * m.mixed_decode_occupancy[i]
                            == 0
                        ),
                    )
                ),
            ),
            Mutant(
                "a row too many",
                lambda: equality_rows_are_the_fluid_at_rest(_disaggregated()),
            ),
            *missing(
                equality_rows_are_the_fluid_at_rest,
                ("A", "B_p", "U_p", "S_p", "B_d", "S_dm", "S_ds"),
            ),
        ),
    ),
    Claim(
        id="FL-capacities",
        statement="The inequality rows of both linear programs are the capacities of the fluid.",
        latex=r"\sum_ix_i\le1,\quad \sum_iy_{m,i}\le(B-1)\sum_ix_i,\quad"
        r" \sum_iy_{s,i}\le B\Big(1-\sum_ix_i\Big)",
        source="derived here; eqs. P12-P14, P33-P35, P40",
        check=capacity_rows_are_the_capacities,
        mutants=(
            Mutant("B slots beside a prefill", lambda: capacity_rows_are_the_capacities(None, 0)),
            *(
                Mutant(
                    f"{name} counts the first class's prefills once more",
                    partial(
                        capacity_rows_are_the_capacities,
                        _with_capacity(name, lambda m: m.prefill_occupancy[0]),
                    ),
                )
                for name in _CAPACITIES
            ),
        ),
    ),
    Claim(
        id="FL-objectives",
        statement="The objectives of the linear programs are what the rewards on the edges earn.",
        latex=r"\text{bundled\_revenue}\equiv\text{(P38)},\qquad"
        r" \text{separate\_revenue}\equiv\text{(P39)}",
        source="derived here; eqs. P38-P40, P42",
        check=objectives_are_the_fluid_revenue,
        mutants=(
            Mutant(
                "schemes exchanged",
                lambda: objectives_are_the_fluid_revenue(
                    {"bundled": SCHEMES["separate"], "separate": SCHEMES["bundled"]}
                ),
            ),
            *missing(objectives_are_the_fluid_revenue, ("S_p", "S_dm", "S_ds")),
        ),
    ),
    Claim(
        id="FL-variants",
        statement="The programs beside (P40) and (P42) change the rows at rest as they say, and"
        " none else.",
        latex=r"\mu_{m,i}y_{m,i}+\mu_{s,i}y_{s,i}\le\mu_{p,i}x_i,\quad"
        r" \mu_{p,i}x_i+s_i=\lambda_i,\quad q_{d,i}=0,\quad y_{m,i}=0",
        source="derived here; eqs. P50, P52, P43, P45",
        check=variants_differ_as_they_say,
        mutants=(
            Mutant(
                "the decode queue stays in (P52)",
                lambda: variants_differ_as_they_say(reduced=SCHEMES["bundled"]),
            ),
            Mutant(
                "every arrival must be served",
                lambda: variants_differ_as_they_say(elastic=SCHEMES["bundled"]),
            ),
        ),
    ),
    Claim(
        id="FL-size",
        statement="The program of the fewest GPUs is (P40) for a cluster of n, and n a variable.",
        latex=r"n\cdot\Big(\sum_ix_i-1\Big)=\sum_iX_i-n,\quad"
        r" n\cdot\Big(\sum_iy_{s,i}-B(1-\sum_ix_i)\Big)=\sum_iY_{s,i}-B\Big(n-\sum_iX_i\Big)",
        source="derived here; eq. P40",
        check=fewest_gpus_is_the_program_times_n,
        mutants=(
            Mutant(
                "one GPU and not n",
                lambda: fewest_gpus_is_the_program_times_n(SCHEMES["bundled"]),
            ),
            Mutant(
                "nobody decodes beside a prefill",
                lambda: fewest_gpus_is_the_program_times_n(_disaggregated_size),
            ),
        ),
    ),
)
