"""Work in parts: here in order, elsewhere side by side, and an end that leaves nothing behind."""

import math
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator

import joblib
import psutil
import pytest

from gnr import installed
from gnr.errors import InputError, Problem
from gnr.spreading import _done, _packed, spread, spreads, usable_cores

TWO = {"backend": "loky", "n_jobs": 2}


def test_in_this_process_each_part_is_done_when_it_is_asked_for() -> None:
    asked: list[int] = []

    def run(part: int) -> int:
        asked.append(part)
        return 2 * part

    results = spread(run, [5, 6, 7])
    assert not spreads()
    assert next(results) == (0, 10)
    assert asked == [5]
    assert list(results) == [(1, 12), (2, 14)]


def test_two_processes_do_all_parts_on_one_core_each_and_spread_no_further() -> None:
    with joblib.parallel_config(**TWO):
        assert spreads()
        assert sorted(spread(math.sqrt, [1, 4, 9])) == [(0, 1.0), (1, 2.0), (2, 3.0)]
        names = ("usable_cores", "spreads")
        inside = spread(eval, [f"__import__('gnr.spreading').spreading.{name}()" for name in names])
        assert dict(inside) == {0: 1, 1: False}
    assert usable_cores() == len(os.sched_getaffinity(0))


def test_a_fault_in_a_part_comes_back_and_the_next_work_is_done() -> None:
    with joblib.parallel_config(**TWO):
        with pytest.raises(ZeroDivisionError):
            list(spread(eval, ["1 / 0"] * 3))
        with pytest.raises(InputError, match="ended from outside"):
            list(spread(os._exit, [1]))
        assert dict(spread(math.sqrt, [4])) == {0: 2.0}


def test_closing_takes_back_what_is_not_done_and_says_nothing(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with joblib.parallel_config(**TWO):
        results = spread(time.sleep, [0.0, *[60.0] * 8])
        assert next(results) == (0, None)
        began = time.monotonic()
        results.close()
    assert time.monotonic() - began < 10
    assert not list(_sleeping())
    assert capfd.readouterr().err == ""


def _sleeping() -> Iterator[psutil.Process]:
    """Yield worker processes of this one; the one that counts their resources stays."""
    for child in psutil.Process().children(recursive=True):
        if "loky" in (words := " ".join(child.cmdline())) and "resource_tracker" not in words:
            yield child


ENDLESS = """
import os, joblib
from gnr.spreading import spread
with joblib.parallel_config("loky", n_jobs=2):
    numbers = ["__import__('os').getpid()"] * 2
    for _, worker in spread(eval, numbers + ["__import__('time').sleep(600)"] * 2):
        print(worker, flush=True)
"""


def test_workers_end_with_a_parent_that_was_killed() -> None:
    """One that is killed takes nothing back: its workers would compute or wait for ever."""
    command = [sys.executable, "-c", ENDLESS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = {psutil.Process(int(parent.stdout.readline())) for _ in range(2)}
        parent.kill()
    _, alive = psutil.wait_procs(list(workers), timeout=20)
    for each in alive:
        each.kill()
    assert not alive


def test_a_worker_with_another_gnr_refuses_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    part = _packed(3, math.sqrt, 4.0)
    assert pickle.loads(_done(part)) == (3, 2.0)
    monkeypatch.setattr("gnr.spreading.installation_digest", lambda: "another")
    with pytest.raises(InputError, match="another gnr"):
        _done(part)


def test_problems_survive_the_way_back_from_a_worker() -> None:
    error = InputError([Problem("range", "--gpus", "", "must be positive", "say 20")])
    again = pickle.loads(pickle.dumps(error))
    assert again.problems == error.problems
    assert str(again) == str(error)


def test_another_library_is_another_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept parts and workers that join later go by it."""
    before = installed.installation_digest.__wrapped__()
    monkeypatch.setattr(installed, "version", lambda name: "0.0" if name == "numba" else "1.0")
    assert installed.installation_digest.__wrapped__() != before


def test_the_digest_covers_every_package_once() -> None:
    names = set(installed._sources())
    assert {"gnr.spreading", "gnr.models.solver", "gnr.validation.studies.comparison"} <= names
    assert {"gnr.proofs.kit.__init__", "gnr.instances.__init__"} <= names
