"""What should be known before the figures of a replay are used."""

from collections.abc import Iterator

import numpy as np

from gnr.batch_law import BatchLaw
from gnr.instance import Instance
from gnr.validation.per_gpu import replay_layout as own
from gnr.validation.studies.replay_cluster import Cluster
from gnr.validation.studies.replay_measures import Runs
from gnr.validation.studies.trace_classes import ClassedTrace

OTHER_LENGTHS = 1.25
"""Ratio of mean lengths, in the trace and in the file, from which on it is told."""

OTHER_TIMES = 1.25
"""Ratio of iteration times, by the law and by the instance, from which on it is told."""

LATE = 0.1
"""Share of the finished requests that ended after the last arrival from which on it is told."""

COARSE = 1.0
"""Mean requests to one time stamp from which on it is told."""


def warnings_of(
    instance: Instance, classes: ClassedTrace, cluster: Cluster, law: BatchLaw, runs: Runs
) -> Iterator[str]:
    """Yield the warnings of a replay."""
    yield from _trace(classes)
    yield from _lengths(instance, classes)
    yield from _load(classes, runs)
    yield from _memory(classes, cluster, runs)
    yield from _law(instance, classes, cluster, law)


def _trace(classes: ClassedTrace) -> Iterator[str]:
    trace = classes.trace
    yield from trace.doubts
    if trace.set_aside:
        yield f"{trace.set_aside:,} rows without prompt or output are left out"
    if trace.unsorted:
        yield "the log is not sorted by time; it was sorted"
    stamps = len(np.unique(trace.arrival))
    if len(trace) > 2 * stamps:
        yield (
            f"the log has {len(trace) / stamps:.1f} requests to a time stamp: they come in bursts "
            f"{trace.resolution:.3g} s apart, which the users may not have done"
        )


def _lengths(instance: Instance, classes: ClassedTrace) -> Iterator[str]:
    if classes.missing:
        yield f"the log has no request of {', '.join(classes.missing)}"
    stated = {each.name: each for each in instance.classes}
    for each in classes.instance.classes:
        other = stated[each.name]
        for words, here, there in (
            ("prompts", each.prompt_tokens, other.prompt_tokens),
            ("outputs", each.output_tokens, other.output_tokens),
        ):
            if max(here / there, there / here) > OTHER_LENGTHS:
                yield (
                    f"the {words} of {each.name} have {here:.4g} tokens on average in the log, "
                    f"{there:.4g} in the file"
                )


def _load(classes: ClassedTrace, runs: Runs) -> Iterator[str]:
    if classes.load > 1:
        yield (
            f"the load is {classes.load:.0%} of what the linear program serves in full: somebody "
            "has to leave or to wait ever longer"
        )
    late = 0.0
    for _, _, found in runs:
        log = found[0].requests
        finished = log.outcome == own.FINISHED
        if finished.any():
            late = max(late, float(np.mean(log.end[finished] > classes.trace.span)))
    if late > LATE:
        yield (
            f"up to {late:.0%} of the requests were finished after the last arrival: revenue per "
            "second of arrivals counts them too, and flatters a short log"
        )


def _memory(classes: ClassedTrace, cluster: Cluster, runs: Runs) -> Iterator[str]:
    if cluster.kv_tokens is None:
        held = [float(run.totals.most_kv_tokens.max()) for _, _, found in runs for run in found]
        most = max(held, default=0.0)
        yield (
            f"the KV memory has no limit here; up to {most:,.0f} tokens were held on a GPU "
            "(--kv-tokens sets a limit)"
        )
    refused = max(
        (
            float(np.sum(run.requests.outcome == own.REFUSED))
            for _, _, found in runs
            for run in found
        ),
        default=0.0,
    )
    if refused:
        yield f"{refused:,.0f} requests are larger than the KV memory of a GPU and were refused"


def _law(
    instance: Instance, classes: ClassedTrace, cluster: Cluster, law: BatchLaw
) -> Iterator[str]:
    if cluster.law is None:
        yield (
            "iterations take the time of the instance whatever the batch; `gnr calibrate` gives a "
            "law by batch (--law)"
        )
        return
    yield from _line_off(instance, classes, law)
    measured = cluster.measured or {}
    contexts = classes.trace.prompt_tokens + classes.trace.output_tokens
    longest = float(np.max(contexts))
    used = {
        "decodes": float(instance.gpu.batch_slots),
        "context_tokens": longest,
        "chunk_tokens": float(instance.gpu.chunk_tokens),
        "prefix_tokens": float(classes.trace.prompt_tokens.max() - 1),
    }
    beyond = [
        f"{name.replace('_', ' ')} up to {value:g} (measured up to {measured[name][1]:g})"
        for name, value in used.items()
        if name in measured and value > measured[name][1]
    ]
    if beyond:
        share = np.mean(contexts > measured.get("context_tokens", (0.0, np.inf))[1])
        yield (
            f"the law is used beyond what was measured: {'; '.join(beyond)}; {share:.0%} of the "
            "requests grow longer than any context measured"
        )


def _line_off(instance: Instance, classes: ClassedTrace, law: BatchLaw) -> Iterator[str]:
    """Tell where a full batch of this log takes another time by the law than by the instance."""
    trace, gpu = classes.trace, instance.gpu
    read = trace.prompt_tokens + trace.output_tokens / 2
    context = float(np.sum(read * trace.output_tokens) / np.sum(trace.output_tokens))
    line = gpu.iteration_time
    mixed = line.base + line.per_chunk_token * gpu.chunk_tokens
    slots = gpu.batch_slots
    pairs = {
        "decode-only": (line.decode_only, law.solo_time(slots, slots * context)),
        "mixed": (mixed, law.mixed_time(gpu.chunk_tokens, 0.0, slots - 1, (slots - 1) * context)),
    }
    off = [
        f"a {words} iteration takes {1e3 * by_law:.3g} ms by the law and {1e3 * by_line:.3g} ms by "
        "the instance"
        for words, (by_line, by_law) in pairs.items()
        if max(by_law / by_line, by_line / by_law) > OTHER_TIMES
    ]
    if off:
        yield (
            f"with a full batch of this log, {' and '.join(off)}: load, plans and optimum are "
            "by the instance; `gnr calibrate --for` it brings the two together"
        )
