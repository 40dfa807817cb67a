"""What `gnr fit` returns: classes of a request log, an instance, and how far to trust them."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gnr.atomic import complete_file
from gnr.instance import SCHEMA_VERSION, Instance
from gnr.instance_text import to_toml
from gnr.provenance import Provenance

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Band(BaseModel):
    """A 95 % interval."""

    model_config = _FROZEN

    low: float
    high: float


class Banded(BaseModel):
    """A figure with what sampling leaves of it."""

    model_config = _FROZEN

    value: float
    """From the whole log."""
    band: Band | None
    """95 % bootstrap interval; null where the log is too short for one."""


class LogColumn(BaseModel):
    """Which column was taken for a quantity."""

    model_config = _FROZEN

    header: str
    """Its header, or key."""
    unit: str
    """Unit that was used; empty for what is counted."""
    assumed: bool
    """Whether neither the header nor the user names the unit; wall-clock texts need none."""


class LogRead(BaseModel):
    """What was read."""

    model_config = _FROZEN

    file: str
    """Name of the file."""
    sha256: str
    """SHA-256 of the file as it is on the disk."""
    columns: dict[str, LogColumn]
    """Columns by quantity: arrival, prompt, output, cached, hash_ids."""
    where: tuple[str, ...]
    """Conditions that rows had to meet."""
    rows: int
    """Rows of the file."""
    filtered_out: int
    """Rows that do not meet the conditions."""
    without_output: int
    """Rows set aside because they have no output: requests that failed."""
    without_prompt: int
    """Rows set aside because they have output and no prompt."""
    requests: int
    """Rows that were used."""
    span_s: float | None
    """From the first arrival to the last, s; null without times."""
    in_order: bool | None
    """Whether arrivals are in order of time; null without times."""


class ClassNumber(BaseModel):
    """What so many classes explain."""

    model_config = _FROZEN

    classes: int
    """Number of classes, k."""
    explained: float
    """Share of the variance of the log lengths that is between the classes."""


class LengthLaw(BaseModel):
    """Lengths, tokens, and how far they are from the exponential law of the same mean."""

    model_config = _FROZEN

    mean: float
    """Arithmetic mean, tokens."""
    squared_cv: float
    """Squared coefficient of variation; 1 for the exponential."""
    squared_cv_band: Band
    """Its normal 95 % interval, requests taken as independent."""
    ks_distance: float
    """Kolmogorov-Smirnov distance to the exponential, at whole numbers of tokens."""
    ks_by_chance: float
    """Distance that as many exponential lengths exceed once in twenty."""
    kl_divergence: float | None
    """Kullback-Leibler divergence from the exponential, nats: over 50 bins of nearly equal
    probability under it, less the first-order bias; null below 500 requests."""
    quantiles: dict[str, float]
    """p5, p25, p50, p75, p95 and p99, tokens, within 1 %."""


class FittedClass(BaseModel):
    """A class of requests; intervals are of the sampling of this log only."""

    model_config = _FROZEN

    name: str
    """Name: mean prompt and output, as in p1100-d410."""
    requests: int
    """Requests in it."""
    share: Banded
    """Share of all requests."""
    prompt_tokens: Banded
    """Mean prompt length, tokens."""
    output_tokens: Banded
    """Mean output length, tokens."""
    effective_prompt_tokens: Banded | None
    """Mean prompt length less what a prefix cache saves; null where the log does not tell."""
    requests_per_second: Banded | None
    """Rate in all; null where the log has no times and none was given."""
    arrival_rate: Banded
    """Rate in the instance, requests/s per GPU."""
    prompt_law: LengthLaw
    """Lengths of its prompts."""
    output_law: LengthLaw
    """Lengths of its outputs."""
    served: Banded
    """Share of its requests that the best plan serves."""
    admitted_share: float | None
    """In which share of the resamples the best plan serves any of it; null without resamples."""


class Dispersion(BaseModel):
    """Index of dispersion of the counts in windows: variance over mean."""

    model_config = _FROZEN

    window_s: float
    """Length of the windows, s: 1, 10 or 60, or the nearest whole number of time stamps."""
    windows: int
    """Whole windows in the log."""
    index: float
    """Variance over mean of the counts; 1 for Poisson arrivals."""
    poisson_band: Band
    """Where the index of as many Poisson counts is in 95 % of the cases."""


class RatePart(BaseModel):
    """Arrivals in a tenth of the span."""

    model_config = _FROZEN

    start_s: float
    """Its begin, s after the first arrival."""
    requests: int
    """Requests in it."""
    rate: float
    """Requests/s."""
    poisson_band: Band
    """Exact 95 % interval of the rate if arrivals were Poisson."""


class Trend(BaseModel):
    """Straight line through the rates of the blocks."""

    model_config = _FROZEN

    change: float
    """Change of the rate over the span, as a share of its mean."""
    band: Band
    """95 % interval from the scatter of the blocks around the line, bursts included."""
    spread: float
    """Largest less smallest rate of a tenth, as a share of the mean rate."""
    steady_probability: float
    """Probability of tenths so different if the blocks differ by chance only (F test)."""


class Arrivals(BaseModel):
    """How requests came."""

    model_config = _FROZEN

    resolution_s: float
    """How far apart time stamps are at least, s."""
    dispersion: tuple[Dispersion, ...]
    """By window; windows finer than the time stamps, or fewer than ten, are left out."""
    interarrival_cv: float | None
    """Coefficient of variation of the gaps, 1 for Poisson; null where time stamps are too coarse,
    or a log of more than a million requests is out of order."""
    interarrival_poisson_band: Band | None
    """Where that of as many Poisson gaps is in 95 % of the cases."""
    gaps: int
    """Gaps it is taken over: those of the first million requests."""
    parts: tuple[RatePart, ...]
    """Rates by tenths of the span; empty for a log too short."""
    trend: Trend | None
    """Drift of the rate; null for a log too short."""


class PrefixCache(BaseModel):
    """What an infinite prefix cache saves, as the log tells."""

    model_config = _FROZEN

    told_by: Literal["blocks", "column"]
    """Whether the identifiers of blocks were compared, or a column says what was cached."""
    block_tokens: float
    """Tokens of a block."""
    blocks_hit: float | None
    """Share of the blocks of all prompts that were cached; null if the column counts tokens."""
    prompt_tokens: float
    """Mean prompt, tokens."""
    effective_prompt_tokens: float
    """Mean prompt less what was cached, at most all but one token of it, tokens."""
    complete: bool
    """False if there were more blocks than are remembered: later hits may then be missed."""


class FittedPlan(BaseModel):
    """The best plan for the instance; intervals are of the sampling of this log only."""

    model_config = _FROZEN

    hardware_from: str
    """Instance whose GPU and prices were taken."""
    hardware_title: str = ""
    """Its title, which tells GPU and model of a shipped one."""
    capacity: Banded
    """Largest total rate with these shares that can be served in full, requests/s per GPU."""
    load: Banded
    """Total rate over that capacity."""
    gpus: float | None
    """GPUs that the rates were divided by; null where only the load is known."""
    at_load: float
    """Load that `gpus_needed` is for."""
    gpus_needed: Banded | None
    """GPUs at that load; null where the rate in all is not known."""
    prefill_load: float
    """GPUs that would have to prefill to serve everybody, per GPU."""
    decode_load: float
    """Decode capacity needed to serve everybody, over what there is."""
    revenue_rate: Banded
    """Best revenue, money/s per GPU."""
    mixed_share: Banded
    """Share of the GPUs with a prefill."""


class Resampling(BaseModel):
    """Where the intervals come from."""

    model_config = _FROZEN

    blocks: int
    """Blocks of the log that are drawn with replacement."""
    along: Literal["time", "rows"]
    """Whether blocks are equal parts of the time, or of the rows of a log without times."""
    resamples: int
    """Resamples; 0 where the log is too short, and there are no intervals."""
    meaning: str
    """What the intervals say and what they do not."""


class Fit(BaseModel):
    """Classes of requests from a log, the instance made of them, and how far to trust it."""

    model_config = ConfigDict(
        frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True
    )

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    name: str
    """Name of the instance and of the files."""
    log: LogRead
    """What was read."""
    classes: tuple[FittedClass, ...]
    """By number of requests, most first."""
    prompt_law: LengthLaw
    """Prompts of all requests."""
    output_law: LengthLaw
    """Outputs of all requests."""
    class_numbers: tuple[ClassNumber, ...]
    """What more classes would explain."""
    chosen_by: str
    """How the number of classes was chosen."""
    arrivals: Arrivals | None
    """How requests came; null without times."""
    prefix_cache: PrefixCache | None
    """Effective prompts; null where the log does not tell."""
    prefix_caching: bool
    """Whether the instance has the effective prompts."""
    total_rate: Banded | None
    """Requests/s in all; null where the log has no times and none was given."""
    plan: FittedPlan
    """The best plan for the instance."""
    resampling: Resampling
    """Where the intervals come from."""
    instance: Instance
    """The instance file."""
    warnings: tuple[str, ...]
    """What should be known before the numbers are used."""
    provenance: Provenance
    """Where this result comes from."""
    pictured: dict[str, Any] = Field(default={}, exclude=True, repr=False)
    """Arrays for the picture; not in the JSON document."""
    lengths_csv: str | None = Field(default=None, exclude=True, repr=False)
    """The file of lengths by class that ``--lengths`` takes; not in the JSON document."""

    def __repr__(self) -> str:
        """Return one line; `rich.print` shows the whole summary."""
        classes = ", ".join(each.name for each in self.classes)
        return f"Fit({self.name}: {self.log.requests:,} requests, classes {classes})"

    __str__ = __repr__

    def __rich__(self) -> Any:
        """Return the terminal summary."""
        from gnr.fit_summary import summarize_fit

        return summarize_fit(self)

    def to_json(self, indent: int | None = 2) -> str:
        """Return the JSON document, floats at full precision."""
        return self.model_dump_json(indent=indent, by_alias=True)

    def demand_csv(self) -> str | None:
        """Return the demand file: requests/s of each class in all; None where not known."""
        rates = [(each.name, each.requests_per_second) for each in self.classes]
        lines = [f"{name},{rate.value!r}\n" for name, rate in rates if rate is not None]
        return "".join(["class,requests_per_second\n", *lines]) if lines else None

    def write(self, folder: Path) -> list[Path]:
        """Write the JSON document, the instance, lengths and demand files; return their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        texts = {f"{self.name}.fit.json": self.to_json() + "\n"}
        texts[f"{self.name}.toml"] = to_toml(self.instance)
        if self.lengths_csv is not None:
            texts[f"{self.name}.lengths.csv"] = self.lengths_csv
        demand = self.demand_csv()
        if demand is not None:
            texts[f"{self.name}.demand.csv"] = demand
        for name, text in texts.items():
            with complete_file(folder / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
        return [folder / name for name in texts]
