"""What `gnr calibrate` returns: the line of (P3), how far to trust it, and the law by batch."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from gnr.atomic import complete_file
from gnr.batch_law import BatchLaw
from gnr.instance import SCHEMA_VERSION, IterationTime
from gnr.provenance import Provenance

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True)

Ends = tuple[float, float]
"""Both ends of a range, included."""


class Measured(BaseModel):
    """A number with the half-width of its 95 % interval."""

    model_config = _FROZEN

    value: float
    half_width: float | None
    """Null where there are too few measurements to tell."""


class ReadColumn(BaseModel):
    """A column of the table and what it was taken for."""

    model_config = _FROZEN

    file: str
    """The file."""
    quantity: str
    """What it holds."""
    header: str
    """Its header."""
    unit: str
    """Its unit; empty for counts."""
    assumed: bool
    """Whether the unit was assumed, since neither header nor options name one."""


class FittedLine(BaseModel):
    """alpha + beta C over a range of chunk sizes (eq. P3)."""

    model_config = _FROZEN

    base: Measured
    """alpha, s."""
    per_chunk_token: Measured
    """beta, s/token."""
    chunk_tokens: Ends
    """Range of chunk sizes it is fitted to."""
    points: int
    """Chunk sizes in it."""
    max_error: float
    """Largest relative error."""
    max_error_at: float
    """Chunk size it is at, tokens."""
    r_squared: float | None
    """Share of the variance explained: near 1 for lines that are far off at short chunks; null
    where the times do not vary."""


class CurvePoint(BaseModel):
    """The mixed iteration time at one chunk size."""

    model_config = _FROZEN

    chunk_tokens: float
    seconds: float
    """Median of the measured times, moved to the batch of the line where necessary."""
    error: float
    """Line over this, less 1."""
    outlier: bool
    """Whether it was set aside."""


class LawErrors(BaseModel):
    """How far the law is from the measured times, relative."""

    model_config = _FROZEN

    rows: int
    """Rows it is fitted to."""
    mean: float
    """Mean absolute relative error."""
    p95: float
    """Error that 95 % of the rows stay below."""
    max: float
    """Largest."""
    outliers: int
    """Rows that were set aside."""


class OperatingPoint(BaseModel):
    """A batch at which plan and law agree, and the line there."""

    model_config = _FROZEN

    iteration_time: IterationTime
    """The line that touches the law there, as in an instance file."""
    mixed_time: float
    """tau, s."""
    speed_ratio: float
    """kappa."""
    mixed_decodes: float
    """Decodes of a GPU with a prefill."""
    mixed_context_tokens: float
    """Tokens of context that these read in an iteration."""
    solo_decodes: float
    """Decodes of a GPU without one."""
    solo_context_tokens: float
    """Tokens of context that these read in an iteration."""
    prefix_tokens: float
    """Prompt tokens before the chunk, on average."""
    mixed_gpus: float
    """Fraction of GPUs that prefill."""
    revenue_rate: float
    """Best revenue there, money/s per GPU."""
    started_from: str
    """From where it was reached first."""
    steps: int
    """Programs solved on the way."""
    change: float
    """Relative change of the iteration times in one more step."""
    settled: bool
    """False if the iteration did not come to rest: plan and law do not quite agree there."""


class Calibration(BaseModel):
    """Iteration times of a GPU: the line for the programs, the law for simulation."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    files: dict[str, str]
    """SHA-256 of each file read."""
    columns: tuple[ReadColumn, ...]
    """What was read from where."""
    rows: int
    """Rows read."""
    repeated: int
    """Rows that repeat a batch: the median is used."""
    scatter: float
    """Median relative distance of repetitions from the median of their batch."""
    unread: tuple[str, ...]
    """Columns of the files that were not used."""
    median_seconds: float
    """Median iteration time of the rows, s: what the units imply."""
    overhead: float
    """Time per iteration that was added to all rows, s."""
    decodes: float
    """Decodes at which the line is fitted."""
    context_tokens: float
    """Context of each of them, tokens."""
    prefix_tokens: float
    """Prompt tokens before the chunk."""
    moved: int
    """Chunk sizes with a time measured at a batch nearby and moved here by the law."""
    line: FittedLine
    """The line for an instance."""
    decode_only: Measured
    """tau_solo at the same batch, s."""
    good_range: Ends | None
    """Widest range of chunk sizes with a line within the tolerance; null if there is none."""
    tolerance: float
    """The largest relative error asked for."""
    ordinary_line: FittedLine
    """The least-squares line over all chunk sizes measured, for comparison: see its R^2."""
    curve: tuple[CurvePoint, ...]
    """The measured times by chunk at this batch."""
    law: BatchLaw
    """The law by batch, for simulation."""
    law_errors: LawErrors
    """How well it fits."""
    undetermined: tuple[str, ...]
    """Terms of the law that these measurements cannot tell from others; they are 0."""
    measured: dict[str, Ends]
    """Smallest and largest chunk, number of decodes, context and prefix measured."""
    instance: str | None
    """Instance whose operating points were sought; null if none was named."""
    operating_points: tuple[OperatingPoint, ...]
    """Batches at which its plan and the law agree, the fastest first."""
    warnings: tuple[str, ...]
    """How far not to trust this."""
    provenance: Provenance
    """Where this result comes from."""

    @property
    def iteration_time(self) -> IterationTime:
        """Return what an instance file takes: of the slowest operating point, else the line."""
        if self.operating_points:
            return self.operating_points[-1].iteration_time
        return IterationTime(
            base=self.line.base.value,
            per_chunk_token=self.line.per_chunk_token.value,
            decode_only=self.decode_only.value,
        )

    def __rich__(self) -> Any:
        """Return the terminal summary."""
        from gnr.calibration_summary import summarize_calibration

        return summarize_calibration(self)

    def to_json(self, indent: int | None = 2) -> str:
        """Return the JSON document, floats at full precision."""
        return self.model_dump_json(indent=indent, by_alias=True)

    def write(self, folder: Path, stem: str) -> Path:
        """Write the JSON document as ``folder/stem.calibration.json`` and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{stem}.calibration.json"
        with complete_file(path) as temporary:
            temporary.write_text(self.to_json() + "\n", encoding="utf-8")
        return path
