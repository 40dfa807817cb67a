"""``gnr reproduce``: the paper's experiments run again, and what stands of its claims."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gnr.cli.console import ExitCode, JsonOption, note, prepare_folder, print_json, print_rich
from gnr.cli.workers import SchedulerOption, check_place, spread_over

PARTS = "parts"
"""Folder of the finished parts, inside the output folder."""


def reproduce(
    experiments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[EXPERIMENT...]", help="figure2 to figure12, table1, table2, or all (default)."
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Three minutes, not half an hour; wider intervals."),
    ] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Seed of the random numbers; default: 2602.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="N", help="Processes; default: as many as cores."),
    ] = None,
    scheduler: SchedulerOption = None,
    json: JsonOption = False,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Where report and finished parts go.")
    ] = Path("reproduction"),
) -> int:
    """Run the paper's experiments again and say, claim by claim, what stands."""
    from dataclasses import replace

    from gnr.validation.studies.reproduction.effort import FULL, QUICK
    from gnr.validation.studies.reproduction.running import read_experiments

    check_place(workers, scheduler)
    names = read_experiments(experiments or [])
    effort = QUICK if quick else FULL
    if seed is not None:
        effort = replace(effort, seed=seed)
    prepare_folder(out, [])
    try:
        found = _run(names, effort, out / PARTS, workers, scheduler)
    except KeyboardInterrupt:
        note(f"finished parts are in {out / PARTS}; the same command goes on")
        raise
    for path in _written(found, out):
        note(f"wrote {path}")
    for warning in found.warnings:
        note(f"warning: {warning}")
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        print_rich(found)
    undecided = found.undecided
    if undecided:
        more = "; without --quick intervals are narrower" if quick else ""
        note(f"undecided: {', '.join(undecided)}{more}")
    return ExitCode.UNDECIDED if undecided else ExitCode.DONE


def _run(
    names: list[str], effort: Any, folder: Path, workers: int | None, scheduler: str | None
) -> Any:
    from gnr.cli.progress import progress_of_events
    from gnr.spreading import usable_cores
    from gnr.validation.studies.reproduction.running import outstanding
    from gnr.validation.studies.reproduction.running import reproduce as study

    missing = outstanding(names, effort, folder)
    expected = sum(part.weight for part in missing.values())
    with (
        spread_over(workers if scheduler else workers or usable_cores(), scheduler),
        progress_of_events(f"{len(missing)} parts", expected, "units of work") as progress,
    ):
        return study(names, effort, folder, progress=progress)


def _written(found: Any, folder: Path) -> list[Path]:
    from gnr.report import write_report

    return [found.write(folder), write_report(found, folder)]
