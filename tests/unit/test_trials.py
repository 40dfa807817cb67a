"""Clusters as sizing tries them: what they show, and of which side."""

from dataclasses import replace

import pytest
from sized import demand, one_station

from gnr.latency_promise import read_promises
from gnr.validation.policies import find_policy
from gnr.validation.replications import Windows
from gnr.validation.studies import trials
from gnr.validation.studies.trials import Effort, Size, Task, Trial

SHORT = Effort(first=0, requests=200.0, warmup=1.0, horizon=1.0)


def task(policy: str, *promises: str) -> Task:
    instance = one_station(0.5)
    percentiles, others = read_promises(promises, instance)
    return Task(demand().instance_for(instance, 1), find_policy(policy), percentiles, others)


def test_an_interrupt_within_a_window_ends_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """`replicate` keeps what is complete of a window; a claim must not rest on it."""
    real = trials.replicate

    def interrupted(*arguments: object, **options: object) -> Windows:
        return replace(real(*arguments, **options), complete=False)  # type: ignore[arg-type]

    monkeypatch.setattr(trials, "replicate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Trial(task("fcfs-immediate", "p95_ttft=3"), Size(24), SHORT).run(2)
