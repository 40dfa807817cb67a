"""The plan as a router takes it: all of it, or request priorities for an engine.

What vLLM does was read in its public material: `--scheduling-policy priority` handles the lower
value first and breaks ties by arrival, and the request field `priority` is 0 unless given
(docs.vllm.ai, `vllm.config.scheduler` and the OpenAI-compatible server). An engine schedules its
running requests first and fills the rest of `max_num_batched_tokens` with prompts; where a running
request finds no KV-cache blocks, the running one with the largest (priority, arrival) is preempted
and computed anew; a waiting request displaces none (`vllm/v1/core/sched/scheduler.py` at commit
00024d3; issue #40004, open when read, asks for it). The older V0 engine did preempt for waiting
requests (pull request #5958).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict

from gnr.errors import InputError, Problem
from gnr.instance import SCHEMA_VERSION
from gnr.plan import ClassPlan, Plan, worth_nothing
from gnr.provenance import Provenance
from gnr.rates import rates_of
from gnr.result import Solution
from gnr.schema_errors import suggest
from gnr.simulation import write_document

_FROZEN = ConfigDict(frozen=True, use_attribute_docstrings=True)

MOST_NAMES = 5
"""Classes that a sentence names."""


class RouterClass(BaseModel):
    """What a router needs to know of one class; numbers of the whole cluster."""

    model_config = _FROZEN

    name: str
    """Name of the class."""
    admitted: bool
    """False if the optimum shuts the class out: it is to be refused (10.1(b))."""
    gate_target: float
    """n x_i, requests in prefill the gate steers to (Algorithm 2)."""
    queue_target: float
    """n q_p,i, requests waiting for prefill, breaks ties of the gate (eq. U5)."""
    solo_probability: float
    """p_s,i, chance that a finished prefill is sent to the solo group (eqs. U7, U8)."""
    mixed_weight: float
    """Weight of the class when a mixed decode slot frees (eq. U10)."""
    solo_weight: float
    """Weight of the class when a solo decode slot frees (eq. U10)."""
    prefill_index: float
    """D_i / P_i, the ranking of prioritize-and-route, larger first (eq. U6)."""
    rank: int | None
    """Place in the price-index ranking, lower first; marginal classes share the last place;
    null if the class is not admitted (section 12)."""
    marginal: bool
    """Whether the class is admitted though one more request of it earns nothing more
    (section 12)."""


class RouterRules(BaseModel):
    """How a router uses the numbers, in words."""

    model_config = _FROZEN

    gate: str = (
        "Whenever the prefill slot of a mixed GPU is idle, start the oldest waiting request of the "
        "admitted class with the fewest requests in prefill per gate_target; among equals, of the "
        "class whose waiting line exceeds its queue_target the most. The slot idles only if no "
        "admitted class waits."
    )
    """Which request is prefilled next (Algorithm 2, eqs. U4 and U5)."""
    separate_gate: str = (
        "The gate made for separate pricing: start the oldest waiting request of the class with "
        "the largest prefill_index."
    )
    """The gate of prioritize-and-route (Algorithm 5, eq. U6)."""
    decode: str = (
        "A finished prefill decodes on a solo GPU with a free slot; else on a mixed GPU with a "
        "free decode slot; else it waits in one line, first come, first served, for the next "
        "decode slot that frees in either group. Among several GPUs choose at random."
    )
    """Where a request decodes (Algorithm 3)."""
    split_decode: str = (
        "To keep the planned split of every class: a finished prefill goes to the solo group with "
        "chance solo_probability, else to the mixed group, and waits for a slot of that group "
        "alone. A freed slot takes the oldest request there; if the plan keeps requests waiting "
        "to decode, it first draws the class among those that wait, in proportion to solo_weight "
        "or mixed_weight."
    )
    """The router that keeps the split (Algorithms 6 and 7, eqs. U7 to U11)."""
    price_index: str = (
        "Without groups: a GPU with a free slot and no prefill in progress starts the oldest "
        "waiting request of the class with the lowest rank; among marginal classes, of the one "
        "with the fewest requests in prefill per gate_target. It decodes where it was prefilled."
    )
    """Price index in place (Algorithm 9)."""
    prefill_cap: str = (
        "Where prefill_cap is a number, a mean time per output token is promised. To keep it, hold "
        "a credit that grows each second by prefill_cap less the requests in prefill, to 5 at "
        "most; start a prefill only while the credit is not negative and fewer than prefill_cap, "
        "rounded up, are in prefill. Among marginal classes take the largest prefill_index while "
        "more than prefill_cap slots are free in the whole cluster, else the smallest."
    )
    """The ranking under a cap on prefills (Algorithm 11)."""


class RouterPlan(BaseModel):
    """Everything a router needs to run n GPUs by the plan of an instance."""

    model_config = _FROZEN

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    instance: str
    """Name of the instance."""
    format: Literal["json"] = "json"
    """Which export this is."""
    objective: str
    """Scheme of the program solved: `bundled` (P40) or `separate` (P42)."""
    empty_decode_buffer: bool
    """Whether the plan keeps no request waiting to decode."""
    disaggregated: bool
    """Whether the mixed group only prefills, without decode slots."""
    revenue_rate: float
    """Planned revenue, money/s per GPU, before rounding to whole GPUs."""
    gpus: int
    """n, size of the cluster."""
    mixed_gpus: int
    """M, GPUs that keep one slot for prefill: ceil(n x) (eq. U3), unless another number was asked
    for."""
    solo_gpus: int
    """n - M, GPUs that only decode."""
    mixed_decode_slots: int
    """Decode slots of the mixed group, M (B - 1); 0 if disaggregated."""
    solo_decode_slots: int
    """Decode slots of the solo group, (n - M) B."""
    prefill_cap: float | None
    """n X_c, most requests in prefill on average that the promised mean time per output token
    allows (eq. D7); null where nothing caps them."""
    batch_slots: int
    """B, requests one GPU holds, the one in prefill included."""
    chunk_tokens: int
    """C, prompt tokens per iteration with a prefill."""
    classes: tuple[RouterClass, ...]
    """By class, in file order."""
    rules: RouterRules = RouterRules()
    """How the numbers are used."""
    warnings: tuple[str, ...]
    """What should be known before the plan is used."""
    provenance: Provenance
    """Where this plan comes from."""

    @property
    def headline(self) -> str:
        """What this document is, in one line."""
        role = "that only prefill" if self.disaggregated else "mixed"
        return (
            f"{self.instance}: the plan for a router of {self.gpus} GPUs, {self.mixed_gpus} {role} "
            f"and {self.solo_gpus} solo; `rules` tells how to use it"
        )

    def write(self, folder: Path) -> Path:
        """Write the JSON document into `folder` and return its path."""
        return write_document(self.model_dump_json(indent=2), folder, f"{self.instance}.router")


class VllmPriorities(BaseModel):
    """The price-index ranking as request priorities of vLLM (section 12, Algorithm 9)."""

    model_config = _FROZEN

    schema_version: int = SCHEMA_VERSION
    """Version of this document."""
    instance: str
    """Name of the instance."""
    format: Literal["vllm-priority"] = "vllm-priority"
    """Which export this is."""
    scheduling_policy: Literal["priority"] = "priority"
    """Value of the engine option `--scheduling-policy`."""
    max_num_seqs: int
    """B, value of `--max-num-seqs`, requests."""
    max_num_batched_tokens: int
    """C + B - 1, value of `--max-num-batched-tokens`: C prompt tokens beside B - 1 decodes."""
    priorities: dict[str, int]
    """By class, most urgent first: value of the request field `priority`, lower is earlier."""
    not_admitted: tuple[str, ...]
    """Classes that the optimum shuts out: to be refused before the engine."""
    reproduces: tuple[str, ...]
    """What an engine with these priorities does as Algorithm 9 says."""
    does_not_reproduce: tuple[str, ...]
    """What it does otherwise, or leaves to the router."""
    warnings: tuple[str, ...]
    """What should be known before the priorities are used."""
    provenance: Provenance
    """Where they come from."""

    @property
    def headline(self) -> str:
        """What this document is, in one line."""
        return (
            f"{self.instance}: request priorities for vLLM with --scheduling-policy priority "
            f"--max-num-seqs {self.max_num_seqs} --max-num-batched-tokens "
            f"{self.max_num_batched_tokens}; see `does_not_reproduce`"
        )

    def write(self, folder: Path) -> Path:
        """Write the JSON document into `folder` and return its path."""
        stem = f"{self.instance}.{self.format}"
        return write_document(self.model_dump_json(indent=2), folder, stem)


RouterDocument: TypeAlias = RouterPlan | VllmPriorities


def router_plan(solution: Solution, plan: Plan) -> RouterPlan:
    """Return a plan that was made from an optimal `solution`, as a router takes it."""
    gpu = solution.instance.gpu
    values = np.array([each.marginal_value for each in solution.classes])
    marginal = worth_nothing(values, rates_of(solution.instance).reward)
    copied = set(RouterClass.model_fields) - {"marginal"}
    return RouterPlan(
        instance=solution.instance.name,
        objective=plan.objective,
        empty_decode_buffer=plan.empty_decode_buffer,
        disaggregated=plan.disaggregated,
        revenue_rate=plan.revenue_rate,
        gpus=plan.gpus,
        mixed_gpus=plan.mixed_gpus,
        solo_gpus=plan.solo_gpus,
        mixed_decode_slots=plan.mixed_decode_slots,
        solo_decode_slots=plan.solo_decode_slots,
        prefill_cap=plan.prefill_cap,
        batch_slots=gpu.batch_slots,
        chunk_tokens=gpu.chunk_tokens,
        classes=tuple(
            RouterClass(
                marginal=bool(each.admitted and marginal[i]), **each.model_dump(include=copied)
            )
            for i, each in enumerate(plan.classes)
        ),
        warnings=(*solution.warnings, *plan.warnings, *_ranking_warnings(solution, plan)),
        provenance=solution.provenance,
    )


def vllm_priorities(solution: Solution, plan: Plan) -> VllmPriorities:
    """Return the ranking of a plan that was made from `solution` as request priorities of vLLM.

    The priorities are the same for every number of GPUs.
    """
    gpu = solution.instance.gpu
    slots, chunk = gpu.batch_slots, gpu.chunk_tokens
    priorities = priorities_of(plan.classes)
    not_admitted = tuple(each.name for each in plan.classes if not each.admitted)
    return VllmPriorities(
        instance=solution.instance.name,
        max_num_seqs=slots,
        max_num_batched_tokens=chunk + slots - 1,
        priorities=priorities,
        not_admitted=not_admitted,
        reproduces=_reproduced(slots, chunk),
        does_not_reproduce=_not_reproduced(plan, priorities, not_admitted),
        warnings=(*solution.warnings, *_ranking_warnings(solution, plan)),
        provenance=solution.provenance,
    )


def priorities_of(classes: Sequence[ClassPlan]) -> dict[str, int]:
    """Return the priority of each admitted class, its rank, most urgent first.

    Classes of one rank share a priority. The first is 1, not 0: an engine without priority
    scheduling may then refuse a request rather than serve it out of turn.
    """
    ranked = [(each.rank, each.name) for each in classes if each.rank is not None]
    return {name: rank for rank, name in sorted(ranked, key=lambda pair: pair[0])}


FORMATS: Mapping[str, Callable[[Solution, Plan], RouterDocument]] = MappingProxyType(
    {"json": router_plan, "vllm-priority": vllm_priorities}
)
"""What makes the document of each format."""


def find_format(name: str) -> Callable[[Solution, Plan], RouterDocument]:
    """Return what makes the document of a format.

    Raises
    ------
    InputError
        If there is no format of that name.
    """
    if name not in FORMATS:
        near = suggest(name, list(FORMATS))
        hint = f"did you mean {near}? " if near else ""
        raise InputError(
            [
                Problem(
                    "format-unknown",
                    "--format",
                    "",
                    f"no format {name!r}",
                    f"{hint}use {' or '.join(FORMATS)}",
                )
            ]
        )
    return FORMATS[name]


def _ranking_warnings(solution: Solution, plan: Plan) -> list[str]:
    """Return where the price-index ranking stands on less than section 12 says."""
    found = []
    if plan.objective == "separate":
        found.append(
            "the ranking by price is derived for bundled pricing; whether it serves separate "
            "pricing is open"
        )
    ranges = solution.unique.ranges.marginal_value if solution.unique is not None else {}
    kinked = [each.name for each in plan.classes if each.admitted and each.name in ranges]
    if kinked:
        found.append(
            f"one request more and one fewer are worth different amounts for {_listing(kinked)}: "
            "the ranking takes one of the values between"
        )
    return found


def _reproduced(slots: int, chunk: int) -> tuple[str, ...]:
    return (
        "The ranking of Algorithm 9 (price index in place): of the waiting requests the lowest "
        "priority value starts first, the earliest arrival among equal values.",
        "Continuous batching with chunked prefill behind that queue; a request decodes where it "
        "was prefilled.",
        f"Batches of at most {slots} requests (max_num_seqs) and chunks of {chunk} prompt tokens "
        f"beside {slots - 1} decodes, each of which counts as one token of "
        "max_num_batched_tokens.",
    )


def _not_reproduced(
    plan: Plan, priorities: Mapping[str, int], not_admitted: Sequence[str]
) -> tuple[str, ...]:
    found = [
        "Knowing the class of a request: one sent without a priority counts as 0 and goes ahead "
        "of every class, so give each request the value of its class.",
        "Ranking over the whole cluster: each engine ranks its own queue only. Keep the queue in "
        "the router for that, and pass a request on when an engine has a free slot and no prefill "
        "in progress.",
        "One prefill at a time in chunks of one size: with fewer decodes the chunk is longer, and "
        "where a prompt ends inside a chunk, the next prompt fills it up.",
        "No preemption: when memory for the KV cache runs out, vLLM stops the running request with "
        "the highest value and computes it anew later; old versions (V0) also do so to start a "
        "waiting request with a lower value.",
        "Filling as in Algorithm 10: no finished prefill moves to another GPU (no KV-cache "
        "transfer). A slot that frees beside a prefill stays empty until that prefill ends, so "
        "revenue can stay below the plan's in clusters of any size.",
        "The groups, gate targets and routing probabilities of the plan: every GPU prefills and "
        "decodes.",
        "Patience: a waiting request leaves only when its client cancels it.",
    ]
    last = [name for name, value in priorities.items() if value == max(priorities.values())]
    if len(last) > 1:
        found.insert(
            0,
            f"The tie between the marginal classes {_listing(last)}: the engine goes by arrival, "
            "Algorithm 9 by the smaller X_i/(n x_i), requests in prefill over planned ones.",
        )
    if plan.prefill_cap is not None:
        found.insert(
            0,
            "The cap on prefills that keeps the promised mean time per output token: hold prompts "
            f"back in the router so that {plan.prefill_cap:.4g} are in prefill on average at most.",
        )
    if not_admitted:
        found.insert(
            0,
            f"Shutting out: refuse requests of {_listing(not_admitted)} before the engine; they "
            "have no priority there.",
        )
    return tuple(found)


def _listing(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    shown = ", ".join(repr(name) for name in names[:MOST_NAMES])
    return shown if len(names) <= MOST_NAMES else f"{shown} and {len(names) - MOST_NAMES} more"
