"""``gnr compare --random``: policies over instances drawn by one rule."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from gnr.cli.console import ExitCode, note, print_json, print_rich

CELLS = "cells"
"""Folder of the finished cells, inside the output folder."""


def compare_random(
    count: int,
    policies: str | Sequence[str],
    sizes: Sequence[int],
    laws: Sequence[str],
    account: str | None,
    setting: Any,
    place: AbstractContextManager[None],
    *,
    as_json: bool,
    out: Path | None,
) -> int:
    """Run the survey at a place, keep every cell that is done, print and draw.

    Returns the exit code.
    """
    from gnr.cli.progress import progress_of_events
    from gnr.simulation import Simulation
    from gnr.validation.part_folder import PartFolder
    from gnr.validation.studies.survey import prepare_survey, survey

    work = prepare_survey(count, policies, sizes, laws, account=account, setting=setting)
    store = None if out is None else PartFolder(out / CELLS, Simulation)
    if store is None:
        note("without --out nothing is kept: if interrupted, the work is lost")
    expected = work.expected_events(store)

    def told(one: Any, known: int) -> None:
        cells = len(work.cells(one))
        note(f"instance {one.number} ({one.number + 1} of {count}): {cells} cells, {known} kept")

    try:
        with place, progress_of_events(f"{count} random instances", expected) as progress:
            found = survey(work, store, progress=progress, told=told)
    except KeyboardInterrupt:
        if store is not None:
            note(f"finished cells are in {store.path}; the same command goes on")
        raise
    for warning in found.warnings:
        note(f"warning: {warning}")
    if out is not None:
        for path in [*found.write(out), *_draw(found, out)]:
            note(f"wrote {path}")
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        print_rich(found)
    return ExitCode.DONE if found.complete else ExitCode.INTERRUPTED


def _draw(found: Any, folder: Path) -> list[Path]:
    from gnr.plots.save import save_figure
    from gnr.plots.survey_plot import draw_survey
    from gnr.provenance import origin

    source = origin(found.provenance.instance_sha256)
    return save_figure(draw_survey(found), folder, f"{found.stem}.comparison.gaps", source)
