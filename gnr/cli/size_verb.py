"""``gnr size``: the fewest GPUs that serve a demand under its promises."""

from collections.abc import Sequence
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
from gnr.cli.simulation_options import LengthsOption, SeedOption, read_names
from gnr.errors import InputError, Problem


def size(
    instances: InstanceArguments,
    demand: Annotated[
        Path | None,
        typer.Option(
            "--demand", metavar="FILE", help="CSV class,requests_per_second, as gnr fit writes."
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate", help="In its place: requests/s in all, shared as in the (first) instance."
        ),
    ] = None,
    promise: Annotated[
        list[str] | None,
        typer.Option(
            "--promise",
            metavar="KIND[:CLASS]=BOUND",
            help="p99_ttft=500ms, p95_tpot:chat=30ms, p50_end_to_end=20, abandonment_fraction=1%, "
            "or another kind of promise; those of the instance are kept too.",
        ),
    ] = None,
    scale: Annotated[
        float, typer.Option("--scale", help="Size for so many times the demand of the file.")
    ] = 1.0,
    policies: Annotated[
        str | None,
        typer.Option("--policies", metavar="A,B,...", help="Ways to run the cluster."),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            "--calibration", metavar="FILE", help="Uncertain iteration times: a .calibration.json."
        ),
    ] = None,
    fit: Annotated[
        Path | None,
        typer.Option("--fit", metavar="FILE", help="Uncertain rates and lengths: a .fit.json."),
    ] = None,
    uncertain: Annotated[
        list[str] | None,
        typer.Option(
            "--uncertain",
            metavar="KEY[:CLASS]=SHARE",
            help="What you state yourself: demand=20%, output_tokens:chat=10%, patience=50%, ...",
        ),
    ] = None,
    lengths: LengthsOption = "exponential",
    seed: SeedOption = 1,
    set_: SetOptions = None,
    json: JsonOption = False,
    out: OutOption = None,
) -> int:
    """Find the fewest GPUs that serve a demand under promises, with 95 % confidence."""
    loaded = load_all(instances, set_ or [])
    if out is not None:
        prepare_folder(out, loaded)
    from gnr.cli.next_commands import next_commands
    from gnr.latency_promise import read_promises
    from gnr.measure.uncertain_inputs import read_uncertain_inputs

    demanded = _scaled(_demand(demand, rate, loaded[0]), scale)
    names = None if policies is None else read_names(policies)
    options = {"set": set_ or [], "promise": promise or [], "scale": scale}
    asked = []
    for source, instance in zip(instances, loaded, strict=True):
        with told_of(source):
            inputs = read_uncertain_inputs(instance, demanded, calibration, fit, uncertain or [])
            # Sizing reads them again: here all faults are told before the first simulation.
            read_promises(promise or [], instance)
            asked.append((source, instance, inputs))
    results = []
    for source, instance, inputs in asked:
        with told_of(source):
            results.append(
                _size(
                    instance,
                    demand=demanded,
                    promises=promise or [],
                    policies=names,
                    lengths=lengths,
                    seed=seed,
                    inputs=inputs,
                    options=options,
                )
            )
        commands = next_commands(
            results[-1],
            source,
            instance,
            set_ or [],
            law=calibration,
            speed=1.0 if demand is None else scale,
        )
        results[-1] = results[-1].model_copy(update={"next_commands": commands})
        if out is not None:
            _write(results[-1], out)
        if not results[-1].complete:
            break
    _print(results, json)
    return _exit_code(results)


def _demand(file: Path | None, rate: float | None, instance: Any) -> Any:
    """Return the demand of a file, or so many requests/s shared as in an instance."""
    from gnr.demand import Demand, read_demand

    if (file is None) == (rate is None):
        message = "a demand is asked for, once"
        raise InputError([Problem("demand-missing", "--demand", "", message, _HOW_MUCH)])
    if file is not None:
        return read_demand(file)
    if rate is None or not 0 < rate < float("inf"):
        message = f"must be above 0 and finite, got {rate} (requests/s)"
        raise InputError([Problem("rate-range", "--rate", "", message, "say --rate 553")])
    total = sum(each.arrival_rate for each in instance.classes)
    rates = {each.name: each.arrival_rate / total * rate for each in instance.classes}
    return Demand(source=f"{rate:g} requests/s, shared as in {instance.name}", rates=rates)


_HOW_MUCH = "name a file with --demand demand.csv, or say --rate 553"


def _scaled(demand: Any, factor: float) -> Any:
    if not 0 < factor < float("inf"):
        message = f"must be above 0 and finite, got {factor}"
        raise InputError([Problem("scale-range", "--scale", "", message, "say --scale 10")])
    return demand if factor == 1 else demand.scaled(factor)


def _size(instance: Any, policies: Sequence[str] | None, **asked: Any) -> Any:
    from gnr.cli.progress import progress_of_steps
    from gnr.validation.studies.sizing import POLICIES
    from gnr.validation.studies.sizing import size as size_instance

    names = POLICIES if policies is None else policies
    with progress_of_steps(instance.name) as tell:
        return size_instance(instance, policies=names, tell=tell, **asked)


def _write(result: Any, folder: Path) -> None:
    from gnr.plots.save import save_figure
    from gnr.plots.sizing_plot import draw_sizing
    from gnr.provenance import origin

    note(f"wrote {result.write(folder)}")
    source = origin(result.provenance.instance_sha256)
    for path in save_figure(draw_sizing(result), folder, f"{result.instance}.size", source):
        note(f"wrote {path}")


def _print(results: Sequence[Any], as_json: bool) -> None:
    for result in results:
        for warning in result.warnings:
            note(f"warning: {result.instance}: {warning}")
    if as_json:
        print_documents([each.model_dump(mode="json", by_alias=True) for each in results])
        return
    print_rich(*results)
    if len(results) > 1:
        from gnr.sizing_summary import compare_profiles

        print_rich(compare_profiles(results))


def _exit_code(results: Sequence[Any]) -> int:
    """Return 130 if interrupted, 1 if some instance has no size, 3 if one is not settled."""
    if not all(each.complete for each in results):
        return ExitCode.INTERRUPTED
    if any(each.choice is None for each in results):
        return ExitCode.NEGATIVE
    return ExitCode.DONE if all(each.settled for each in results) else ExitCode.UNDECIDED
