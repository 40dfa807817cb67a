"""The requests of a log, to be replayed: when each came, and how long it was."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gnr.arrays import Floats

Tokens = NDArray[np.int64]


@dataclass(frozen=True)
class RequestTrace:
    """Requests in the order in which they came, arrays of shape ``(requests,)``.

    Attributes
    ----------
    name
        Name of the log.
    sha256
        SHA-256 of its file.
    arrival
        s after the first, rising.
    prompt_tokens, output_tokens
        Lengths, 1 or more.
    set_aside
        Rows of the log without output or without prompt, which are left out.
    unsorted
        Rows of the log that come before an earlier one.
    resolution
        Smallest difference of two times that differ, s; 0 where all are the same.
    """

    name: str
    sha256: str
    arrival: Floats
    prompt_tokens: Tokens
    output_tokens: Tokens
    set_aside: int
    unsorted: int
    resolution: float
    doubts: tuple[str, ...] = ()
    """What should be known of how the log was read."""

    def __len__(self) -> int:
        """Return the number of requests."""
        return len(self.arrival)

    @property
    def span(self) -> float:
        """Return the time from the first to the last request, s."""
        return float(self.arrival[-1] - self.arrival[0]) if len(self) else 0.0

    @property
    def digest(self) -> str:
        """Return a SHA-256 of the requests, the same for the same requests in another file."""
        found = hashlib.sha256()
        for each in (np.rint(self.arrival * 1e6), self.prompt_tokens, self.output_tokens):
            found.update(np.ascontiguousarray(each, "<i8").tobytes())
        return found.hexdigest()

    def faster(self, speed: float) -> "RequestTrace":
        """Return the same requests in `speed`-fold quick succession."""
        return replace(self, arrival=self.arrival / speed, resolution=self.resolution / speed)
