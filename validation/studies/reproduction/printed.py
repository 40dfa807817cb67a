"""What the paper prints of its own measurements: section 6.1, Table 1 and Table 2."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PrintedFit:
    """The calibration of one model (9.1).

    Attributes
    ----------
    model
        Its name.
    base, per_chunk_token
        alpha, s, and beta, s/token.
    r_squared
        Of the line.
    speed
        gamma, tokens/s of one stream that decodes only.
    """

    model: str
    base: float
    per_chunk_token: float
    r_squared: float
    speed: float


FITS = {
    "8b": PrintedFit("Qwen-8B", 0.0174, 6.2e-5, 0.998, 45.45),
    "4b": PrintedFit("Qwen-4B", 0.0152, 3.6e-5, 0.997, 52.63),
}

CHUNK = 256
"""C of the base instance, tokens (9.2)."""

Words = Literal["good fit", "deviates in the middle", "heavier upper tail"]


@dataclass(frozen=True)
class Category:
    """One kind of instruction in Dolly-15k (9.10, 9.11).

    Attributes
    ----------
    label
        Its name.
    prompt, output
        Mean lengths, labelled tokens.
    samples
        Their number.
    divergence
        From the empirical law of the output lengths to the fitted exponential, nats.
    words
        What the text says of that fit.
    """

    label: str
    prompt: int
    output: int
    samples: int
    divergence: float
    words: Words

    @property
    def ratio(self) -> float:
        """Return mean output over mean input."""
        return self.output / self.prompt

    @property
    def called_good(self) -> bool:
        """Tell whether the text calls the exponential a good fit."""
        return self.words == "good fit"


CATEGORIES = {
    "brainstorming": Category("Brainstorming", 61, 331, 1764, 0.0652, "good fit"),
    "classification": Category("Classification", 123, 142, 2136, 0.1491, "good fit"),
    "closed_qa": Category("Closed QA", 992, 182, 1738, 0.1245, "good fit"),
    "creative": Category("Creative writing", 89, 915, 699, 0.1595, "heavier upper tail"),
    "general_qa": Category("General QA", 69, 572, 2187, 0.1309, "deviates in the middle"),
    "extraction": Category("Information extraction", 1139, 273, 1462, 0.2631, "good fit"),
    "open_qa": Category("Open QA", 45, 293, 3739, 0.0584, "good fit"),
    "summarization": Category("Summarization", 1177, 436, 1150, 0.1255, "good fit"),
}

TOTAL = 14875
"""Samples in all, as the text has it."""
