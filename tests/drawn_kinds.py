"""Random instances of each kind that recommendations tell apart (`gnr.models.situation`)."""

from collections.abc import Callable, Mapping

import numpy as np

import gnr
from gnr.instance import SCHEMA_VERSION, Gpu, Instance, IterationTime, Prices, RequestClass, Sli
from gnr.models.point import Point
from gnr.models.promises import promises_of
from gnr.models.situation import kind_of
from gnr.plan import Occupancy
from gnr.rates import rates_of
from gnr.recommendation import Kind
from gnr.result import Solution

RULE = (
    "2 to 8 classes; B of 8, 16, 32, 64; C of 256, 512, 1024, 2048; uniform: alpha 0.015 to "
    "0.02 s, gamma 20 to 60 tokens/s, theta 0.02 to 0.2 per s, output price 1 to 5 prompt "
    "prices of 0.1 per token, shares of the arrivals 0.25 to 0.5 before they are scaled; log-"
    "uniform: beta 1e-05 to 0.001 s/token, P 100 to 6000 and D 50 to 3000 tokens, load 1.02 to "
    "3 (`light` uniform, 0.3 to 0.98, every other one priced separately); drawn again until "
    "1.05 <= kappa <= 8 and the kind is right (`slow_solo`: kappa uniform, 0.25 to 0.97 of "
    "(B-1)/B; `separate_decode`: c_p C 0.1 to 0.9 of c_d (kappa B - (B-1))); promises leave a "
    "uniform 0.4 to 0.9 of what the indicator of the plan without them is above the least"
)
"""How instances are drawn."""

MOST_TRIES = 2000
SEPARATE = ("separate_prefill", "separate_decode")
PROMISES: Mapping[Kind, tuple[str, ...]] = {
    "mean_tpot": ("mean_tpot",),
    "token_tpot": ("token_tpot",),
    "other_promises": (
        "mean_ttft", "mean_end_to_end", "prefill_fairness", "decode_fairness",
        "abandonment_fraction",
    ),
}  # fmt: skip
"""What is promised: one of these, by the number of the instance."""

ABOVE_SOLO = ("mean_tpot", "token_tpot")
"""Indicators that cannot be below the solo iteration time; the others can come to 0."""


def drawn_of_kind(
    kind: Kind, seed: int, number: int, fits: Callable[[Instance], bool] = lambda instance: True
) -> Solution:
    """Return instance `number` of a kind and seed, solved; drawn again until it `fits`."""
    key = (number, *kind.encode())
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
    for _ in range(MOST_TRIES):
        instance = _instance(rng, kind, number, f"{kind.replace('_', '-')}-{seed}-{number}")
        if kind in PROMISES:
            kinds = PROMISES[kind]
            promised = _promising(rng, instance, kinds[number % len(kinds)])
            if promised is None:
                continue
            instance = promised
        solution = gnr.solve(instance)
        if solution.status == "optimal" and kind_of(solution) == kind and fits(instance):
            return solution
    raise ValueError(f"no instance of kind {kind} in {MOST_TRIES} tries")


def point_of(solution: Solution) -> Point:
    """Return the optimum as a point of the program."""
    fields = Occupancy.model_fields
    return Point(*(np.array([getattr(each, f) for each in solution.classes]) for f in fields))


def _instance(rng: np.random.Generator, kind: Kind, number: int, name: str) -> Instance:
    slots, chunk = int(rng.choice((8, 16, 32, 64))), int(rng.choice((256, 512, 1024, 2048)))
    base, slope, speed = _iteration_times(rng, chunk, slots, kind)
    count = int(rng.integers(2, 8, endpoint=True))
    raw = Instance(
        schema_version=SCHEMA_VERSION,
        name=name,
        title=f"Random instance of kind {kind}",
        source="drawn at random by the tests",
        gpu=Gpu(
            batch_slots=slots,
            chunk_tokens=chunk,
            iteration_time=IterationTime(base=base, per_chunk_token=slope, decode_only=1 / speed),
        ),
        prices=Prices(
            scheme="separate" if _separate(kind, number) else "bundled",
            prompt_token=0.1,
            output_token=0.1 * float(rng.uniform(1, 5)),
        ),
        classes=tuple(
            RequestClass(
                name=f"class-{i}",
                prompt_tokens=_log_uniform(rng, 100, 6000),
                output_tokens=_log_uniform(rng, 50, 3000),
                arrival_rate=float(rng.uniform(0.25, 0.5)),
                patience_rate=float(rng.uniform(0.02, 0.2)),
            )
            for i in range(count)
        ),
    )
    return _loaded(_priced(raw, kind, float(rng.uniform(0.1, 0.9))), _load(rng, kind))


def _separate(kind: Kind, number: int) -> bool:
    return kind in SEPARATE or (kind == "light" and number % 2 == 1)


def _iteration_times(
    rng: np.random.Generator, chunk: int, slots: int, kind: Kind
) -> tuple[float, float, float]:
    """Return alpha, s, beta, s/token, and gamma, tokens/s."""
    while True:
        base, speed = float(rng.uniform(0.015, 0.02)), float(rng.uniform(20, 60))
        slope = _log_uniform(rng, 1e-5, 1e-3)
        mixed = base + slope * chunk
        if kind == "slow_solo":
            return base, slope, float(rng.uniform(0.25, 0.97)) * (slots - 1) / slots / mixed
        if 1.05 <= speed * mixed <= 8:
            return base, slope, speed


def _priced(instance: Instance, kind: Kind, share: float) -> Instance:
    """Return the instance; of kind `separate_decode` with cheaper prompts."""
    if kind != "separate_decode":
        return instance
    rates = rates_of(instance)
    price = share * rates.output_price * rates.mixing_cost / rates.chunk_tokens
    prices = instance.prices.model_copy(update={"prompt_token": float(price)})
    return instance.model_copy(update={"prices": prices})


def _load(rng: np.random.Generator, kind: Kind) -> float:
    if kind == "light":
        return float(rng.uniform(0.3, 0.98))
    return _log_uniform(rng, 1.02, 3)


def _loaded(instance: Instance, load: float) -> Instance:
    """Return the instance with arrivals scaled to a load."""
    rates = rates_of(instance)
    factor = load / float(max(rates.prefill_load, rates.decode_load))
    classes = tuple(
        each.model_copy(update={"arrival_rate": factor * each.arrival_rate})
        for each in instance.classes
    )
    return instance.model_copy(update={"classes": classes})


def _promising(rng: np.random.Generator, instance: Instance, kind: str) -> Instance | None:
    """Return the instance with a promise that its plan breaks; None if there is none."""
    share = float(rng.uniform(0.4, 0.9))
    named = instance.model_copy(update={"slis": (Sli(kind=kind, at_most=1.0),)})
    (promise,) = promises_of(named, rates_of(named))
    planned = promise.value(point_of(gnr.solve(instance)))
    least = float(rates_of(instance).solo_time) if kind in ABOVE_SOLO else 0.0
    bound = least + share * (planned - least)
    if not planned - bound > 1e-6 * planned:
        return None
    return instance.model_copy(update={"slis": (Sli(kind=kind, at_most=bound),)})


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))
