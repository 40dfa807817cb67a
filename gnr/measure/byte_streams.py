"""The bytes of a table as they come from the disk: unpacked, counted and hashed on the way."""

import gzip
import hashlib
import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from gnr.errors import InputError, Problem

GZIP = b"\x1f\x8b"

HEAD = 1 << 20
"""Bytes looked at to tell what a file is."""

OTHER_FORMATS = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive or a spreadsheet",
    b"BZh": "packed with bzip2",
    b"\xfd7zXZ": "packed with xz",
    b"\x28\xb5\x2f\xfd": "packed with zstd",
    b"\x89HDF": "an HDF5 file",
}
"""What files begin with that are no text."""

WIDE_TEXT = {
    b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"\xff\xfe\x00\x00": "UTF-32",
}  # fmt: skip
"""Byte order marks of other encodings."""

DAMAGED = (EOFError, gzip.BadGzipFile, zlib.error)
"""What a file that is cut short or damaged raises while it is unpacked."""


class CountedFile(io.RawIOBase):
    """A file that is read once, from the front; its bytes are counted and hashed."""

    def __init__(self, path: Path, told: Callable[[int], None]) -> None:
        super().__init__()
        self._file = path.open("rb", buffering=0)
        self._told = told
        self._digest = hashlib.sha256()
        self.bytes_read = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer from the file and return how many bytes came."""
        count = self._file.readinto(buffer) or 0
        self._digest.update(memoryview(buffer)[:count])
        self.bytes_read += count
        self._told(self.bytes_read)
        return count

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def sha256(self) -> str:
        """Return the SHA-256 of the whole file; what was not read yet is read."""
        while self.read(HEAD):
            pass
        return self._digest.hexdigest()


def opened(path: Path, told: Callable[[int], None] = lambda done: None) -> tuple[Any, CountedFile]:
    """Return the bytes of a table, unpacked if it is gzipped, and the file that they come from.

    Raises
    ------
    InputError
        If the file is not there or cannot be read.
    """
    if path.exists() and not path.is_file():
        message = "is no regular file, and it may be read twice"
        raise InputError([Problem("file-unreadable", str(path), "", message, "name a file")])
    try:
        packed = first_bytes(path)[:2] == GZIP
        file = CountedFile(path, told)
    except FileNotFoundError:
        raise InputError(
            [
                Problem(
                    "file-missing",
                    str(path),
                    "",
                    "there is no such file",
                    "name a CSV or JSONL file",
                )
            ]
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            [Problem("file-unreadable", str(path), "", f"cannot be read: {reason}",
                     "name a readable file")]
        ) from error  # fmt: skip
    buffered = io.BufferedReader(file, HEAD)
    if not packed:
        return buffered, file
    unpacked = gzip.GzipFile(fileobj=buffered, mode="rb")
    return io.BufferedReader(unpacked, HEAD), file


def first_bytes(path: Path) -> bytes:
    """Return the first few bytes of a file, as they are on the disk."""
    with path.open("rb") as file:
        return file.read(8)


def head_of(path: Path) -> bytes:
    """Return the beginning of a table, unpacked, after making sure that it is UTF-8 text.

    Raises
    ------
    InputError
        If the file cannot be read, is empty, or is no text.
    """
    stream, file = opened(path)
    with file:
        try:
            head = b""
            while len(head) < HEAD and (more := stream.read(HEAD - len(head))):
                head += more
        except DAMAGED as error:
            raise damaged(path, error) from error
    for mark, name in sorted(WIDE_TEXT.items(), key=lambda each: -len(each[0])):
        if head.startswith(mark):
            raise _not_text(path, f"is {name} text, not UTF-8")
    for mark, name in OTHER_FORMATS.items():
        if head.startswith(mark):
            raise _not_text(path, f"is {name}, not CSV or JSON lines")
    if b"\x00" in head:
        raise _not_text(path, f"is not UTF-8 text (a zero byte at {head.index(0)})")
    if not head.strip():
        raise InputError(
            [Problem("file-empty", str(path), "", "is empty", "name a log with a header and rows")]
        )
    return head


def text_lines(path: Path) -> IO[str]:
    """Return a table as lines of text, to look for what is wrong with it."""
    stream, _ = opened(path)
    return io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")


def damaged(path: Path, error: BaseException) -> InputError:
    """Return what to say of a gzipped file that is cut short or damaged."""
    what = "is cut short" if isinstance(error, EOFError) else f"is damaged: {error}"
    return InputError(
        [Problem("file-damaged", str(path), "", f"the gzip file {what}", "copy or pack it again")]
    )


def not_utf8(path: Path, error: UnicodeDecodeError) -> InputError:
    """Return what to say of a file with bytes that are no UTF-8, naming the first such line."""
    stream, file = opened(path)
    with file:
        for number, line in enumerate(stream, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as found:
                byte = line[found.start]
                return _not_text(path, f"line {number} is not UTF-8 text (byte 0x{byte:02x})")
    return _not_text(path, f"is not UTF-8 text ({error.reason})")


def _not_text(path: Path, message: str) -> InputError:
    return InputError(
        [Problem("file-not-text", str(path), "", message, "save it as UTF-8 text: CSV with a "
                 "header, or one JSON object on each line")]
    )  # fmt: skip
