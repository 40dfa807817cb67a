"""One line per request, streamed to a Parquet file while the simulation runs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gnr.arrays import Floats
from gnr.atomic import complete_file
from gnr.errors import InputError, Problem

OUTCOMES = ("left before prefill", "left before decode", "finished")

END = 6
"""Column of the time at which a request ended, as the kernel writes it."""

ROW_GROUP = 1 << 17
"""Rows that are gathered before they are written."""

SCHEMA = pa.schema(
    [
        pa.field("replication", pa.int32(), metadata={"unit": "number, from 0"}),
        pa.field("class", pa.dictionary(pa.int16(), pa.string()), metadata={"unit": "name"}),
        pa.field("outcome", pa.dictionary(pa.int8(), pa.string()), metadata={"unit": "words"}),
        pa.field("arrival_s", pa.float64(), metadata={"unit": "s since the start"}),
        pa.field("end_s", pa.float64(), metadata={"unit": "s since the start"}),
        pa.field("prompt_tokens", pa.float64(), metadata={"unit": "tokens"}),
        pa.field("output_tokens", pa.float64(), metadata={"unit": "tokens"}),
        pa.field("prefill_wait_s", pa.float64(), metadata={"unit": "s"}),
        pa.field("decode_wait_s", pa.float64(), metadata={"unit": "s"}),
        pa.field("ttft_s", pa.float64(), metadata={"unit": "s, arrival to end of prefill"}),
        pa.field("tpot_s", pa.float64(), metadata={"unit": "s per output token, in a slot"}),
        pa.field("end_to_end_s", pa.float64(), metadata={"unit": "s"}),
        pa.field("prefill_gpu", pa.int32(), metadata={"unit": "number, from 0"}),
        pa.field("decode_gpu", pa.int32(), metadata={"unit": "number, from 0"}),
        pa.field("kv_transfer", pa.bool_(), metadata={"unit": "decode on another GPU"}),
    ]
)
"""Columns of the file; what a request never reached is null."""


class Recorder:
    """Writes requests that end in a window of time; memory does not grow with the window."""

    def __init__(
        self, writer: pq.ParquetWriter, names: Sequence[str], since: float, first: int
    ) -> None:
        self._writer, self._names = writer, tuple(names)
        self._since, self._first = since, first
        self._gathered: list[pa.RecordBatch] = []
        self._rows = 0

    def write(self, lane: int, rows: Floats) -> None:
        """Take the records of one lane, columns as the kernel writes them."""
        rows = rows[rows[:, END] >= self._since]
        if not len(rows):
            return
        self._gathered.append(_batch(rows, self._first + lane, self._names))
        self._rows += len(rows)
        if self._rows >= ROW_GROUP:
            self.flush()

    def flush(self) -> None:
        """Write what is gathered."""
        if self._gathered:
            self._writer.write_table(pa.Table.from_batches(self._gathered))
        self._gathered, self._rows = [], 0


@contextmanager
def recording(
    path: Path, names: Sequence[str], since: float, origin: str, first: int = 0
) -> Iterator[Recorder]:
    """Yield a recorder; the file appears under its name when the block is left, even by Ctrl-C.

    Of requests that were decoding at time 0 only the end is known. After Ctrl-C some requests may
    be in it that ended after the last complete part of the window.

    Parameters
    ----------
    path
        The Parquet file.
    names
        Classes, in file order.
    since
        Requests that ended earlier are left out: the warm-up, s.
    origin
        Provenance, a JSON text kept in the file's metadata under ``provenance``.
    first
        Number of the first replication.

    Raises
    ------
    InputError
        If no file can be written there.
    """
    _prepare(path)
    schema = SCHEMA.with_metadata({"provenance": origin})
    with complete_file(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        recorder = Recorder(writer, names, since, first)
        try:
            yield recorder
        except KeyboardInterrupt:
            stopped = True
        else:
            stopped = False
        recorder.flush()
    if stopped:
        raise KeyboardInterrupt


def _prepare(path: Path) -> None:
    """Make the folder of the file and see that it can be written to, before anything is run."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        with complete_file(path.with_name(f"{path.name}.try")):
            pass
        path.with_name(f"{path.name}.try").unlink()
    except OSError as error:
        message = f"cannot be written: {error}"
        remedy = "name a file in a folder that you may write to"
        raise InputError([Problem("records", "--records", str(path), message, remedy)]) from error


def _batch(rows: Floats, replication: int, names: Sequence[str]) -> pa.RecordBatch:
    """Return records in the columns of `SCHEMA`."""
    kind, outcome, arrived, started, prefilled, decoding, end = rows[:, :7].T
    prompt, output, origin, gpu, moved = rows[:, 7:].T
    seated = prefilled == 0  # there from the start
    prefill, decode = (outcome >= 1) & ~seated, outcome == 2
    columns = [
        pa.array(np.full(len(rows), replication, np.int32)),
        pa.DictionaryArray.from_arrays(kind.astype("int16"), list(names)),
        pa.DictionaryArray.from_arrays(outcome.astype("int8"), list(OUTCOMES)),
        pa.array(arrived),
        pa.array(end),
        pa.array(prompt, mask=seated),
        pa.array(output),
        pa.array(started - arrived, mask=~prefill),
        pa.array(decoding - prefilled, mask=~decode | seated),
        pa.array(prefilled - arrived, mask=~prefill),
        pa.array((end - decoding) / output, mask=~decode),
        pa.array(end - arrived),
        pa.array(origin.astype("int32"), mask=~prefill),
        pa.array(gpu.astype("int32"), mask=~decode),
        pa.array(moved == 1, mask=~decode),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)
