"""One GPU that serves first come, first served, iteration by iteration, in plain Python.

Written from the words of the model: no event list, no heap, no numba, nothing of `gnr`. Prompts
come in chunks, decodes stay where they are, memory is reserved whole, nobody loses patience.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

Law = Callable[[int, int, int, int], float]
"""Time of an iteration from chunk, prefix, decodes and their context."""

NEVER = float("nan")


@dataclass
class Served:
    """A request of the oracle, and what became of it; times in s."""

    arrival: float
    prompt: int
    output: int
    start: float = NEVER
    first_token: float = NEVER
    decode_start: float = NEVER
    end: float = NEVER
    refused: bool = False
    processed: int = 0
    emitted: int = 0

    @property
    def need(self) -> int:
        """Return the tokens of memory that it reserves."""
        return self.prompt + self.output


@dataclass
class OneGpu:
    """The GPU between two iterations."""

    law: Law
    chunk: int
    slots: int
    memory: float
    queue: list[Served] = field(default_factory=list)
    prefill: Served | None = None
    decodes: list[Served] = field(default_factory=list)
    iterations: int = 0
    busy: float = 0.0
    held_up: set[int] = field(default_factory=set)
    held_up_time: float = 0.0

    def start_if_possible(self, now: float) -> None:
        """Give the prefill slot to the head of the line, if there is one and memory for it."""
        if self.has_slot() and self.queue and self.has_memory():
            self.prefill = self.queue.pop(0)
            self.prefill.start = now

    def has_slot(self) -> bool:
        return self.prefill is None and len(self.decodes) < self.slots

    def has_memory(self) -> bool:
        inside = [*self.decodes, *([self.prefill] if self.prefill else [])]
        return sum(each.need for each in inside) + self.queue[0].need <= self.memory

    def wait(self, since: float, until: float) -> None:
        """Note whether the head of the line stands there for memory alone."""
        if self.has_slot() and self.queue:
            self.held_up.add(id(self.queue[0]))
            self.held_up_time += until - since

    def receive(self, request: Served, now: float) -> None:
        """Let a request join the line, or refuse it."""
        if request.need > self.memory:
            request.refused, request.end = True, now
        else:
            self.queue.append(request)
            self.start_if_possible(now)

    def iterate(self, now: float, coming: list[Served]) -> float:
        """Make one iteration; return its end. Who arrives meanwhile is taken from `coming`."""
        reading, writing, chunk, prefix = self.prefill, list(self.decodes), 0, 0
        if reading:
            prefix = reading.processed
            chunk = min(self.chunk, reading.prompt - prefix)
        context = sum(each.prompt + each.emitted for each in writing)
        end = now + self.law(chunk, prefix, len(writing), context)
        since = now
        while coming and coming[0].arrival <= end:
            arrived = coming.pop(0)
            self.wait(since, arrived.arrival)
            since = arrived.arrival
            self.receive(arrived, since)
        self.wait(since, end)
        for each in writing:
            each.emitted += 1
        if reading:
            reading.processed += chunk
            if reading.processed == reading.prompt:
                self.prefill, reading.emitted, reading.first_token = None, 1, end
                if reading.output > 1:
                    reading.decode_start = end
                self.decodes.append(reading)
        for each in [each for each in self.decodes if each.emitted == each.output]:
            self.decodes.remove(each)
            each.end = end
        self.start_if_possible(end)
        self.iterations += 1
        self.busy += end - now
        return end


def serve(requests: Sequence[Served], law: Law, chunk: int, slots: int, memory: float) -> OneGpu:
    """Serve requests sorted by arrival until all are done; times are written into them."""
    gpu, coming, now = OneGpu(law, chunk, slots, memory), list(requests), 0.0
    while coming or gpu.prefill or gpu.decodes:
        if not (gpu.prefill or gpu.decodes):
            now = coming[0].arrival
            while coming and coming[0].arrival <= now:
                gpu.receive(coming.pop(0), now)
        if gpu.prefill or gpu.decodes:
            now = gpu.iterate(now, coming)
    return gpu
