"""Figures computed from open data, kept in ``open_data.json`` (sources and licences: NOTICE).

`gnr.measure.open_data` makes them anew from the files.
"""

from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict

from gnr.reproduction import Quantity
from gnr.validation.studies.reproduction.quantities import quantity

FILE = "open_data.json"

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True, extra="forbid")


class Estimate(BaseModel):
    """A figure of a trace with its interval."""

    model_config = _FROZEN

    value: float
    low: float
    high: float

    def quantity(self, name: str, words: str, unit: str = "", scale: float = 1.0) -> Quantity:
        """Return it, times `scale`, as a quantity of an experiment."""
        value, low, high = (scale * each for each in (self.value, self.low, self.high))
        return quantity(name, words, (low, value, high), unit)


class Source(BaseModel):
    """Where figures come from."""

    model_config = _FROZEN

    file: str
    """In the folder of measurements."""
    sha256: str
    """Of that file."""
    origin: str
    """Where it was published."""
    licence: str
    """Under which."""


class ChunkLine(BaseModel):
    """A straight line through iteration times."""

    model_config = _FROZEN

    base: float
    """alpha, s."""
    per_chunk_token: float
    """beta, s/token."""
    r_squared: float
    """Share of the variance that it explains."""
    max_error: float
    """Largest relative error, a fraction."""


class IterationCurve(BaseModel):
    """Iteration times by chunk beside one decode batch."""

    model_config = _FROZEN

    model: str
    """What runs, and on how many GPUs."""
    timings: str
    """Whose kernel timings."""
    source: Source
    decodes: int
    """Requests that decode."""
    context_tokens: int
    """Context of each of them, tokens."""
    chunk_tokens: tuple[float, ...]
    """Chunks, rising."""
    seconds: tuple[float, ...]
    """Iteration times, s."""
    line: ChunkLine
    """Least squares over all chunks, as in the paper."""
    planning_line: ChunkLine
    """Least relative squares from the chunk of the base instance on."""

    @property
    def label(self) -> str:
        """Return both."""
        return f"{self.model}, {self.timings}"


class PromptThird(BaseModel):
    """A third of the requests, by prompt."""

    model_config = _FROZEN

    longest_prompt: float
    """Longest prompt in it, tokens."""
    requests: int
    """Number of requests."""
    divergence: Estimate
    """From the law of its outputs to the exponential of the same mean, nats."""


class TraceFigures(BaseModel):
    """A request log in figures."""

    model_config = _FROZEN

    label: str
    """Its name."""
    source: Source
    requests: int
    """Requests with output."""
    prompt_mean: Estimate
    """Mean prompt, tokens."""
    output_mean: Estimate
    """Mean output, tokens."""
    output_over_prompt: Estimate
    """Ratio of these means."""
    output_longer: Estimate
    """Share of requests whose output is longer than their prompt."""
    divergence: Estimate
    """From the law of the outputs to the exponential of the same mean, nats."""
    coarse_divergence: Estimate
    """The same over ten bins, not fifty."""
    ks_distance: Estimate
    """Largest distance between their distribution functions."""
    squared_cv: Estimate
    """Variance of the outputs over their squared mean; 1 if exponential."""
    beyond_three_means: Estimate
    """Share of outputs above three means; 0.0498 if exponential."""
    thirds: tuple[PromptThird, PromptThird, PromptThird]
    """Requests with short, middle and long prompts."""
    cell_prompts: tuple[float, ...]
    """Median prompts of cells of a hundredth of the requests each, tokens."""
    cell_outputs: tuple[float, ...]
    """Median outputs of the same cells."""
    longer_than: tuple[float, ...]
    """Output lengths, tokens, rising."""
    shares: tuple[float, ...]
    """Share of outputs longer than each."""


class OpenData(BaseModel):
    """All figures."""

    model_config = _FROZEN

    confidence: float
    """Of the intervals."""
    resamples: int
    """Draws behind each."""
    block_requests: int
    """Consecutive requests that are drawn together."""
    seed: int
    """Of the draws."""
    curves: dict[str, IterationCurve]
    """Iteration times, by name."""
    traces: dict[str, TraceFigures]
    """Request logs, by name."""


@cache
def open_data() -> OpenData:
    """Return the kept figures."""
    file = resources.files("gnr.validation.studies.reproduction") / FILE
    return OpenData.model_validate_json(file.read_text(encoding="utf-8"))
