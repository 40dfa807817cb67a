"""``gnr simulate``: one cluster of n GPUs under one policy, held against the LP optimum."""

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
    MixedGpusOption,
    MostOption,
    PolicyOption,
    PrecisionOption,
    ReplicationsOption,
    SeedOption,
    WarmupOption,
    read_share,
)
from gnr.errors import InputError, Problem


def simulate(
    instances: InstanceArguments,
    gpus: Annotated[int, typer.Option("--gpus", help="Size of the cluster.")] = 500,
    mixed_gpus: MixedGpusOption = None,
    policy: PolicyOption = None,
    account: AccountOption = None,
    replications: ReplicationsOption = 32,
    horizon: HorizonOption = None,
    warmup: WarmupOption = None,
    precision: PrecisionOption = None,
    most_replications: MostOption = 1024,
    seed: SeedOption = 1,
    engine: EngineOption = "compiled",
    fidelity: FidelityOption = None,
    lengths: LengthsOption = "exponential",
    records: Annotated[
        Path | None,
        typer.Option("--records", help="Parquet file to write every request to, one by one."),
    ] = None,
    set_: SetOptions = None,
    json: JsonOption = False,
    out: OutOption = None,
) -> int:
    """Simulate a cluster of n GPUs and hold its revenue against the LP optimum."""
    share = read_share("--precision", precision)
    loaded = load_all(instances, set_ or [])
    if records is not None and len(loaded) > 1:
        raise _one_file(records)
    if out is not None:
        prepare_folder(out, loaded)
    from gnr.validation.studies.setting import Setting

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
    results = []
    for source, instance in zip(instances, loaded, strict=True):
        with told_of(source):
            result = _run(instance, policy, gpus, mixed_gpus, account, setting, set_, records)
        results.append(result)
        if records is not None:
            note(f"wrote {records}")
        if out is not None:
            note(f"wrote {result.write(out)}")
        if not result.complete:
            break
    _print(results, json)
    if out is not None:
        for instance, result in zip(loaded, results, strict=False):
            if result.fidelity == "pooled":
                _draw(instance, result, mixed_gpus, setting, out)
    return _exit_code(results)


def _one_file(records: Path) -> InputError:
    message = "holds the requests of one instance, several were given"
    remedy = "run one instance at a time"
    return InputError([Problem("records", "--records", str(records), message, remedy)])


def _run(
    instance: Any,
    policy: str | None,
    gpus: int,
    mixed_gpus: int | None,
    account: str | None,
    setting: Any,
    overrides: Sequence[str] | None,
    records: Path | None,
) -> Any:
    from gnr.cli.progress import progress_of_events
    from gnr.validation.studies.simulation import prepare

    options = {"mixed_gpus": mixed_gpus, "set": list(overrides or ())}
    study = prepare(instance, policy, account, setting, options)
    plan = study.plan(gpus, mixed_gpus)
    title = f"{instance.name}, {study.policy}, {gpus} GPUs"
    with progress_of_events(title, study.expected_events(plan)) as progress:
        return study.run(plan, progress, records)


def _draw(instance: Any, result: Any, mixed_gpus: int | None, setting: Any, folder: Path) -> None:
    from gnr.plots.course_plot import draw_courses
    from gnr.plots.save import save_figure
    from gnr.provenance import origin
    from gnr.validation.studies.courses import courses

    found = courses(
        instance, policy=result.policy, gpus=result.gpus, setting=setting, mixed_gpus=mixed_gpus
    )
    stem = f"{instance.name}.{result.policy}.courses"
    for path in save_figure(draw_courses(found), folder, stem, origin(instance.sha256())):
        note(f"wrote {path}")


def _print(results: Sequence[Any], as_json: bool) -> None:
    for result in results:
        for warning in result.warnings:
            note(f"warning: {result.instance}: {warning}")
    if as_json:
        print_documents([result.model_dump(mode="json", by_alias=True) for result in results])
    else:
        print_rich(*results)


def _exit_code(results: Sequence[Any]) -> int:
    """Return 130 if interrupted, 3 if a precision or the warm-up check was not reached, else 0."""
    if not all(result.complete for result in results):
        return ExitCode.INTERRUPTED
    settled = all(
        result.warmup_check.agree == "yes"
        and (result.precision is None or result.precision.reached)
        for result in results
    )
    return ExitCode.DONE if settled else ExitCode.UNDECIDED
