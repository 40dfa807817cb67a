"""The instance: one cluster profile with its workload and prices, as the file states it.

The models below *are* the file format (``schema_version = 1``): field names are the keys,
docstrings and units are the documentation, and the JSON Schema is exported from them.
Relations between fields are checked in `gnr.checks`, so that a bad file is told all of its
faults at once.
"""

import hashlib
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

SCHEMA_VERSION = 1


def unit(text: str, example: str) -> dict[str, Any]:
    """Return the metadata of a field: its unit and a value that would be accepted."""
    return {"unit": text, "example": example}


def _as_tuple(value: object) -> object:
    """Let a TOML array stand where a tuple is asked; strict mode would refuse it."""
    return tuple(value) if isinstance(value, list) else value


class _Part(BaseModel):
    """Settings shared by every table of the file."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )


class IterationTime(_Part):
    """Linear law of the iteration time, eqs. P1-P3: a mixed iteration takes alpha + beta C."""

    base: float = Field(json_schema_extra=unit("s", "0.0174"))
    """alpha: mixed iteration time extrapolated to an empty chunk."""
    per_chunk_token: float = Field(json_schema_extra=unit("s/token", "6.2e-5"))
    """beta: added mixed iteration time per prompt token of the chunk."""
    decode_only: float = Field(gt=0, json_schema_extra=unit("s", "0.022"))
    """tau_solo = 1/gamma: iteration time of a GPU that only decodes."""


class GpuCost(_Part):
    """What a GPU costs; for sizing, and without any effect on a plan."""

    per_hour: float = Field(gt=0, json_schema_extra=unit("money/h per GPU", "2.5"))
    """Money per hour of one physical GPU."""


class Gpu(_Part):
    """One GPU of the homogeneous cluster, or one replica of several that serve as one."""

    batch_slots: int = Field(ge=2, json_schema_extra=unit("slots", "16"))
    """B: requests a GPU can hold, the one in prefill included."""
    chunk_tokens: int = Field(ge=1, json_schema_extra=unit("tokens per iteration", "256"))
    """C: prompt tokens processed in one mixed iteration."""
    iteration_time: IterationTime
    # Neither changes a plan. Both are left out of what is written and hashed unless they say
    # something, so that a file without them keeps its digest, and with it its seeds.
    replica_gpus: int = Field(
        default=1, ge=1, json_schema_extra=unit("GPUs", "8"), exclude_if=lambda gpus: gpus == 1
    )
    """Physical GPUs behind what this file calls a GPU, counted where it is sized."""
    cost: GpuCost | None = Field(default=None, exclude_if=lambda cost: cost is None)


class Prices(_Part):
    """Token prices and how they are billed (eqs. P21-P23)."""

    scheme: Literal["bundled", "separate"] = Field(json_schema_extra=unit("", '"bundled"'))
    """`bundled`: all is earned when a request finishes; `separate`: each phase at its end."""
    prompt_token: float = Field(ge=0, json_schema_extra=unit("money/token", "0.1"))
    """c_p: price of a prompt token."""
    output_token: float = Field(ge=0, json_schema_extra=unit("money/token", "0.2"))
    """c_d: price of an output token."""


class RequestClass(_Part):
    """A class of requests that are alike in length and patience."""

    name: str = Field(min_length=1, json_schema_extra=unit("", '"chat"'))
    """Name of the class, unique in the file."""
    prompt_tokens: float = Field(ge=1, json_schema_extra=unit("tokens", "300"))
    """P_i: mean prompt length."""
    output_tokens: float = Field(ge=1, json_schema_extra=unit("tokens", "1000"))
    """D_i: mean output length."""
    arrival_rate: float = Field(gt=0, json_schema_extra=unit("requests/s per GPU", "0.5"))
    """lambda_i: arrivals per second and per GPU."""
    patience_rate: float = Field(ge=0, json_schema_extra=unit("1/s while waiting", "0.1"))
    """theta_i: rate at which a waiting request leaves; 0 means that it never does."""


class Sli(_Part):
    """A service level indicator: a promise (hard) or a penalty (soft)."""

    kind: str = Field(json_schema_extra=unit("", '"mean_tpot"'))
    """What is measured: a key of `gnr.slis.INDICATORS`."""
    at_most: float | None = Field(default=None, json_schema_extra=unit("that of the SLI", "0.15"))
    """Upper bound on the indicator (hard)."""
    at_least: float | None = Field(default=None, json_schema_extra=unit("that of the SLI", "0.15"))
    """Lower bound on the indicator (hard)."""
    penalty_weight: float | None = Field(
        default=None, gt=0, json_schema_extra=unit("money/s per unit of the SLI", "10.0")
    )
    """Weight of the penalty subtracted from revenue (soft)."""
    class_name: str | None = Field(
        default=None, alias="class", json_schema_extra=unit("", '"decode-heavy"')
    )
    """Class the indicator is about; absent: the whole cluster."""
    name: str | None = Field(
        default=None, min_length=1, json_schema_extra=unit("", '"fair-prefill"')
    )
    """Key in results; by default the kind, or kind:class."""

    @property
    def label(self) -> str:
        """Return the key of this indicator in results."""
        if self.name is not None:
            return self.name
        return self.kind if self.class_name is None else f"{self.kind}:{self.class_name}"


class Instance(_Part):
    """A cluster profile, its request classes and its prices: the content of one file."""

    schema_version: int = Field(
        ge=SCHEMA_VERSION, le=SCHEMA_VERSION, json_schema_extra=unit("", "1")
    )
    """Version of this format."""
    name: str = Field(
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", json_schema_extra=unit("", '"two-class"')
    )
    """Slug of the instance: lower-case letters, digits and single hyphens."""
    title: str = Field(json_schema_extra=unit("", '"Chat and summaries on one A100"'))
    """One line that says what this is."""
    source: str = Field(json_schema_extra=unit("", '"measured on 2026-11-01"'))
    """Where the numbers come from."""
    notes: str = Field(default="", json_schema_extra=unit("", '""'))
    """Anything else worth knowing."""
    gpu: Gpu
    prices: Prices
    classes: Annotated[tuple[RequestClass, ...], BeforeValidator(_as_tuple)] = Field(min_length=1)
    slis: Annotated[tuple[Sli, ...], BeforeValidator(_as_tuple)] = ()

    def sha256(self) -> str:
        """Return the SHA-256 of the resolved instance, in hexadecimal.

        The digest is taken over compact JSON with the keys in the order of the format, so
        layout and comments of the file do not matter, and ``--set`` gives the same digest as the
        edited file. A `replica_gpus` of 1 gives that of a file without.
        """
        return hashlib.sha256(self.model_dump_json(by_alias=True).encode()).hexdigest()
