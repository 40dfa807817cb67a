"""Run claims: each check in turn, or several at once, into one report."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

import sympy as sp

from gnr.errors import InputError, Problem
from gnr.proofs.kit.claim import Claim, Finding, Verdict, undecided
from gnr.proofs.kit.wording import formula, readable
from gnr.proofs.ledger import Row, expected_verdict, rows
from gnr.proofs.registry import all_claims
from gnr.provenance import record
from gnr.verdicts import (
    ClaimEntry,
    ClaimList,
    ClaimVerdict,
    FaultVerdict,
    ProofReport,
    ReadingRow,
)

FEW = 8
"""So few claims are checked in this process: starting others takes longer."""


def is_reading_row(name: str) -> bool:
    """Tell whether a name means a row of the ledger that was read, not computed."""
    return name in rows() and rows()[name].reading_only


def chosen(name: str) -> tuple[Claim, ...]:
    """Return the claims that a name means: a claim, a row, or a theorem with all its rows.

    ``L10.1-a/printed`` is one claim, ``L10.1-a`` all claims of that row, ``L10.1`` all rows of
    that lemma, ``L10`` those of all lemmas of that section; nothing fits: an empty tuple.
    """
    for fits in (
        lambda claim: claim.id == name,
        lambda claim: claim.row == name,
        lambda claim: claim.row.startswith((f"{name}-", f"{name}.")),
    ):
        found = tuple(filter(fits, all_claims()))
        if found:
            return found
    return ()


def prove(*names: str, faults: bool = False) -> ProofReport:
    """Return the verdicts on the claims, rows or theorems of these names; on all if there is none.

    Raises
    ------
    InputError
        If a name means no claim.
    """
    unknown = [name for name in names if not chosen(name) and not is_reading_row(name)]
    if unknown:
        raise InputError(
            Problem("no-claim", name, "", "is no claim, row or theorem", "see `gnr prove --list`")
            for name in unknown
        )
    claims = dict.fromkeys(claim for name in names for claim in chosen(name))
    return prove_claims(list(claims) if names else all_claims(), faults=faults, read=names)


def list_claims(claims: Sequence[Claim]) -> ClaimList:
    """Return what there is to prove, and what is expected to come out."""
    return ClaimList(
        claims=tuple(
            ClaimEntry(
                id=each.id,
                section=rows()[each.row].section,
                paper=rows()[each.row].paper,
                expected=expected_verdict(each.id) or "",
                statement=readable(each.statement),
            )
            for each in claims
        )
    )


def prove_claims(
    claims: Sequence[Claim],
    *,
    faults: bool = False,
    told: Callable[[int], None] | None = None,
    read: Sequence[str] = (),
) -> ProofReport:
    """Return the verdicts of `claims`.

    Parameters
    ----------
    claims
        What to check.
    faults
        Also run every check with its planted faults.
    told
        Called with the number of claims done so far.
    read
        Rows without a claim to tell as well; those of the theorems checked are told anyhow.
    """
    started = time.perf_counter()
    verdicts = []
    for done, verdict in enumerate(_run([claim.id for claim in claims], faults), start=1):
        verdicts.append(verdict)
        if told is not None:
            told(done)
    return ProofReport(
        claims=tuple(verdicts),
        reading_only=_readings({claim.row for claim in claims}, read),
        **{word.value: sum(each.verdict == word for each in verdicts) for word in Verdict},
        unexpected=tuple(each.id for each in verdicts if _surprising(each)),
        provenance=record(None, started, {"faults": faults}),
    )


def _run(ids: Sequence[str], faults: bool) -> Iterator[ClaimVerdict]:
    workers = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2, 16)
    if len(ids) <= FEW or workers == 1:
        yield from (check_claim(each, faults) for each in ids)
        return
    with ProcessPoolExecutor(workers, initializer=_depend_on_the_parent) as pool:
        try:
            # No future is ever cancelled, as `pool.map` would: the pool cannot fail those.
            running = [pool.submit(check_claim, each, faults) for each in ids]
            yield from (each.result() for each in running)
        except BaseException:
            with _uninterrupted():
                for worker in multiprocessing.active_children():
                    worker.terminate()
                pool.shutdown()
            raise


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let a second Ctrl-C not break off what the first one began; only a main thread gets them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _depend_on_the_parent() -> None:
    """Let a worker ignore Ctrl-C, which reaches the whole group, and end when its parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_after_the_parent, daemon=True).start()


def _end_after_the_parent() -> None:
    """End this process once its parent is gone: one that is killed leaves it waiting for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker
    parent.join()
    os._exit(1)


def check_claim(claim_id: str, faults: bool) -> ClaimVerdict:
    """Return the verdict of one claim, by its id."""
    claim = next(each for each in all_claims() if each.id == claim_id)
    row, started = rows()[claim.row], time.perf_counter()
    finding = _told_or_undecided(claim.check)
    seconds = time.perf_counter() - started
    expected = expected_verdict(claim.id)
    return ClaimVerdict(
        id=claim.id,
        row=claim.row,
        section=row.section,
        statement=readable(claim.statement),
        latex=claim.latex,
        assumptions=tuple(formula(each) for each in claim.assumptions if each != sp.true),
        cites=tuple(map(readable, claim.cites)),
        source=claim.source,
        paper=row.paper,
        verdict=finding.verdict.value,
        restriction=finding.restriction,
        supported=finding.supported,
        label=finding.label,
        evidence=tuple(dict.fromkeys(map(readable, finding.evidence))),
        expected=expected,
        as_expected=finding.label == expected,
        faults=_planted(claim) if faults else (),
        seconds=seconds,
    )


def _planted(claim: Claim) -> tuple[FaultVerdict, ...]:
    return tuple(
        FaultVerdict(
            fault=readable(each.name), verdict=_told_or_undecided(each.check).verdict.value
        )
        for each in claim.mutants
    )


def _told_or_undecided(check: Callable[[], Finding]) -> Finding:
    """Return what a check says; one that breaks down has settled nothing."""
    try:
        return check()
    except Exception as error:
        return undecided(f"the check broke down: {type(error).__name__}: {error}")


def _surprising(verdict: ClaimVerdict) -> bool:
    missed = any(each.verdict != "refuted" for each in verdict.faults)
    return missed or not verdict.as_expected


def _readings(checked: set[str], read: Sequence[str]) -> tuple[ReadingRow, ...]:
    """Return the reading-only rows that were named, and those of the theorems that were checked."""
    theorems = {row.rpartition("-")[0] for row in checked}
    return tuple(
        ReadingRow(row=row.id, section=row.section, paper=row.paper, reading=row.reading)
        for row in rows().values()
        if row.reading_only and (row.id in read or _theorem(row) in theorems)
    )


def _theorem(row: Row) -> str:
    return row.id.rpartition("-")[0]
