"""``gnr compare``: policies side by side on the same random numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gnr.cli.console import (
    ExitCode,
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
from gnr.cli.random_comparison import compare_random
from gnr.cli.simulation_options import (
    AccountOption,
    FidelityOption,
    HorizonOption,
    SeedOption,
    WarmupOption,
    read_names,
    read_policies,
    read_sizes,
)
from gnr.cli.workers import SchedulerOption, WorkersOption, check_place, spread_over
from gnr.errors import InputError, Problem


def compare(
    instances: Annotated[
        list[str] | None,
        typer.Argument(metavar="INSTANCE", help="Shipped names or paths of files."),
    ] = None,
    random: Annotated[
        int | None,
        typer.Option(
            "--random",
            metavar="K",
            help="Instead of INSTANCE: K instances drawn by one "
            "rule; with --out an interrupted run goes on where it stopped.",
        ),
    ] = None,
    policies: Annotated[
        str,
        typer.Option(
            "--policies", metavar="all|A,B,...", help="Names; all: those made for the accounting."
        ),
    ] = "all",
    gpus: Annotated[
        str, typer.Option("--gpus", metavar="N,N,...", help="Cluster sizes.")
    ] = "20,100,500",
    lengths: Annotated[
        str,
        typer.Option(
            "--lengths",
            metavar="LAW,LAW,...",
            help="exponential, deterministic, lognormal:CV, or a CSV file of real requests.",
        ),
    ] = "exponential",
    account: AccountOption = None,
    replications: Annotated[
        int, typer.Option("--replications", help="Independent runs, half from an empty cluster.")
    ] = 16,
    horizon: HorizonOption = None,
    warmup: WarmupOption = None,
    seed: SeedOption = 1,
    fidelity: FidelityOption = None,
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    set_: SetOptions = None,
    json: JsonOption = False,
    out: OutOption = None,
) -> int:
    """Run several policies on the same random numbers and say which earns most, and how surely."""
    _refuse_both(instances or [], random, set_ or [])
    check_place(workers, scheduler)
    names, laws = read_policies(policies), read_names(lengths)
    sizes = read_sizes("--gpus", gpus)
    loaded = load_all(instances or [], set_ or [])
    if out is not None:
        prepare_folder(out, loaded)
    from gnr.validation.studies.setting import Setting

    setting = Setting(
        replications=replications, seed=seed, warmup=warmup, horizon=horizon, fidelity=fidelity
    )
    place = spread_over(workers, scheduler)
    if random is not None:
        return compare_random(
            random, names, sizes, laws, account, setting, place, as_json=json, out=out
        )
    results: list[Any] = []
    with place:
        for source, instance in zip(instances or [], loaded, strict=True):
            with told_of(source):
                found = _run(instance, names, sizes, laws, account, setting, set_)
            results.append(found)
            if out is not None:
                for path in found.write(out):
                    note(f"wrote {path}")
            if not found.complete:
                break
    _print(results, json)
    if out is not None:
        for instance, found in zip(loaded, results, strict=False):
            _draw(instance, found, out)
    complete = all(result.complete for result in results)
    return ExitCode.DONE if complete else ExitCode.INTERRUPTED


def _refuse_both(instances: Sequence[str], random: int | None, overrides: Sequence[str]) -> None:
    """Raise `InputError` unless exactly one of INSTANCE and --random is given."""
    problems = []
    if not instances and random is None:
        problems.append(
            ("INSTANCE", "nothing to compare on", "name an instance or say --random 24")
        )
    if instances and random is not None:
        problems.append(("--random", f"cannot go with {' '.join(instances)}", "leave one out"))
    if overrides and random is not None:
        problems.append(("--set", "cannot go with --random: the rule is fixed", "leave it out"))
    if problems:
        raise InputError(
            Problem("compare-what", at, "", text, remedy) for at, text, remedy in problems
        )


def _run(
    instance: Any,
    policies: str | Sequence[str],
    sizes: Sequence[int],
    laws: Sequence[str],
    account: str | None,
    setting: Any,
    overrides: Sequence[str] | None,
) -> Any:
    from gnr.cli.progress import progress_of_events
    from gnr.validation.studies.comparison import compare as study
    from gnr.validation.studies.comparison import conditions, prepare_field

    grid = conditions(sizes, laws)
    field = prepare_field(instance, policies, grid, account, setting)
    expected = sum(field.expected_events(*cell) for cell in field.cells(grid))
    with progress_of_events(f"{instance.name}, policies side by side", expected) as progress:
        return study(
            instance,
            policies,
            sizes,
            laws,
            account=account,
            setting=setting,
            progress=progress,
            told=lambda cell: note(
                f"{cell.policy}, {cell.gpus} GPUs, {cell.lengths} lengths: "
                f"gap {cell.gap.mean:.3%} ± {cell.gap.half_width:.3%}"
            ),
            options={"set": list(overrides or ())},
        )


def _draw(instance: Any, result: Any, folder: Path) -> None:
    from gnr.plots.comparison_plot import draw_gaps, draw_laws, draw_promises
    from gnr.plots.save import save_figure
    from gnr.provenance import origin

    pictures = {"gaps": draw_gaps}
    if len({each.lengths for each in result.conditions}) > 1:
        pictures["laws"] = draw_laws
    if result.promises:
        pictures["promises"] = draw_promises
    source = origin(instance.sha256())
    for kind, draw in pictures.items():
        stem = f"{instance.name}.comparison.{kind}"
        for path in save_figure(draw(instance, result), folder, stem, source):
            note(f"wrote {path}")


def _print(results: Sequence[Any], as_json: bool) -> None:
    for result in results:
        for warning in result.warnings:
            note(f"warning: {result.instance}: {warning}")
    if as_json:
        print_documents([result.model_dump(mode="json", by_alias=True) for result in results])
    else:
        print_rich(*results)
