"""A real Dask cluster on loopback: a scheduler and workers as processes that surely end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

WAIT_SECONDS = 60.0
"""Longest wait for a process to say that it is there."""

OTHER_SOURCES = """
import gnr.installed, gnr.spreading
gnr.installed.source_digest = gnr.spreading.installation_digest = lambda: "other"
"""
"""What a worker loads first to pass for one with another commit of gnr."""


def other_version(package: str, version: str | None) -> str:
    """Return what a worker loads first to pass for one with another version of a package."""
    return (
        "import distributed.versions as v\n"
        "v.get_package_info = lambda names, of=v.get_package_info: "
        f"of(names) | {{{package!r}: {version!r}}}\n"
    )


@dataclass
class DaskCluster:
    """A scheduler at an address, and the workers that were started for it.

    Attributes
    ----------
    address
        As ``--scheduler`` takes it.
    folder
        Where the processes write.
    processes
        All of them, the scheduler first.
    """

    address: str
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def add_worker(self, preload: str = "") -> subprocess.Popen[bytes]:
        """Start a worker of one thread that loads the source `preload` first."""
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "30"]
        options += ["--local-directory", str(self.folder)]
        if preload:
            planted = self.folder / f"preload{len(self.processes)}.py"
            planted.write_text(preload)
            options += ["--preload", str(planted)]
        worker = _started(self.folder, "dask_worker", self.address, *options)
        self.processes.append(worker)
        return worker

    def ask(self, expression: str) -> str:
        """Return what an expression in `client` prints, evaluated in a process of its own."""
        script = (
            "from distributed import Client\n"
            f"with Client({self.address!r}, timeout=30) as client: print({expression})"
        )
        asked = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
        )
        return asked.stdout.strip()


@contextmanager
def dask_cluster(folder: Path, workers: int, preload: str = "") -> Iterator[DaskCluster]:
    """Yield a scheduler with so many workers; all are gone afterwards, whatever happens."""
    told = folder / "scheduler.json"
    told.unlink(missing_ok=True)
    options = [
        "--host",
        "127.0.0.1",
        "--port",
        "0",
        "--no-dashboard",
        "--idle-timeout",
        "10 minutes",
    ]
    scheduler = _started(folder, "dask_scheduler", *options, "--scheduler-file", str(told))
    cluster = DaskCluster("", folder, [scheduler])
    try:
        cluster.address = _address(told, scheduler)
        for _ in range(workers):
            cluster.add_worker(preload)
        if workers:
            cluster.ask(f"client.wait_for_workers({workers}, timeout={WAIT_SECONDS})")
        yield cluster
    finally:
        for process in cluster.processes:
            process.kill()
        for process in cluster.processes:
            process.wait()


def _started(folder: Path, module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a command of Dask in a session of its own, so that no Ctrl-C of ours reaches it."""
    command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments]
    with (folder / f"{module}.log").open("ab") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)


def _address(told: Path, scheduler: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline and scheduler.poll() is None:
        try:
            return str(json.loads(told.read_text())["address"])
        except (OSError, ValueError, KeyError):  # not there, or not all of it
            time.sleep(0.1)
    raise TimeoutError("no scheduler")


def _session(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except ProcessLookupError:
        return None


class Command:
    """A `gnr` command in a process of its own, read while it runs."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gnr", *arguments],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self.lines: list[str] = []

    def until(self, words: str) -> None:
        """Read its notes up to one that has these words."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line)
            if words in line:
                return
        raise AssertionError(f"it ended without saying {words!r}: {''.join(self.lines)}")

    def interrupt(self) -> None:
        """Press Ctrl-C: every process of its session gets the signal."""
        os.killpg(self._process.pid, signal.SIGINT)

    def left_over(self) -> list[str]:
        """Return the command lines of what it started and what has not ended by itself."""
        ours = [each for each in psutil.process_iter() if _session(each) == self._process.pid]
        _, alive = psutil.wait_procs(ours, timeout=10)
        return [" ".join(each.cmdline()) for each in alive]

    def end(self, seconds: float = 120) -> tuple[int, str]:
        """Return its exit code and all of its notes."""
        try:
            _, rest = self._process.communicate(timeout=seconds)
        finally:
            self._process.kill()
        return self._process.returncode, "".join([*self.lines, rest])
