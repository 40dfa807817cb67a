"""A table of measured iteration times: what it holds, and what is wrong with it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

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

NEIGHBOURS = 5
"""Batches that each is compared with: those most like it."""

ALIKE = np.log(30.0)
"""Most that the times of batches that are alike differ by, in logarithms."""

UNITS_APART = ((1e3 / 3, 2e4), (1e6 / 3, 2e7))
"""Ranges of the factor between groups of rows in which another unit is the likely reason."""

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

    Batches that are alike take about the same time. Where the rows fall into groups between which
    they do not, by a factor of about a thousand or a million, the groups are in two units.

    Raises
    ------
    InputError
        If they are.
    """
    sizes = (times.chunk, times.prefix, times.decodes, times.context)
    logs = np.stack([np.log1p(each) for each in sizes], axis=1)
    spread = logs.std(axis=0)
    places = logs / np.where(spread > 0, spread, 1.0)
    found = _second_group(places, np.log(times.seconds))
    if found is not None:
        group, factor = found
        rest, those = (np.median(times.seconds[part]) for part in (~group, group))
        message = (
            f"batches that are alike differ by a factor of about {factor:.3g}: {np.sum(group)} "
            f"rows of about {those:.3g} s among {np.sum(~group)} of about {rest:.3g} s, as if in "
            "two units"
        )
        remedy = "bring all rows to one unit, or read one part with --where or --within"
        raise InputError([Problem("mixed-units", file, "seconds", message, remedy)])


def _second_group(places: Floats, logs: Floats) -> tuple[Flags, float] | None:
    """Return a group of rows in another unit than most, and the factor; or nothing."""
    if len(logs) <= NEIGHBOURS:
        return None
    near = cKDTree(places).query(places, NEIGHBOURS + 1)[1]
    one, other = np.repeat(np.arange(len(logs)), NEIGHBOURS), near[:, 1:].ravel()
    linked = np.abs(logs[one] - logs[other]) < ALIKE
    links = coo_matrix(
        (np.ones(linked.sum()), (one[linked], other[linked])), shape=(len(logs), len(logs))
    )
    member = connected_components(links, directed=False)[1]
    most = member == np.bincount(member).argmax()
    nearest = cKDTree(places[most]).query(places, 1)[1]
    apart = np.exp(logs - logs[most][nearest])
    for low, high in UNITS_APART:
        for these in ((apart > low) & (apart < high), (apart < 1 / low) & (apart > 1 / high)):
            if these.sum() > max(FEW * len(logs), 2):
                factor = float(np.median(apart[these]))
                return these, max(factor, 1 / factor)
    return None
