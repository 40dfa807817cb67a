"""Progress of long runs: a bar on a terminal, a line every few seconds elsewhere."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

QUIET_SECONDS = 1.0
"""Runs shorter than this show nothing."""

SILENT_SECONDS = 8.0
"""Time without any event after which a line says that this is no fault."""

LINE_SECONDS = 5.0
"""Time between two lines where there is no terminal."""


@contextmanager
def progress_of_events(
    title: str, expected: float, unit: str = "events"
) -> Iterator[Callable[[float], None]]:
    """Yield a function to be called with the number of events so far.

    Parameters
    ----------
    title
        What is running.
    expected
        About how many events there will be; the time left is told from it.
    unit
        What the events are, in the plural.
    """
    silence = Timer(SILENT_SECONDS, _still_preparing, [title])
    silence.daemon = True
    silence.start()

    def begun(told: Callable[[float], None]) -> Callable[[float], None]:
        def heard(events: float) -> None:
            silence.cancel()
            told(events)

        return heard

    try:
        if sys.stderr.isatty():
            with _bar(title, expected, unit) as told:
                yield begun(told)
        else:
            yield begun(_Lines(title, expected, unit))
    finally:
        silence.cancel()


@contextmanager
def progress_of_steps(title: str) -> Iterator[Callable[[str], None]]:
    """Yield a function to be told in words what is being done, for runs of unknown length."""
    silence = Timer(SILENT_SECONDS, _still_preparing, [title])
    silence.daemon = True
    silence.start()
    last, steps = time.monotonic(), 0

    def line(words: str) -> None:
        nonlocal last, steps
        steps += 1
        if steps > 1:
            silence.cancel()
        if time.monotonic() - last > LINE_SECONDS:
            last = time.monotonic()
            sys.stderr.write(f"gnr: {title}: {words}\n")

    try:
        if sys.stderr.isatty():
            from rich.console import Console

            with Console(stderr=True).status(title) as status:
                yield lambda words: status.update(f"{title}: {words}")
        else:
            yield line
    finally:
        silence.cancel()


def _still_preparing(title: str) -> None:
    sys.stderr.write(f"gnr: {title}: still preparing; a first run compiles for a minute or two\n")


class _Lines:
    """Write a line to stderr every few seconds."""

    def __init__(self, title: str, expected: float, unit: str) -> None:
        self._title, self._expected = title, expected
        self._last, self._pace = time.monotonic(), _Pace(unit)

    def __call__(self, events: float) -> None:
        now = time.monotonic()
        state = self._pace.state(events, self._expected, now)
        if now - self._last < LINE_SECONDS:
            return
        self._last = now
        sys.stderr.write(f"gnr: {self._title}: {state}\n")


@contextmanager
def _bar(title: str, expected: float, unit: str) -> Iterator[Callable[[float], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[state]}"),
    )
    began, pace = time.monotonic(), _Pace(unit)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=max(expected, 1.0), state="", visible=False)

        def told(events: float) -> None:
            now = time.monotonic()
            bar.update(
                task,
                completed=events,
                total=max(expected, events),
                state=pace.state(events, expected, now),
                visible=now - began > QUIET_SECONDS,
            )

        yield told


class _Pace:
    """Speed since the first report: what comes before may be compiling, which happens once."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._first: tuple[float, float] | None = None

    def state(self, events: float, expected: float, now: float) -> str:
        """Return share done, speed and time left in words."""
        if self._first is None:
            self._first = now, events
        began, before = self._first
        share = min(events / expected, 1.0) if expected > 0 else 1.0
        if now <= began or events <= before:
            return f"{share:.0%}"
        speed = (events - before) / (now - began)
        left = max(expected - events, 0.0) / speed
        return f"{share:.0%}, {speed:.2g} {self._unit}/s, about {_duration(left)} left"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
