"""Logs of requests: when each came, how long its prompt and its answer were."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnr.arrays import Flags, Floats
from gnr.errors import InputError, Problem
from gnr.measure.columns import SECONDS, Choice, Quantity, read_choices
from gnr.measure.row_filters import Condition
from gnr.measure.table_heads import Head
from gnr.measure.tables import Batch, Table, Told, open_table

MOST_TOKENS = 10_000_000
"""Length above which a number is taken for a mistake."""

TICKS = 1_000_000
"""Points in time are whole microseconds: exact, whatever the order of the rows."""

LATE = 1e11
"""Seconds since 1970 that are three thousand years away."""

LEADING_BLOCKS = "n_leading_blocks_seen_before"


def quantities(block_tokens: float) -> tuple[Quantity, ...]:
    """Return what a log may tell of a request; cached prompt in tokens, or in blocks of so many."""
    cached = {"tokens": 1.0, "blocks": block_tokens}
    return (
        Quantity(
            "arrival",
            ("queued_ts", "arrival", "arrived_at", "arrival_time", "timestamp", "request_time",
             "arrival_timestamp", "time", "created", "created_at", "start_time", "datetime", "ts"),
            SECONDS, required=False,
        ),
        Quantity(
            "prompt",
            ("prompt", "prompt_tokens", "prompt_length", "prompt_len", "contexttokens",
             "context_tokens", "input_length", "input_len", "input_toks", "input_tokens",
             "num_prefill_tokens", "request_tokens", "num_prompt_tokens"),
        ),
        Quantity(
            "output",
            ("output", "output_tokens", "output_length", "output_len", "generatedtokens",
             "generated_tokens", "output_toks", "num_decode_tokens", "response_tokens",
             "completion_tokens", "num_generation_tokens"),
        ),
        Quantity(
            "cached",
            ("cached", "num_cached", "cached_prompt", "cached_input", "prefix_cached"),
            cached, required=False,
        ),
        Quantity("hash_ids", ("hash_ids",), required=False),
    )  # fmt: skip


@dataclass(frozen=True)
class Requests:
    """Some requests of a log, those without output left out; arrays of shape ``(requests,)``.

    Attributes
    ----------
    ticks
        Arrival, microseconds after that of the first row of the file; None without times.
    arrival
        The same in s, with the digits that microseconds lose.
    prompt, output
        Lengths, tokens, whole numbers.
    cached
        Prompt tokens found in a prefix cache as the log has it, at most prompt - 1; None without.
    blocks
        Arrow list array of the identifiers of each prompt's blocks; None without.
    empty_output, empty_prompt
        Rows left out because they have no output, and because they have output but no prompt.
    """

    ticks: NDArray[np.int64] | None
    arrival: Floats | None
    prompt: Floats
    output: Floats
    cached: Floats | None
    blocks: Any
    empty_output: int
    empty_prompt: int


@dataclass(frozen=True)
class RequestLog:
    """A log that is ready to be read, as often as needed."""

    table: Table

    @property
    def has_times(self) -> bool:
        """Tell whether it says when requests came."""
        return "arrival" in self.table.columns

    @property
    def has_cached(self) -> bool:
        """Tell whether it says what of a prompt was cached."""
        return "cached" in self.table.columns

    @property
    def has_blocks(self) -> bool:
        """Tell whether it names the blocks of prompts."""
        return "hash_ids" in self.table.columns and not self.has_cached

    def requests(self, told: Told = lambda done: None) -> Iterator[Requests]:
        """Yield the requests in file order; `told` hears of the bytes read.

        Raises
        ------
        InputError
            If a line cannot be a request.
        """
        for batch in self.table.batches(told):
            yield self._requests(batch)

    def doubts(self) -> Iterator[str]:
        """Yield what looks wrong about the unit of the times, once the log was read."""
        column = self.table.columns.get("arrival")
        first = self.table.origin("arrival")
        numbers = column is not None and not self.table.kinds[column.header].is_time
        if column is not None and column.assumed and numbers and abs(first) > LATE:
            yield (
                f"{column.header} begins at {first:.15g}, which is no count of seconds of our "
                f"time: it may be in ms, us or ns (--column arrival={column.header}:ms)"
            )

    def _requests(self, batch: Batch) -> Requests:
        lengths = {name: batch.values[name] for name in ("prompt", "output")}
        for name, values in lengths.items():
            self._check(batch, name, values < 0, values, "cannot be negative")
            self._check(batch, name, values > MOST_TOKENS, values, f"is above {MOST_TOKENS:,}")
            self._check(batch, name, values % 1 != 0, values, "must be a whole number")
        no_output = lengths["output"] == 0
        no_prompt = (lengths["prompt"] == 0) & ~no_output
        fine = ~(no_output | no_prompt)
        arrival = batch.values.get("arrival")
        cached = batch.values.get("cached")
        if cached is not None:
            self._check(batch, "cached", cached < 0, cached, "cannot be negative")
            cached = np.minimum(cached, lengths["prompt"] - 1)[fine]
        blocks = None
        if self.has_blocks:
            blocks = batch.lists["hash_ids"]
            blocks = blocks if fine.all() else blocks.filter(fine)
        return Requests(
            None if arrival is None else np.rint(arrival[fine] * TICKS).astype(np.int64),
            None if arrival is None else arrival[fine],
            lengths["prompt"][fine],
            lengths["output"][fine],
            cached,
            blocks,
            int(no_output.sum()),
            int(no_prompt.sum()),
        )

    def _check(self, batch: Batch, name: str, wrong: Flags, values: Floats, message: str) -> None:
        if wrong.any():
            at = int(wrong.argmax())
            what = "cached tokens" if name == "cached" else f"tokens of {name}"
            remedy = "correct it, leave out the row, or name another column: " + (
                f"--column {name}=HEADER"
            )
            raise self.table.refuse(
                int(batch.rows[at]), name, f"{values[at]:.15g} {what} {message}", remedy
            )


def open_log(
    head: Head,
    columns: Iterable[str] = (),
    conditions: Sequence[Condition] = (),
    block_tokens: float = 512.0,
) -> RequestLog:
    """Return the log in a file; `columns` are texts as in ``--column arrival=HEADER:ms``.

    Raises
    ------
    InputError
        If an option cannot be read or the lengths have no column.
    """
    known = quantities(block_tokens)
    chosen = _known_layout(head) | read_choices(columns, known)
    if not _has_block_lists(head, chosen):
        known = tuple(each for each in known if each.name != "hash_ids")
    table = open_table(
        head, known, chosen, conditions=conditions, instants=("arrival",), lists=("hash_ids",)
    )
    if not head.rows:
        raise no_rows(head.path, "has a header and no rows")
    return RequestLog(table)


def _has_block_lists(head: Head, chosen: Mapping[str, Choice]) -> bool:
    """Tell whether there are lists of block numbers; raise if they are named and are no lists."""
    named = chosen["hash_ids"].header if "hash_ids" in chosen else None
    header = "hash_ids" if named is None else named
    first = head.first(header) if header in head.names else None
    if isinstance(first, list) and all(type(each) is int for each in first):
        return True
    if named is not None:
        raise InputError(
            [Problem("columns", str(head.path), named, "is no list of block numbers",
                     "only JSON lines can hold such lists; name a column cached= instead")]
        )  # fmt: skip
    return False


def no_rows(path: Path, message: str) -> InputError:
    """Return what to say of a log with nothing in it."""
    return InputError([Problem("no-rows", str(path), "", message, "name a log with requests")])


def _known_layout(head: Head) -> dict[str, Choice]:
    """Return what headers alone do not tell of logs that are published."""
    names = set(head.names)
    found = {}
    if {"timestamp", "input_length", "output_length", "hash_ids"} <= names:  # Mooncake
        found["arrival"] = Choice("timestamp", "ms")
    if LEADING_BLOCKS in names:
        found["cached"] = Choice(LEADING_BLOCKS, "blocks")
    return found
