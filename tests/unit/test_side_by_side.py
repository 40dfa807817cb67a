"""Simulations cut into blocks: the same bits whatever the cutting, and wherever they are done."""

import itertools
from dataclasses import replace
from functools import reduce

import joblib
import numpy as np
import pytest

import gnr
from gnr.simulation import Simulation
from gnr.validation.replications import Windows
from gnr.validation.studies import blocks
from gnr.validation.studies.blocks import Block, run_block
from gnr.validation.studies.setting import Setting
from gnr.validation.studies.simulation import prepare

SHORT = {"horizon": 60.0, "warmup": 20.0}


def block(policy: str, fidelity: str, replications: int) -> Block:
    setting = Setting(replications=replications, fidelity=fidelity, **SHORT)
    study = prepare(gnr.load("two-class"), policy, None, setting)
    return study.block(study.cluster(study.plan(20)), 0, replications)


def joined(whole: Block, *cuts: int) -> Windows:
    """Return the windows of a block cut before these replications."""
    ends = [0, *cuts, whole.last]
    parts = [replace(whole, first=a, last=b) for a, b in itertools.pairwise(ends)]
    return reduce(Windows.joined, map(run_block, parts))


def same(one: Windows, other: Windows) -> bool:
    """Tell whether two windows are equal bit by bit, what they took apart."""
    records = zip(vars(one.records).values(), vars(other.records).values(), strict=True)
    arrays = [*records, (one.started_empty, other.started_empty)]
    return one.events == other.events and all(np.array_equal(a, b) for a, b in arrays)


@pytest.mark.parametrize("fidelity", ["pooled", "per-gpu"])
def test_blocks_join_to_the_same_bits_whatever_the_cutting(fidelity: str) -> None:
    whole = block("gate-and-route", fidelity, 70)
    expected = run_block(whole)
    assert same(joined(whole, 16, 32, 48, 64), expected)
    assert same(joined(whole, 1, 7, 40), expected)


def test_that_check_sees_blocks_with_the_numbers_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = block("gate-and-route", "per-gpu", 6)
    expected = run_block(whole)
    seeds = blocks.replicate
    monkeypatch.setattr(blocks, "replicate", lambda *a, **k: seeds(*a, **(k | {"first": 0})))
    assert not same(joined(whole, 2), expected)


@pytest.mark.parametrize("fidelity", ["pooled", "per-gpu"])
def test_blocks_are_cut_by_their_work_and_cover_every_replication_once(
    fidelity: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = block("gate-and-route", fidelity, 40)
    assert whole.cut() == [whole]
    monkeypatch.setitem(blocks.CUT_EVENTS, fidelity, whole.expected_events / 10)
    parts = whole.cut()
    assert [each for part in parts for each in range(part.first, part.last)] == list(range(40))
    assert len(parts) == (10 if fidelity == "per-gpu" else 3)


def test_a_comparison_in_two_processes_is_that_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(blocks.CUT_EVENTS, "per-gpu", 1e4)
    instance, policies = gnr.load("two-class"), ["gate-and-route", "fcfs-immediate"]
    here = gnr.compare(instance, policies, [5, 20], replications=6, **SHORT)
    told: list[str] = []
    heard: list[float] = []
    with joblib.parallel_config("loky", n_jobs=2):
        there = gnr.compare(
            instance, policies, [5, 20], replications=6, progress=heard.append,
            told=lambda cell: told.append(cell.policy), **SHORT,
        )  # fmt: skip
    assert [plain(cell) for cell in there.cells] == [plain(cell) for cell in here.cells]
    assert there.pairs == here.pairs
    assert sorted(told) == sorted(2 * policies)
    assert heard == sorted(heard)
    assert heard[-1] == sum(cell.events for cell in here.cells)
    assert all(cell.events_per_second is None for cell in here.cells)


def plain(cell: Simulation) -> object:
    return cell.model_dump(exclude={"provenance"})
