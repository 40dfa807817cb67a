"""``gnr sweep``: the optimum over one or two parameters, and what binds where."""

import math
from typing import Annotated, Any

import typer

from gnr.cli.console import (
    ExitCode,
    InstanceArguments,
    JsonOption,
    OutOption,
    SetOptions,
    load_all,
    note,
    prepare_folder,
    print_documents,
    print_rich,
    told_of,
)
from gnr.cli.workers import SchedulerOption, WorkersOption, check_place, spread_over


def sweep(
    instances: InstanceArguments,
    vary: Annotated[
        list[str],
        typer.Option(
            "--vary",
            metavar="PATH=FROM:TO[:COUNT][:log]",
            help="What to vary, once or twice; or PATH=VALUE,VALUE,...; paths as in --set. "
            "An integer takes every value if no count is given.",
        ),
    ],
    tpot_at_most: Annotated[
        float | None,
        typer.Option(
            "--tpot-at-most",
            metavar="SECONDS",
            help="Also promise this mean time per output token (mean_tpot).",
        ),
    ] = None,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    set_: SetOptions = None,
    json: JsonOption = False,
    out: OutOption = None,
) -> int:
    """Vary hardware, prices or demand: best revenue, TPOT, and which capacity is short where."""
    from gnr.cli.progress import progress_of_events
    from gnr.models.sweeps import sweep as sweep_instance
    from gnr.varying import parse_axes

    check_place(workers, scheduler)
    loaded = load_all(instances, set_ or [])
    if out is not None:
        prepare_folder(out, loaded)
    points_of: list[int] = []
    for source, instance in zip(instances, loaded, strict=True):  # before any of them is solved
        with told_of(source):
            axes = [each.axis for each in parse_axes(instance, vary)]
            points_of.append(math.prod(len(each.values) for each in axes))
    results: list[Any] = []
    with spread_over(workers, scheduler):
        for source, instance, points in zip(instances, loaded, points_of, strict=True):
            passes = 1 if tpot_at_most is None and not instance.slis else 2
            with (
                told_of(source),
                progress_of_events(f"{instance.name}, sweep", passes * points, "points") as told,
            ):
                found = sweep_instance(
                    instance,
                    vary,
                    tpot_at_most=tpot_at_most,
                    progress=told,
                    options={"set": set_ or []},
                )
            results.append(found)
            if out is not None:
                _write(instance, found, out)
            if not found.complete:
                break
    for found in results:
        for warning in found.warnings:
            note(f"warning: {found.instance}: {warning}")
    if json:
        print_documents([found.model_dump(mode="json", by_alias=True) for found in results])
    else:
        print_rich(*results)
    return _exit_code(results)


def _write(instance: Any, found: Any, folder: Any) -> None:
    from gnr.plots.save import save_figure
    from gnr.plots.sweep_plot import draw_sweep
    from gnr.provenance import origin

    for path in found.write(folder):
        note(f"wrote {path}")
    source = origin(found.provenance.instance_sha256)
    for kind, figure in draw_sweep(instance, found).items():
        for path in save_figure(figure, folder, f"{found.stem}.{kind}", source):
            note(f"wrote {path}")


def _exit_code(results: list[Any]) -> int:
    if not all(found.complete for found in results):
        return ExitCode.INTERRUPTED
    if any("undecided" in found.binding for found in results):
        return ExitCode.UNDECIDED
    nothing = any(set(found.binding) == {"infeasible"} for found in results)
    return ExitCode.NEGATIVE if nothing else ExitCode.DONE
