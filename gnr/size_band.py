"""How uncertain inputs make the number of GPUs uncertain, and which of them does most."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True, populate_by_name=True)

WIDEST = 3.0
"""Largest relative uncertainty that is carried: a factor of 4 either way."""

CONFIDENCE = 0.95
"""Probability that an input is said to have of being between its ends, and n of being between its
own."""

Quantity = Literal[
    "demand",
    "prompt_tokens",
    "output_tokens",
    "patience",
    "mixed_time",
    "decode_only",
    "iteration_time",
]

WORDS: dict[Quantity, str] = {
    "demand": "the demand",
    "prompt_tokens": "the mean prompt",
    "output_tokens": "the mean answer",
    "patience": "the patience",
    "mixed_time": "the mixed iteration time",
    "decode_only": "the decode-only iteration time",
    "iteration_time": "both iteration times",
}
"""What can be uncertain, in words."""

UNITS: dict[Quantity, str] = {
    "demand": "requests/s",
    "prompt_tokens": "tokens",
    "output_tokens": "tokens",
    "patience": "s",
    "mixed_time": "s",
    "decode_only": "s",
    "iteration_time": "s",
}

BY_CLASS: tuple[Quantity, ...] = ("demand", "prompt_tokens", "output_tokens", "patience")
"""What each class has its own of."""


class UncertainInput(BaseModel):
    """An input that is known only up to a factor.

    The factor is lognormal with median 1. Without a class, one factor is that of all classes, or of
    both iteration times.
    """

    model_config = _FROZEN

    quantity: Quantity
    """What is uncertain; `mixed_time` is alpha + beta C at any C, `patience` the mean 1/theta."""
    class_name: str | None = Field(default=None, alias="class")
    """Class it is of; null: all."""
    value: float | None = None
    """What is sized for; null where one factor is that of several values."""
    share: float = Field(gt=0, le=WIDEST)
    """With 95 % probability it is between value / (1 + share) and value (1 + share)."""
    source: str
    """Who says so: a file, or an option."""
    warnings: tuple[str, ...] = ()
    """What speaks against taking it from there."""

    @property
    def label(self) -> str:
        """Return its name in options and results: demand, or demand:chat."""
        return self.quantity if self.class_name is None else f"{self.quantity}:{self.class_name}"

    @property
    def in_words(self) -> str:
        """Return its name in words."""
        if self.quantity not in BY_CLASS:
            return WORDS[self.quantity]
        owner = "all classes" if self.class_name is None else self.class_name
        return f"{WORDS[self.quantity]} of {owner}"


class InputEffect(BaseModel):
    """An uncertain input and what it does to n."""

    model_config = _FROZEN

    name: str
    """Its name, as demand:chat."""
    in_words: str
    """The same in words."""
    value: float | None
    """What is sized for; null where one factor is that of several values."""
    low: float
    """Lower end of its 95 % range; as a factor where `value` is null."""
    high: float
    """Upper end of it."""
    unit: str
    """Unit of the three; empty for a factor."""
    source: str
    """Who says so."""
    width_without: float | None
    """GPUs between the ends of n if this input were known exactly and were as sized for, before
    rounding; null if n would still have no upper end."""
    vanishing: float | None
    """Share of the width of n that would vanish. These do not add up: what two inputs do together
    is less, or more, than the sum. Null where n has no upper end, or no width."""
    unkeepable_without: float
    """Probability that no number of GPUs would keep the promises then."""


class SizeBand(BaseModel):
    """The range of n that uncertain inputs leave."""

    model_config = _FROZEN

    gpus: int
    """n for the inputs as they stand."""
    low: int | None
    """2.5 % point of n, rounded down; null if no number of GPUs keeps the promises even there."""
    high: int | None
    """97.5 % point of n, rounded up; null if no number of GPUs keeps the promises there."""
    width: float | None
    """GPUs between both before rounding; null without an upper end."""
    unkeepable: float
    """Probability that no number of GPUs keeps the promises: a single request takes too long."""
    analytic: int
    """n by square-root staffing for the inputs as they stand; the range is n times how much this
    changes."""
    surface_error: float
    """Relative standard error of n from reading it off a surface instead of staffing every draw."""
    inputs: tuple[InputEffect, ...]
    """What is uncertain; what widens the range most comes first."""
    draws: int
    """Draws of the inputs."""
    seed: int
    """Seed of them."""
    meaning: str
    """What the range says and what it does not."""
    warnings: tuple[str, ...]
    """What speaks against it."""

    @property
    def first(self) -> InputEffect | None:
        """Return the input that would shrink the range most; None if none would."""
        effect = next(iter(self.inputs), None)
        return effect if effect is not None and self._shrinks(effect) else None

    @property
    def in_words(self) -> str:
        """Return number, range and what would shrink it most, as sentences."""
        return f"{self._range_in_words} {self._first_in_words}"

    def _shrinks(self, effect: InputEffect) -> bool:
        if self.width is None or effect.width_without is None:
            return effect.unkeepable_without < self.unkeepable
        return effect.width_without < self.width

    @property
    def _range_in_words(self) -> str:
        if self.high is not None:
            return (
                f"{self.gpus:,} GPUs; with uncertain inputs {self.low:,} to {self.high:,}, with "
                f"{CONFIDENCE:.0%} probability."
            )
        more = "" if self.low is None else f" {self.low:,} or more, and"
        return (
            f"{self.gpus:,} GPUs; with uncertain inputs{more} with probability "
            f"{self.unkeepable:.1%} no number of them keeps the promises."
        )

    @property
    def _first_in_words(self) -> str:
        first = self.first
        if first is None:
            return "No single input would make the range smaller."
        known = f"Knowing {first.in_words} exactly would"
        if first.vanishing is None:
            return f"{known} help most: it leaves a probability of {first.unkeepable_without:.1%}."
        return f"{known} shrink the range most, by {first.vanishing:.0%}."
