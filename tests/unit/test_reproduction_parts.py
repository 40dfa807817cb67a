"""Which parts of a reproduction are taken for which: by gnr, by processor and by effort."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from gnr.validation.studies.reproduction import parts, running
from gnr.validation.studies.reproduction.effort import FULL, QUICK, Effort
from gnr.validation.studies.reproduction.parts import FIELDS, ClusterPart, ClusterRun
from gnr.validation.studies.reproduction.registry import REBUILDS

EVERY_KIND = ("figure5", "figure8", "figure9")
"""Experiments that have parts of every kind together."""


@dataclass
class MadeUp:
    """Runs in the place of simulated ones; each is told."""

    told: list[ClusterPart] = field(default_factory=list)

    def run(self, part: ClusterPart) -> ClusterRun:
        self.told.append(part)
        random = np.random.default_rng([part.gpus, part.replications])
        shape = (len(FIELDS), len(part.instance.classes), part.replications)
        values = random.uniform(0.9, 1.1, shape).tolist()
        return ClusterRun(
            policy=part.policy,
            gpus=part.gpus,
            fidelity=part.fidelity,
            revenue={},
            occupancy=dict(zip(FIELDS, values, strict=True)),
            horizon_s=part.gpu_seconds / part.gpus,
            warnings=(),
        )


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    found = MadeUp()
    monkeypatch.setattr(ClusterPart, "run", lambda part: found.run(part))
    return found


def reproduced(effort: Effort, folder: Path) -> str:
    """Return figure 5 as it comes out of the parts in a folder and what they lack."""
    return running.reproduce(["figure5"], effort, folder).model_dump_json(exclude={"provenance"})


def test_parts_of_both_efforts_lie_side_by_side(made_up: MadeUp, tmp_path: Path) -> None:
    """Neither effort takes the other's parts for its own, and neither computes its own again."""
    quick = reproduced(QUICK, tmp_path)
    full = reproduced(FULL, tmp_path)
    sizes = len(REBUILDS["figure5"].parts(QUICK))
    assert [each.replications for each in made_up.told] == [16] * sizes + [32] * sizes
    assert len(list(tmp_path.iterdir())) == 2 * sizes
    assert reproduced(QUICK, tmp_path) == quick
    assert reproduced(FULL, tmp_path) == full
    assert len(made_up.told) == 2 * sizes
    assert full != quick


def test_another_seed_has_parts_of_its_own(made_up: MadeUp, tmp_path: Path) -> None:
    reproduced(QUICK, tmp_path)
    other = replace(QUICK, seed=1)
    assert len(running.outstanding(["figure5"], other, tmp_path)) == len(made_up.told)


@pytest.mark.parametrize("told", ["installation_digest", "instruction_set"])
def test_a_part_of_another_gnr_or_kind_of_processor_is_not_taken_for_ours(
    told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both may decide last digits; so it is with parts of every kind."""
    todo = [each for name in EVERY_KIND for each in REBUILDS[name].parts(QUICK).values()]
    assert len({type(each) for each in todo}) == 3
    before = [each.key() for each in todo]
    assert before == [each.key() for each in todo]
    monkeypatch.setattr(parts, told, lambda: "another")
    for each, ours in zip(todo, before, strict=True):
        assert sum(each.key()[name] != ours[name] for name in ours) == 1
