"""What stands of the paper's evaluation as a page, from the kept run of ``gnr reproduce all``."""

import re
from collections.abc import Iterator

from kept_results import newest
from sphinx.application import Sphinx

from gnr.report import write_report
from gnr.reproduction import Claim, Experiment, Reproduction
from gnr.reproduction_words import (
    FINDINGS,
    MARK_OF_MET,
    MARKS,
    caution_text,
    condition_text,
    counted,
    counts_text,
    duration_text,
    name_of,
    verdict_text,
)

PAGE = "evaluation"


def kept_reproduction() -> Reproduction:
    """Return the newest run that was kept."""
    return Reproduction.model_validate_json(newest("reproduction").read_text(encoding="utf-8"))


def escaped(text: str) -> str:
    """Return text as Markdown that shows it as it stands."""
    return re.sub(r"([\\`*_{}\[\]<>|$#])", r"\\\1", text)


def lines_of(found: Reproduction) -> Iterator[str]:
    """Yield the lines of the page: when it was run, all verdicts, every claim."""
    origin = found.provenance
    claims = [claim for each in found.experiments for claim in each.claims]
    yield f"{counts_text(claims)}."
    yield f"Run with version {origin.version} on {origin.machine}, Python"
    yield f"{origin.versions['python']}, in {duration_text(origin.wall_time_s)}."
    yield f"Intervals have a confidence of {found.confidence:.1%}: with at least"
    yield f"{found.joint:.1%}, chance has made no verdict wrong."
    yield ""
    yield f"| experiment | verdict | {' | '.join(MARKS[each] for each in FINDINGS)} |"
    yield "|---|---|" + "--:|" * len(FINDINGS)
    for each in found.experiments:
        counts = dict(counted(each.claims))
        cells = " | ".join(str(counts.get(finding, "")) for finding in FINDINGS)
        title = escaped(f"{name_of(each.name)}: {each.title}")
        verdicts = ", ".join(f"{MARKS[one]} {one}" for one in each.verdicts)
        yield f"| {title} | {verdicts} | {cells} |"
    for each in found.experiments:
        yield from _experiment(each)


def _experiment(of: Experiment) -> Iterator[str]:
    yield from ("", f"## {escaped(f'{name_of(of.name)}: {of.title}')}", "")
    for claim in of.claims:
        yield from _claim(claim, of)
    yield from ("", "What was chosen where the paper is silent:", "")
    yield from (f"- {escaped(choice)}" for choice in of.choices)
    for warning in of.warnings:
        yield from ("", f"Warning: {escaped(warning)}")


def _claim(claim: Claim, of: Experiment) -> Iterator[str]:
    verdict = f"{MARKS[claim.finding]} {verdict_text(claim)}"
    yield f"- **{verdict}**: {escaped(claim.says)} ({escaped(claim.source)})"
    for condition in claim.conditions:
        yield f"  - {MARK_OF_MET[condition.met]} {escaped(condition_text(condition, of))}"
    if caution := caution_text(claim, of):
        yield f"  - {escaped(caution)}"


def _add_verdicts(app: Sphinx, page: str, source: list[str]) -> None:
    if page == PAGE:
        source[0] += "\n".join(lines_of(kept_reproduction()))
        app.env.note_dependency(newest("reproduction"))


def _add_report(app: Sphinx, exception: Exception | None) -> None:
    if exception is None:
        write_report(kept_reproduction(), app.outdir)


def setup(app: Sphinx) -> dict[str, bool]:
    """Append the verdicts to their page, and lay the report with its pictures beside it."""
    app.connect("source-read", _add_verdicts)
    app.connect("build-finished", _add_report)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
