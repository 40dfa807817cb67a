"""What `gnr replay` returns: what a policy would have made of a real log, request by request."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from gnr.atomic import complete_file
from gnr.batch_law import BatchLaw
from gnr.instance import SCHEMA_VERSION
from gnr.provenance import Provenance

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Repeated(BaseModel):
    """A number over replays with other draws of patience and of GPUs.

    The half-width of its 95 % t interval tells what these draws do, and nothing of other days;
    null with one replay.
    """

    model_config = _FROZEN

    mean: float
    half_width: float | None


class Times(BaseModel):
    """A time over requests, s: its mean and exact quantiles."""

    model_config = _FROZEN

    mean: Repeated
    p50: Repeated
    p95: Repeated
    p99: Repeated


class Latencies(BaseModel):
    """How long requests took; null where none came that far in every replay."""

    model_config = _FROZEN

    ttft: Times | None
    """From arrival to the first token, of the requests that got it."""
    tpot: Times | None
    """From the first to the last token, by output token after the first, of finished requests with
    two or more."""
    end_to_end: Times | None
    """From arrival to the last token, of finished requests."""


class Fates(BaseModel):
    """What became of requests, as shares of those that came."""

    model_config = _FROZEN

    finished: Repeated
    left_before_prefill: Repeated
    left_before_decode: Repeated
    refused: Repeated
    """Larger than the KV memory of a GPU."""


class ReplayedClass(BaseModel):
    """One class of the instance in a replay."""

    model_config = _FROZEN

    name: str
    """Name of the class."""
    fates: Fates
    """What became of its requests."""
    latency: Latencies
    """How long they took."""


class Course(BaseModel):
    """A replay over time, by interval; lists of one length. Of the first replay."""

    model_config = _FROZEN

    start_s: list[float]
    """Beginning of each interval, s."""
    end_s: list[float]
    """Its end, s."""
    arrivals: list[float]
    """Requests that came, 1/s."""
    finished: list[float]
    """Requests that finished, 1/s."""
    waiting_prefill: list[float]
    """Requests waiting for prefill, on average."""
    prefilling: list[float]
    """Requests in prefill, on average."""
    waiting_decode: list[float]
    """Requests waiting for a decode slot, on average."""
    decoding: list[float]
    """Requests that decode, on average."""
    busy_gpus: list[float]
    """Share of the GPUs with work."""
    kv_tokens: list[float]
    """KV tokens reserved, per GPU."""
    ttft_p95_s: list[float | None]
    """95 % quantile of the time to first token of the requests that came in it, s; null if none."""


class ReplayedPolicy(BaseModel):
    """What one policy made of the log."""

    model_config = _FROZEN

    policy: str
    """Name of the policy."""
    replanned_every_s: float | None
    """Time between two plans, s; null for one plan made for the averages of the log."""
    mixed_gpus: int | None
    """M, GPUs that may prefill by the plan it begins with; null where every GPU may."""
    plans: float
    """Plans that were made, on average over the replays."""
    revenue_rate: Repeated
    """Revenue, money/s per GPU, over the time in which requests came."""
    share_of_optimum: Repeated
    """The same over the optimum of the linear program at the averages of the log."""
    behind_best: Repeated | None
    """Revenue rate of the best policy of this document less this one's, replay by replay; null for
    the best itself. The intervals are corrected (Bonferroni, over all pairs), since the best is
    chosen by the same replays: the chance that any of them is wrong is at most 5 %."""
    fates: Fates
    """What became of the requests."""
    latency: Latencies
    """How long they took."""
    classes: tuple[ReplayedClass, ...]
    """The same by class, in file order."""
    makespan_s: Repeated
    """From the first arrival until every request has ended, s."""
    iterations: Repeated
    """Iterations of all GPUs."""
    mixed_iterations: Repeated
    """Share of them with a chunk."""
    mean_iteration_s: Repeated
    """Mean time of an iteration, s."""
    kv_transfers: Repeated
    """Share of the decodes that ran on another GPU than their prefill."""
    held_up_requests: Repeated
    """Requests whose prefill was held up for KV memory alone."""
    held_up_time_s: Repeated
    """Time during which the head of some line was, s."""
    most_kv_tokens: Repeated
    """Most KV tokens reserved on any GPU."""
    course: Course
    """The first replay over time."""


class Replay(BaseModel):
    """A request log replayed on n GPUs under one policy or several."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    trace: str
    """Name of the log."""
    trace_sha256: str
    """SHA-256 of its file."""
    requests: int
    """Requests replayed."""
    span_s: float
    """From the first to the last arrival as replayed, s."""
    speed: float
    """How much faster than in the log requests came."""
    instance: str
    """Name of the instance."""
    gpus: int
    """n."""
    planned_for: Literal["trace", "instance"]
    """Whose rates and lengths the plans are made for."""
    accounting: Literal["bundled", "separate"]
    """How revenue is counted, from the lengths of each request."""
    lp_revenue_rate: float
    """Optimum without promises at the averages of the log, money/s per GPU."""
    load: float
    """Arrivals as a share of the most that the linear program serves in full."""
    law: BatchLaw
    """The law of the iteration time."""
    law_source: str
    """Where it comes from."""
    kv_tokens: float | None
    """KV memory of a GPU, tokens; null: no limit."""
    interval_s: float
    """Between two points of the courses, s."""
    replications: int
    """Replays of each policy."""
    seed: int
    """Seed of the random numbers."""
    policies: tuple[ReplayedPolicy, ...]
    """In the order asked for."""
    complete: bool
    """False if it was interrupted: policies are then missing."""
    warnings: tuple[str, ...]
    """What should be known before the numbers are used."""
    provenance: Provenance
    """Where this result comes from."""
    samples: dict[str, Any] = Field(default={}, exclude=True, repr=False)
    """The requests of the first replay of each policy, arrays; not in the JSON document."""

    def __rich__(self) -> Any:
        """Return the terminal summary."""
        from gnr.replay_summary import summarize_replay

        return summarize_replay(self)

    def to_json(self, indent: int | None = 2) -> str:
        """Return the JSON document, floats at full precision."""
        return self.model_dump_json(indent=indent, by_alias=True)

    @property
    def stem(self) -> str:
        """Return what its files are called."""
        return f"{self.instance}.{self.gpus}-gpus.replay"

    def write(self, folder: Path) -> Path:
        """Write the JSON document into `folder` and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.stem}.json"
        with complete_file(path) as temporary:
            temporary.write_text(self.to_json() + "\n", encoding="utf-8")
        return path
