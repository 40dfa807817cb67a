"""A table of measured iteration times: what it holds, and what is wrong with it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gnr.arrays import Flags, Floats
from gnr.errors import InputError, Problem
from gnr.measure.columns import SECONDS, Choice, Column, Quantity, read_choices
from gnr.measure.row_filters import Condition, read_conditions
from gnr.measure.table_heads import read_head
from gnr.measure.tables import Batch, Table, open_table

SOLO_CHUNK = 0.0
"""Chunk of an iteration that only decodes."""

QUANTITIES = (
    Quantity(
        "chunk",
        ("chunk_tokens", "chunk", "c", "prefill_chunk", "prefill_tokens", "num_prefill_tokens"),
        required=False,
    ),
    Quantity(
        "decodes", ("decodes", "n_dec", "n_decode", "num_decodes", "batch_size", "batch", "b")
    ),
    Quantity(
        "context",
        ("context_tokens", "context", "ctx", "kv_decode", "context_length"),
        required=False,
    ),
    Quantity("total_context", ("total_context_tokens", "total_context"), required=False),
    Quantity("prefix", ("prefix_tokens", "prefix", "kv_prefill"), required=False),
    Quantity(
        "seconds",
        ("seconds", "tau", "time", "iteration_time", "latency", "duration", "elapsed", "s", "ms"),
        SECONDS,
    ),
)
"""Columns of the table; without a chunk all of it is decode-only. `context` is per decode."""

UNIT_FACTOR = 1000.0
"""Between neighbouring units of time."""

FACTOR_RANGE = 2.5
"""A factor within this of `UNIT_FACTOR` is taken for a mixture of units."""

EMPTY_BETWEEN = 8.0
"""Least gap, as a factor, between the two groups of times of such a mixture."""

FEW = 0.02
"""Share of the rows up to which a group is not taken for another unit but for outliers."""

PLAUSIBLE = (2e-4, 10.0)
"""Median iteration times that are taken without a question, s."""


@dataclass(frozen=True)
class IterationTimes:
    """Measured iterations, arrays of one shape ``(rows,)``.

    Attributes
    ----------
    chunk
        Prompt tokens in the iteration; 0 where it only decodes.
    prefix
        Prompt tokens of the same request that were processed before.
    decodes
        Requests that decode.
    context
        Tokens of context of each decode, on average.
    seconds
        Iteration time, s.
    """

    chunk: Floats
    prefix: Floats
    decodes: Floats
    context: Floats
    seconds: Floats

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.seconds)

    def __getitem__(self, chosen: Flags | NDArray[np.intp]) -> "IterationTimes":
        """Return some of the rows, by a mask or by numbers."""
        return IterationTimes(*(getattr(self, each.name)[chosen] for each in fields(self)))

    @property
    def total_context(self) -> Floats:
        """Return the tokens of context that all decodes read."""
        return self.decodes * self.context

    @property
    def mixed(self) -> Flags:
        """Return which iterations have a chunk."""
        return self.chunk > SOLO_CHUNK


Ranges = dict[str, tuple[float, float]]
"""Smallest and largest value to take, by quantity."""

RANGED = ("chunk", "prefix", "decodes", "context", "seconds")
"""Quantities that ``--within`` can narrow."""


@dataclass(frozen=True)
class ReadTimes:
    """What was read, and from where.

    Attributes
    ----------
    times
        The rows, in file order.
    columns
        File, quantity and column of everything that was read.
    unread
        Columns of which nothing was read.
    digests
        SHA-256 of each file.
    """

    times: IterationTimes
    columns: tuple[tuple[str, str, Column], ...]
    digests: dict[str, str]
    unread: tuple[str, ...]


def read_iteration_times(
    files: Sequence[Path],
    columns: Iterable[str] = (),
    where: Iterable[str] = (),
    within: Iterable[str] = (),
) -> ReadTimes:
    """Return the rows of one table or several.

    Parameters
    ----------
    files
        CSV or JSON lines, gzipped or not.
    columns
        Texts ``QUANTITY=HEADER[:UNIT]``.
    where
        Texts ``HEADER=VALUE``: rows to take; a file without the column is refused.
    within
        Texts ``QUANTITY=LOW:HIGH``: rows to take.

    Raises
    ------
    InputError
        If a file cannot be read, has a value out of range, or nothing is left.
    """
    choices, conditions = read_choices(columns, QUANTITIES), read_conditions(where)
    ranges = _ranges(within)
    found: list[tuple[str, str, Column]] = []
    parts, digests = [IterationTimes(*(np.zeros(0) for _ in range(5)))], {}
    heads = [read_head(file) for file in files]
    there = {name for head in heads for name in head.names}
    for file, head in zip(files, heads, strict=True):
        here = {
            name: Choice(None, each.unit)
            if each.header in there and each.header not in head.names
            else each
            for name, each in choices.items()
        }
        table = open_table(head, QUANTITIES, here, conditions=conditions)
        parts += [_rows(table, batch) for batch in table.batches()]
        found += [(str(file), name, column) for name, column in table.columns.items()]
        digests[str(file)] = str(table.sha256)
    times = IterationTimes(
        *(np.concatenate([getattr(one, each.name) for one in parts]) for each in fields(parts[0]))
    )
    kept = np.ones(len(times), bool)
    for name, (low, high) in ranges.items():
        values = getattr(times, name)
        kept &= (values >= low) & (values <= high)
    label = ", ".join(str(file) for file in files)
    if not kept.any():
        message = "no row is left" if len(times) else "has no rows"
        raise InputError([Problem("no-rows", label, "", message, _why_none(conditions, ranges))])
    check_units(times[kept], label)
    used = {column.header for _, _, column in found} | {each.header for each in conditions}
    unread = dict.fromkeys(name for head in heads for name in head.names if name not in used)
    return ReadTimes(times[kept], tuple(found), digests, tuple(unread))


def _ranges(texts: Iterable[str]) -> Ranges:
    """Return what ``--within QUANTITY=LOW:HIGH`` says."""
    found: Ranges = {}
    problems = []
    for text in texts:
        name, _, ends = text.partition("=")
        low, _, high = ends.partition(":")
        try:
            numbers = (float(low) if low else 0.0, float(high) if high else np.inf)
        except ValueError:
            numbers = (np.nan, np.nan)
        if name not in RANGED or not numbers[0] <= numbers[1]:
            remedy = f"as in context=0:4096; quantities: {', '.join(RANGED)}"
            message = "must be QUANTITY=LOW:HIGH"
            problems.append(Problem("within", "--within", text, message, remedy))
        found[name] = numbers
    if problems:
        raise InputError(problems)
    return found


def _why_none(conditions: Sequence[Condition], ranges: Ranges) -> str:
    if conditions or ranges:
        return "no row meets all of --where and --within: loosen them"
    return "the table needs rows below its header"


def _rows(table: Table, batch: Batch) -> IterationTimes:
    """Return the rows of a batch, refusing what no iteration can have."""
    nothing = np.zeros(len(batch.rows))
    values = {each.name: batch.values.get(each.name, nothing) for each in QUANTITIES}
    for name, column in values.items():
        bad = column <= 0 if name == "seconds" else column < 0
        if bad.any():
            at = int(bad.argmax())
            rule = "above 0" if name == "seconds" else "0 or more"
            message = f"must be {rule}, got {column[at]:g}"
            raise table.refuse(int(batch.rows[at]), name, message, "correct it, or leave it out")
    context = values["context"]
    if "context" not in table.columns:
        context = values["total_context"] / np.maximum(values["decodes"], 1.0)
    context = np.where(values["decodes"] > 0, context, 0.0)
    prefix = np.where(values["chunk"] > 0, values["prefix"], 0.0)
    return IterationTimes(values["chunk"], prefix, values["decodes"], context, values["seconds"])


def repeated_once(times: IterationTimes) -> tuple[IterationTimes, int, float]:
    """Return medians over rows of the same batch, how many repeat one, and how far they scatter.

    The scatter is the median, over the repeating rows, of the distance to the median of their
    batch, relative; 0 where no batch was measured twice.
    """
    keys = np.stack([times.chunk, times.prefix, times.decodes, times.context], axis=1)
    _, first, member = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    order = np.lexsort((times.seconds, member.ravel()))
    sizes = np.bincount(member.ravel())
    ends = np.cumsum(sizes)
    ranked = times.seconds[order]
    low, high = ranked[ends - sizes + (sizes - 1) // 2], ranked[ends - sizes + sizes // 2]
    once = times[first]
    medians = IterationTimes(once.chunk, once.prefix, once.decodes, once.context, (low + high) / 2)
    apart = np.abs(times.seconds / medians.seconds[member.ravel()] - 1)
    again = apart[sizes[member.ravel()] > 1]
    return medians, len(times) - len(once), float(np.median(again)) if len(again) else 0.0


def check_units(times: IterationTimes, file: str) -> None:
    """Refuse a table whose times seem to be in two units.

    The times, and what is left of them when the size of the batch is taken out, must not fall into
    two groups a thousandfold apart.

    Raises
    ------
    InputError
        If they do.
    """
    logs = np.log(times.seconds)
    sizes = [times.chunk, times.prefix, times.total_context, times.decodes]
    design = np.stack([np.ones(len(logs)), *(np.log1p(each) for each in sizes)], axis=1)
    rest = logs - design @ np.linalg.lstsq(design, logs, rcond=None)[0]
    for values in (logs, rest):
        found = _two_groups(values)
        if found is not None:
            split, factor = found
            short, long = (np.median(times.seconds[part]) for part in (~split, split))
            message = (
                f"the times fall into two groups {factor:.0f} times apart: {np.sum(~split)} of "
                f"about {short:.3g} s and {np.sum(split)} of about {long:.3g} s, as if in two units"
            )
            remedy = "bring all rows to one unit, or read one part with --where"
            raise InputError([Problem("mixed-units", file, "seconds", message, remedy)])


def _two_groups(logs: Floats) -> tuple[Flags, float] | None:
    """Return the larger of two groups about `UNIT_FACTOR` apart, and the factor; or nothing."""
    ranked = np.sort(logs)
    if len(ranked) < 2:
        return None
    gaps = np.diff(ranked)
    place = int(np.argmax(gaps))
    split = logs > (ranked[place] + ranked[place + 1]) / 2
    factor = float(np.exp(np.median(logs[split]) - np.median(logs[~split])))
    wide = gaps[place] > np.log(EMPTY_BETWEEN)
    near = UNIT_FACTOR / FACTOR_RANGE < factor < UNIT_FACTOR * FACTOR_RANGE
    many = FEW < split.mean() < 1 - FEW
    return (split, factor) if wide and near and many else None
