"""``gnr replay``: a request log on n GPUs under policies, request by request."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from gnr.cli.calibrate_verb import ColumnOptions, WhereOptions
from gnr.cli.console import (
    ExitCode,
    JsonOption,
    OutOption,
    SetOptions,
    note,
    prepare_folder,
    print_documents,
    print_rich,
    told_of,
)
from gnr.cli.simulation_options import AccountOption, MixedGpusOption, SeedOption, read_policies


def replay(
    trace: Annotated[
        Path, typer.Argument(metavar="TRACE", help="Request log with times: CSV or JSONL.")
    ],
    instance: Annotated[
        str, typer.Argument(metavar="INSTANCE", help="Shipped name or path of a file.")
    ],
    gpus: Annotated[int, typer.Option("--gpus", help="Size of the cluster.")],
    mixed_gpus: MixedGpusOption = None,
    policies: Annotated[
        str,
        typer.Option("--policies", metavar="all|A,B,...", help="Names; all that can follow."),
    ] = "gate-and-route,fcfs-immediate,price-index-fill",
    speed: Annotated[
        float | None, typer.Option("--speed", help="Let requests come so much faster.")
    ] = None,
    load: Annotated[
        float | None,
        typer.Option(
            "--load", help="In its place: at this share of the most that the plan serves in full."
        ),
    ] = None,
    law: Annotated[
        Path | None,
        typer.Option(
            "--law", metavar="FILE", help="Iteration times by batch: a .calibration.json."
        ),
    ] = None,
    kv_tokens: Annotated[
        float | None,
        typer.Option("--kv-tokens", help="KV memory of a GPU; prefills wait while it is full."),
    ] = None,
    replan: Annotated[
        float | None,
        typer.Option(
            "--replan",
            metavar="SECONDS",
            help="Also replay with a new plan every so often, for the requests of late.",
        ),
    ] = None,
    plan_for: Annotated[
        str,
        typer.Option(
            "--plan-for",
            metavar="trace|instance",
            help="Plan for the rates and lengths of the log, or for those of the file.",
        ),
    ] = "trace",
    account: AccountOption = None,
    interval: Annotated[
        float | None, typer.Option("--interval", help="Seconds between two points of a course.")
    ] = None,
    replications: Annotated[
        int, typer.Option("--replications", help="Replays, with other patience and picks of GPUs.")
    ] = 4,
    seed: SeedOption = 1,
    column: ColumnOptions = None,
    where: WhereOptions = None,
    set_: SetOptions = None,
    json: JsonOption = False,
    out: OutOption = None,
) -> int:
    """Replay a request log on n GPUs, iteration by iteration: latencies, revenue, who leaves."""
    from gnr.cli.progress import progress_of_events
    from gnr.measure.law_file import read_law
    from gnr.measure.traces import read_trace
    from gnr.reading import load as load_instance
    from gnr.validation.studies.replay_cluster import Cluster
    from gnr.validation.studies.replaying import replay as replay_trace

    loaded = load_instance(instance, set_ or [])
    found_law, measured = (None, {}) if law is None else read_law(law)
    if out is not None:
        prepare_folder(out, [loaded])
    names = _names(policies, loaded)
    size = trace.stat().st_size if trace.is_file() else 0
    with progress_of_events(f"reading {trace.name}", size, "bytes") as told:
        requests = read_trace(trace, columns=column or [], where=where or [], told=told)
    cluster = Cluster(
        gpus, found_law, kv_tokens=kv_tokens, measured=measured, mixed_gpus=mixed_gpus
    )
    if law is not None:
        cluster = replace(cluster, law_source=law.name)
    runs = len(names) * replications * (1 if replan is None else 2)
    with (
        told_of(instance),
        progress_of_events(f"replaying {trace.name}", runs * len(requests), "requests") as told,
    ):
        found = replay_trace(
            requests,
            loaded,
            cluster,
            policies=names,
            speed=speed,
            load=load,
            replan=replan,
            plan_for=plan_for,
            account=account,
            interval=interval,
            replications=replications,
            seed=seed,
            progress=told,
            options={"set": set_ or [], "column": column or [], "where": where or []},
        )
    for warning in found.warnings:
        note(f"warning: {warning}")
    if out is not None:
        _write(found, out)
    if json:
        print_documents([found.model_dump(mode="json", by_alias=True)])
    else:
        print_rich(found)
    return ExitCode.DONE if found.complete else ExitCode.INTERRUPTED


def _names(text: str, instance: Any) -> list[str]:
    """Return the policies asked for; all: those whose program has the pricing of the instance."""
    from gnr.errors import InputError
    from gnr.validation.policies import POLICIES, find_policy

    wanted = read_policies(text)
    if wanted != "all":
        try:
            return [find_policy(name).name for name in wanted]
        except InputError as error:
            renamed = [replace(each, file="--policies") for each in error.problems]
            raise InputError(renamed) from error
    scheme = instance.prices.scheme
    return [
        name
        for name, policy in POLICIES.items()
        if scheme in policy.objectives and (instance.slis or not policy.prefill_cap)
    ]


def _write(found: Any, folder: Path) -> None:
    from gnr.plots.replay_plot import draw_replay
    from gnr.plots.save import save_figure
    from gnr.provenance import origin

    note(f"wrote {found.write(folder)}")
    source = origin(found.provenance.instance_sha256)
    for path in save_figure(draw_replay(found), folder, found.stem, source):
        note(f"wrote {path}")
