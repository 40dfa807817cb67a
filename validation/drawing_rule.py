"""Instances drawn at random; the rule of THEORY section 12: the ranges of 9.6, kappa >= 1.05."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from gnr.instance import SCHEMA_VERSION, Gpu, Instance, IterationTime, Prices, RequestClass

SLOTS, CHUNK = 16, 256
"""B and C."""
PROMPT_PRICE, OUTPUT_PRICE = 0.1, 0.2
"""Money per token, bundled."""


class Law(Protocol):
    """How one parameter is drawn."""

    def draw(self, rng: np.random.Generator) -> float:
        """Return a value."""


@dataclass(frozen=True)
class Uniform:
    """Every value between two ends, which may be one, as likely."""

    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float:
        """Return a value."""
        return float(rng.uniform(self.low, self.high))


@dataclass(frozen=True)
class LogUniform:
    """Every logarithm between two ends as likely."""

    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float:
        """Return a value."""
        return float(np.exp(rng.uniform(*np.log((self.low, self.high)))))


@dataclass(frozen=True)
class DrawingRule:
    """How instances are drawn; B, C and the prices are those of the base instance.

    Attributes
    ----------
    name
        How names of instances begin.
    words
        The rule in words.
    classes
        Fewest and most classes, each number as likely.
    base, per_chunk_token, solo_speed
        alpha, s, beta, s/token, gamma, tokens/s.
    least_speed_ratio
        kappa below this is drawn again.
    tokens
        P_i and D_i.
    arrivals
        lambda_i, requests/s per GPU.
    patience
        theta_i, 1/s.
    """

    name: str
    words: str
    classes: tuple[int, int]
    base: Law
    per_chunk_token: Law
    solo_speed: Law
    least_speed_ratio: float
    tokens: Law
    arrivals: Law
    patience: Law

    def instance(self, seed: int, number: int) -> Instance:
        """Return instance `number` of a seed; it depends on the rule and these two alone."""
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
        count = int(rng.integers(*self.classes, endpoint=True))
        time = self._iteration_time(rng)
        return Instance(
            schema_version=SCHEMA_VERSION,
            name=f"{self.name}-{seed}-{number}",
            title=f"Random instance {number} of seed {seed}",
            source=f"drawn at random: {self.words}",
            gpu=Gpu(batch_slots=SLOTS, chunk_tokens=CHUNK, iteration_time=time),
            prices=Prices(scheme="bundled", prompt_token=PROMPT_PRICE, output_token=OUTPUT_PRICE),
            classes=tuple(
                RequestClass(
                    name=f"class-{i}",
                    prompt_tokens=self.tokens.draw(rng),
                    output_tokens=self.tokens.draw(rng),
                    arrival_rate=self.arrivals.draw(rng),
                    patience_rate=self.patience.draw(rng),
                )
                for i in range(count)
            ),
        )

    def _iteration_time(self, rng: np.random.Generator) -> IterationTime:
        """Return alpha, beta and 1/gamma with kappa large enough."""
        while True:
            base, speed = self.base.draw(rng), self.solo_speed.draw(rng)
            slope = self.per_chunk_token.draw(rng)
            if speed * (base + slope * CHUNK) >= self.least_speed_ratio:
                return IterationTime(base=base, per_chunk_token=slope, decode_only=1 / speed)


RULE = (
    f"2 to 5 classes; B = {SLOTS}, C = {CHUNK}; uniform: alpha 0.015 to 0.02 s, gamma 20 to 60 "
    "tokens/s, P and D 200 to 3000 tokens, lambda 0.25 to 0.5 requests/s per GPU, theta 0.02 to "
    "0.2 per s; log-uniform: beta 1e-05 to 0.001 s/token; drawn again until kappa >= 1.05; "
    f"prices {PROMPT_PRICE:g} and {OUTPUT_PRICE:g} per token, bundled"
)
"""The rule of THEORY 9.6 and 12 in words."""

SECTION_12 = DrawingRule(
    name="random",
    words=RULE,
    classes=(2, 5),
    base=Uniform(0.015, 0.02),  # 10.1(i)
    per_chunk_token=LogUniform(1e-5, 1e-3),
    solo_speed=Uniform(20.0, 60.0),
    least_speed_ratio=1.05,  # the iteration-time law does not reach below it (eq. D1)
    tokens=Uniform(200.0, 3000.0),
    arrivals=Uniform(0.25, 0.5),
    patience=Uniform(0.02, 0.2),
)
"""The rule of THEORY section 12."""


def drawn_instance(seed: int, number: int) -> Instance:
    """Return instance `number` of a seed by the rule of THEORY section 12."""
    return SECTION_12.instance(seed, number)
