"""Figure 9: revenue and time per output token as the hardware is varied."""

from collections.abc import Iterator

import numpy as np

from gnr.arrays import Floats
from gnr.instance import Instance
from gnr.reproduction import Lines, Quantity, Series
from gnr.sweep_result import Sweep
from gnr.validation.studies.reproduction.base_runs import base
from gnr.validation.studies.reproduction.effort import Effort
from gnr.validation.studies.reproduction.outline import Measured
from gnr.validation.studies.reproduction.parts import SweepPart
from gnr.validation.studies.reproduction.quantities import exactly

SLOTS, ALPHA, BETA, GAMMA = "B", "alpha", "beta", "gamma"

DOUBLED = "B, twice the load"

RANGES = {
    SLOTS: "gpu.batch_slots=2:64",
    ALPHA: "gpu.iteration_time.base=0.015:0.02:41",
    BETA: "gpu.iteration_time.per_chunk_token=2e-5:1e-3:41:log",
    GAMMA: "gpu.iteration_time.decode_only=0.02:0.033:41",
}
"""What is varied; gamma by its reciprocal, the time of a decode-only iteration."""

REVENUE, CAPACITY_TPOT, TOKEN_TPOT = "revenue_rate", "tpot_capacity", "tpot_token_mean"

LABELS = {
    REVENUE: "revenue",
    CAPACITY_TPOT: "time per output token, mean over slots (P47)",
    TOKEN_TPOT: "time per output token, mean over tokens",
}
"""Arrays that are looked at."""

VALUES = "values"

Curves = dict[str, Floats]
"""The arrays over one parameter, its own values, ascending, under `VALUES`."""

PANELS = (
    (SLOTS, "Batch slots", "slots per GPU, B"),
    (ALPHA, "Fixed time of a mixed iteration", "alpha, s"),
    (BETA, "Time of a chunk token", "beta, s"),
    (GAMMA, "Speed of decode-only iterations", "gamma, tokens/s"),
)
"""Parameter, title and label of its axis."""


def parts(effort: Effort) -> dict[str, SweepPart]:
    """Return the sweeps by what is varied, the slots once more under twice the load."""
    found = {name: SweepPart(base(), (text,)) for name, text in RANGES.items()}
    return found | {DOUBLED: SweepPart(twice_the_load(), (RANGES[SLOTS],))}


def twice_the_load() -> Instance:
    """Return the base instance with twice as many arrivals of each class."""
    classes = tuple(
        each.model_copy(update={"arrival_rate": 2 * each.arrival_rate}) for each in base().classes
    )
    return base().model_copy(update={"classes": classes})


def measured(runs: dict[str, Sweep], effort: Effort) -> Measured:
    """Return how far and how steadily each parameter moves revenue, and the curves."""
    found = {name: curves(name, run) for name, run in runs.items()}
    quantities = [
        *_of_slots(found[SLOTS], found[DOUBLED]),
        *_of_beta(found[BETA]),
        *_of_gamma(found[GAMMA]),
        *_of_alpha(found[ALPHA]),
    ]
    at_base = {name: at(found[SLOTS], name, base().gpu.batch_slots) for name in LABELS}
    panels = [_panel(title, x_label, found[name], at_base) for name, title, x_label in PANELS]
    told = [f"{name}: {text}" for name, each in runs.items() for text in each.warnings]
    return Measured(quantities, panels, told)


def curves(name: str, run: Sweep) -> Curves:
    """Return the values of a parameter, ascending, and the arrays over them."""
    found = {VALUES: np.array(run.axes[0].values)} | {each: run.array(each) for each in LABELS}
    if name == GAMMA:
        found[VALUES] = 1 / found[VALUES]
        found = {each: array[::-1] for each, array in found.items()}
    return found


def at(curve: Curves, name: str, value: float) -> float:
    """Return an array where the parameter has one of its values."""
    return float(curve[name][curve[VALUES].tolist().index(value)])


def change(values: Floats) -> float:
    """Return how a curve changes from its first point to its last, % of the first."""
    return float(100 * (values[-1] / values[0] - 1))


def steps(values: Floats) -> Floats:
    """Return the steps between neighbours, % of the largest value."""
    return np.asarray(100 * np.diff(values) / values.max())


def _of_slots(curve: Curves, doubled: Curves) -> Iterator[Quantity]:
    least = float(steps(curve[REVENUE]).min())
    yield exactly("slots_step", "revenue: smallest rise from one more slot", least, "%")
    for slots in (8, 16):
        share = 100 * at(curve, REVENUE, slots) / float(curve[REVENUE][-1])
        yield exactly(
            f"slots_{slots}", f"revenue with {slots} slots, share of that with 64", share, "%"
        )
    share = 100 * at(doubled, REVENUE, 16) / float(doubled[REVENUE][-1])
    words = "twice the load: revenue with 16 slots, share of that with 64"
    yield exactly("slots_16_doubled", words, share, "%")


def _of_beta(curve: Curves) -> Iterator[Quantity]:
    loss = -change(curve[REVENUE])
    yield exactly("beta_loss", "beta from 2e-5 to 1e-3 s: revenue lost", loss, "%")
    most = float(steps(curve[REVENUE]).max())
    yield exactly("beta_step", "revenue as beta grows: largest rise between points", most, "%")


def _of_gamma(curve: Curves) -> Iterator[Quantity]:
    whole = "gamma from 30.3 to 50 tokens/s"
    yield exactly("gamma_gain", f"{whole}: revenue gained", change(curve[REVENUE]), "%")
    least = float(steps(curve[REVENUE]).min())
    yield exactly("gamma_step", "revenue as gamma grows: smallest rise between points", least, "%")
    for short, name in (("tpot", CAPACITY_TPOT), ("token", TOKEN_TPOT)):
        fall = -change(curve[name])
        yield exactly(f"gamma_{short}", f"{whole}: fall of the {LABELS[name]}", fall, "%")
        most = float(steps(curve[name]).max())
        words = f"{LABELS[name]} as gamma grows: largest rise between points"
        yield exactly(f"gamma_{short}_step", words, most, "%")


def _of_alpha(curve: Curves) -> Iterator[Quantity]:
    whole = "alpha from 15 to 20 ms"
    yield exactly("alpha_loss", f"{whole}: revenue lost", -change(curve[REVENUE]), "%")
    rise = change(curve[CAPACITY_TPOT])
    yield exactly("alpha_tpot", f"{whole}: rise of the {LABELS[CAPACITY_TPOT]}", rise, "%")


def _panel(title: str, x_label: str, curve: Curves, at_base: dict[str, float]) -> Lines:
    """Return the curves over one parameter, each relative to the base instance."""
    x = tuple(curve[VALUES].tolist())
    lines = [
        Series(label=label, x=x, y=tuple((100 * curve[name] / at_base[name]).tolist()))
        for name, label in LABELS.items()
    ]
    return Lines(
        title=title,
        x_label=x_label,
        y_label="% of the base instance",
        series=tuple(lines),
        x_log=x[-1] > 10 * x[0],
        y_log=max(max(each.y) for each in lines) > 10 * min(min(each.y) for each in lines),
        marks=False,
    )
