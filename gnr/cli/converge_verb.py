"""``gnr converge``: growing clusters under a policy, and whether they reach the LP optimum."""

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
from gnr.cli.simulation_options import (
    AccountOption,
    EngineOption,
    FidelityOption,
    HorizonOption,
    LengthsOption,
    MostOption,
    PrecisionOption,
    ReplicationsOption,
    SeedOption,
    WarmupOption,
    read_share,
    read_sizes,
)
from gnr.cli.workers import SchedulerOption, WorkersOption, check_place, spread_over


def converge(
    instances: InstanceArguments,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            help="May be repeated; the pictures then show them together. Default: the paper's for "
            "the instance's pricing, under promises sli-aware-general, which keeps the planned "
            "split.",
        ),
    ] = None,
    gpus: Annotated[
        str | None,
        typer.Option("--gpus", metavar="N,N,...", help="Cluster sizes; default: 5 to 128000."),
    ] = None,
    account: AccountOption = None,
    delta: Annotated[
        str, typer.Option("--delta", help="A limit of the gap within this counts as none.")
    ] = "0.5%",
    replications: ReplicationsOption = 32,
    horizon: HorizonOption = None,
    warmup: WarmupOption = None,
    precision: PrecisionOption = None,
    most_replications: MostOption = 1024,
    seed: SeedOption = 1,
    engine: EngineOption = "compiled",
    fidelity: FidelityOption = None,
    lengths: LengthsOption = "exponential",
    workers: WorkersOption = None,
    scheduler: SchedulerOption = None,
    set_: SetOptions = None,
    json: JsonOption = False,
    out: OutOption = None,
) -> int:
    """Measure how fast clusters of growing size approach the LP optimum, and judge it."""
    check_place(workers, scheduler)
    share, tolerance = read_share("--precision", precision), read_share("--delta", delta)
    loaded = load_all(instances, set_ or [])
    if out is not None:
        prepare_folder(out, loaded)
    from gnr.validation.studies.convergence import GRID, paired_with
    from gnr.validation.studies.setting import Setting

    sizes = GRID if gpus is None else read_sizes("--gpus", gpus)
    setting = Setting(
        replications=replications,
        seed=seed,
        engine=engine,
        warmup=warmup,
        horizon=horizon,
        precision=share,
        most_replications=most_replications,
        fidelity=fidelity,
        lengths=lengths,
    )
    setting.check()
    results: list[Any] = []
    drawn: list[tuple[Any, list[Any]]] = []
    with spread_over(workers, scheduler):
        for source, instance in zip(instances, loaded, strict=True):
            of_instance: list[Any] = []
            names: list[str | None] = [*policy] if policy else [None]
            for name in names:
                with told_of(source):
                    found = _run(instance, name, sizes, account, tolerance, setting, set_)
                if of_instance:
                    found = paired_with(found, of_instance[0])
                of_instance.append(found)
                if out is not None:
                    for path in found.write(out):
                        note(f"wrote {path}")
                if not found.complete:
                    break
            results += of_instance
            drawn.append((instance, of_instance))
            if not results[-1].complete:
                break
    _print(results, json)
    if out is not None:
        for instance, of_instance in drawn:
            _draw(instance, of_instance, out)
    return _exit_code(results)


def _run(
    instance: Any,
    policy: str | None,
    sizes: Sequence[int],
    account: str | None,
    delta: float | None,
    setting: Any,
    overrides: Sequence[str] | None,
) -> Any:
    from gnr.cli.progress import progress_of_events
    from gnr.validation.studies.convergence import converge as study
    from gnr.validation.studies.convergence import expected_total

    expected = expected_total(instance, policy, sizes, setting)
    with progress_of_events(f"{instance.name}, {policy or 'its policy'}", expected) as progress:
        return study(
            instance,
            policy=policy,
            gpus=sizes,
            account=account,
            setting=setting,
            delta=0.0 if delta is None else delta,
            progress=progress,
            told=lambda point: note(
                f"{point.gpus} GPUs: gap {point.gap.mean:.3%} ± {point.gap.half_width:.3%}"
            ),
            options={"set": list(overrides or ())},
        )


def _draw(instance: Any, results: Sequence[Any], folder: Path) -> None:
    from gnr.plots.convergence_plot import draw_gap, draw_occupancies
    from gnr.plots.save import save_figure
    from gnr.provenance import origin

    label = "+".join(result.policy for result in results)
    source = origin(instance.sha256())
    for kind, draw in (("gap", draw_gap), ("occupancies", draw_occupancies)):
        stem = f"{instance.name}.{label}.{kind}"
        for path in save_figure(draw(instance, results), folder, stem, source):
            note(f"wrote {path}")


def _print(results: Sequence[Any], as_json: bool) -> None:
    for result in results:
        for warning in result.warnings:
            note(f"warning: {result.instance}, {result.policy}: {warning}")
    if as_json:
        print_documents([result.model_dump(mode="json", by_alias=True) for result in results])
    else:
        print_rich(*results)


def _exit_code(results: Sequence[Any]) -> int:
    """Return 130 if interrupted, 1 for a `no`, 3 if undecided or not as precise as asked."""
    if not all(result.complete for result in results):
        return ExitCode.INTERRUPTED
    verdicts = {result.verdict for result in results}
    if "does not converge" in verdicts:
        return ExitCode.NEGATIVE
    imprecise = any(
        point.precision is not None and not point.precision.reached
        for result in results
        for point in result.points
    )
    return ExitCode.UNDECIDED if imprecise or "undecided" in verdicts else ExitCode.DONE
