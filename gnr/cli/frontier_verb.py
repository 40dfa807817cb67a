"""``gnr frontier``: the best revenue against a promise, or against two."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
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
from gnr.errors import InputError, Problem


def frontier(
    instances: InstanceArguments,
    sli: Annotated[
        list[str] | None,
        typer.Option(
            "--sli",
            metavar="KIND[:CLASS]",
            help="The promise that moves, as in mean_tpot or mean_ttft:chat, or the name of one "
            "in the file; several times for several.",
        ),
    ] = None,
    low: Annotated[
        float | None,
        typer.Option("--from", help="Smallest bound; default: as far as it can be kept."),
    ] = None,
    high: Annotated[
        float | None,
        typer.Option("--to", help="Largest bound; default: as far as it costs something."),
    ] = None,
    map_: Annotated[
        bool, typer.Option("--map", help="Both of two --sli at once, as a contour map on a grid.")
    ] = False,
    points: Annotated[
        int, typer.Option("--points", help="With --map: bounds of each promise.")
    ] = 25,
    set_: SetOptions = None,
    json: JsonOption = False,
    out: OutOption = None,
) -> int:
    """Trace what a promise costs, exactly: every breakpoint, the price between them, a picture."""
    chosen = sli or []
    _refuse(chosen, low, high, map_)
    loaded = load_all(instances, set_ or [])
    if out is not None:
        prepare_folder(out, loaded)
    _refuse_unknown(chosen, instances, loaded)
    results: list[Any] = []
    for source, instance in zip(instances, loaded, strict=True):
        found: list[Any] = []
        with told_of(source):
            if map_:
                traced = _map(instance, chosen[0], chosen[1], points, set_ or [])
            else:
                traced = _frontiers(instance, chosen, low, high, set_ or [])
            for each in traced:
                found.append(each)
                if out is not None:
                    note(f"wrote {each.write(out)}")
        results += found
        if out is not None:
            _draw(instance, found, out, map_)
    for result in results:
        for warning in result.warnings:
            note(f"warning: {result.instance}: {warning}")
    if json:
        print_documents([each.model_dump(mode="json", by_alias=True) for each in results])
    else:
        print_rich(*results)
    return ExitCode.DONE if all(each.verified for each in results) else ExitCode.UNDECIDED


def _refuse(chosen: Sequence[str], low: float | None, high: float | None, map_: bool) -> None:
    """Raise `InputError` for options that do not go together."""
    problems = []
    if not chosen:
        problems.append(("--sli", "no promise is named", "say --sli mean_tpot"))
    if len(set(chosen)) < len(chosen):
        problems.append(("--sli", "the same is named twice", "name it once"))
    if map_ and len(chosen) != 2:
        problems.append(("--map", f"needs two --sli, got {len(chosen)}", "name two"))
    if (low is not None or high is not None) and (map_ or len(chosen) > 1):
        problems.append(
            ("--from, --to", "are bounds of one promise, and several are named", "name one --sli")
        )
    if low is not None and high is not None and low > high:
        problems.append(("--from, --to", f"{low:g} is above {high:g}", "exchange them"))
    if problems:
        raise InputError(Problem("frontier", at, "", text, cure) for at, text, cure in problems)


def _refuse_unknown(chosen: Sequence[str], sources: Sequence[str], loaded: Sequence[Any]) -> None:
    """Raise `InputError` for a promise that an instance cannot make, before any is traced."""
    from gnr.models.moving_promise import moving_promise

    for source, instance in zip(sources, loaded, strict=True):
        with told_of(source):
            for each in chosen:
                moving_promise(instance, each)


def _frontiers(
    instance: Any,
    chosen: Sequence[str],
    low: float | None,
    high: float | None,
    overrides: Sequence[str],
) -> Iterator[Any]:
    """Yield one after the other, so that what is finished can be written."""
    from gnr.cli.progress import progress_of_events
    from gnr.models.frontiers import frontier as trace

    with progress_of_events(f"{instance.name}, frontiers", len(chosen), "frontiers") as progress:
        for done, each in enumerate(chosen):
            yield trace(
                instance,
                each,
                low=low,
                high=high,
                progress=partial(_share_done, progress, done),
                options={"set": list(overrides)},
            )


def _share_done(progress: Callable[[float], None], done: int, share: float) -> None:
    progress(done + share)


def _map(
    instance: Any, first: str, second: str, points: int, overrides: Sequence[str]
) -> Iterator[Any]:
    from gnr.cli.progress import progress_of_events
    from gnr.models.promise_map import frontier_map

    with progress_of_events(f"{instance.name}, map", points, "rows") as progress:
        yield frontier_map(
            instance,
            first,
            second,
            points=points,
            progress=progress,
            options={"set": list(overrides)},
        )


def _draw(instance: Any, found: Sequence[Any], folder: Path, map_: bool) -> None:
    from gnr.plots.save import save_figure
    from gnr.provenance import origin

    if map_:
        from gnr.plots.map_plot import draw_map

        figure, stem = draw_map(instance, found[0]), found[0].stem
    else:
        from gnr.plots.frontier_plot import draw_frontiers

        figure = draw_frontiers(instance, found)
        stem = found[0].stem if len(found) == 1 else f"{instance.name}.frontiers"
    for path in save_figure(figure, folder, stem, origin(instance.sha256())):
        note(f"wrote {path}")
