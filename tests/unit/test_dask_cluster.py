"""What is said of a cluster before it is used; tests/cli/test_cluster.py has real ones."""

from typing import Any

import pytest

from gnr import dask_cluster
from gnr.errors import InputError
from gnr.installed import instruction_set, source_digest

HERE = {"python": "3.11.7.final.0"} | dict.fromkeys(dask_cluster.PACKAGES, "1.0")


class Told:
    """Stands for a client whose scheduler and workers say what they are told to."""

    def __init__(self, scheduler: dict[str, str], workers: dict[str, dict[str, str]]) -> None:
        self.packages = {"client": HERE, "scheduler": scheduler}
        self.workers = workers

    def get_versions(self, packages: Any) -> dict[str, Any]:
        found: dict[str, Any] = {place: {"packages": p} for place, p in self.packages.items()}
        return found | {"workers": {place: {"packages": p} for place, p in self.workers.items()}}

    def run(self, function: Any, on_error: str = "raise") -> dict[str, Any]:
        return {place: function() for place in self.workers}

    def run_on_scheduler(self, function: Any) -> Any:
        return function()


def test_every_difference_is_told_at_once_with_places_and_remedy() -> None:
    workers = {"tcp://a": HERE | {"numpy": "0.9"}, "tcp://b": HERE | {"numpy": "0.9"}}
    client = Told(HERE | {"python": "3.12.1.final.0"}, workers)
    with pytest.raises(InputError) as refused:
        dask_cluster._refuse_other_versions(client, "tcp://s:1")
    assert [str(each) for each in refused.value.problems] == [
        "--scheduler tcp://s:1: python: is 3.11 here, 3.12 on the scheduler; use Python 3.11 "
        "everywhere",
        "--scheduler tcp://s:1: numpy: is 1.0 here, 0.9 on tcp://a and 1 more; "
        "there: pip install 'numpy==1.0'",
    ]


def test_other_sources_of_the_same_version_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Told(HERE, {"tcp://a": HERE})
    dask_cluster._refuse_other_versions(client, "tcp://s:1")
    monkeypatch.setattr(Told, "run", lambda *a, **k: {"tcp://a": ModuleNotFoundError("gnr.new")})
    with pytest.raises(InputError, match="other sources here than on tcp://a; install the same"):
        dask_cluster._refuse_other_versions(client, "tcp://s:1")
    assert len(source_digest()) == 64


def test_another_kind_of_processor_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    client = Told(HERE, {"tcp://a": HERE})
    dask_cluster._tell_other_processors(client, notes.append)
    assert not notes
    assert ": " in instruction_set()
    monkeypatch.setattr(Told, "run", lambda *a, **k: {"tcp://a": "x86_64: nothing"})
    dask_cluster._tell_other_processors(client, notes.append)
    assert "the processor of tcp://a is of another kind" in notes[0]
