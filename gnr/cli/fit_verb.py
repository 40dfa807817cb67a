"""``gnr fit``: from a request log to classes, an instance and a demand file."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gnr.cli.console import (
    ExitCode,
    JsonOption,
    OutOption,
    note,
    prepare_folder,
    print_json,
    print_rich,
)
from gnr.cli.simulation_options import read_names
from gnr.measure.fit_request import AUTO, DEFAULT_LIKE, DEFAULT_PATIENCE


def fit(
    log: Annotated[
        Path,
        typer.Argument(metavar="LOG", help="CSV or JSON lines, also gzipped; by its content."),
    ],
    classes: Annotated[
        str,
        typer.Option(
            "--classes",
            metavar="K|auto",
            help="Number of request classes; auto: until one more explains less than 5 % more.",
        ),
    ] = AUTO,
    column: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="NAME=HEADER[:UNIT]",
            help="Where arrival, prompt, output or cached is, as in arrival=when:ms. Units of "
            "time: s, ms, us, ns; of cached: tokens, blocks. Known layouts need none.",
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", metavar="COLUMN=VALUE", help="Use only these rows; all of several hold."
        ),
    ] = None,
    gpus: Annotated[
        float | None, typer.Option("--gpus", metavar="N", help="GPUs that serve this log.")
    ] = None,
    load: Annotated[
        float | None,
        typer.Option(
            "--load",
            metavar="F",
            help="Scale the rates to F times what can be served in full; 1.1 unless --gpus.",
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option("--rate", metavar="R", help="Requests/s in all, not the log's own."),
    ] = None,
    like: Annotated[
        str,
        typer.Option("--like", metavar="INSTANCE", help="Whose GPU and prices are taken."),
    ] = DEFAULT_LIKE,
    patience: Annotated[
        float,
        typer.Option(
            "--patience", metavar="THETA", help="1/s at which waiting requests leave; assumed."
        ),
    ] = DEFAULT_PATIENCE,
    prefix_caching: Annotated[
        bool,
        typer.Option("--prefix-caching", help="Plan with what a prefix cache leaves of prompts."),
    ] = False,
    block_tokens: Annotated[
        float,
        typer.Option("--block-tokens", metavar="N", help="Tokens of a block of that cache."),
    ] = 512.0,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Of the instance; else from the file's name."),
    ] = None,
    names: Annotated[
        str | None,
        typer.Option(
            "--names", metavar="A,B,...", help="Of the classes, most requests first; else by means."
        ),
    ] = None,
    title: Annotated[
        str | None, typer.Option("--title", help="Of the instance; else from the file's name.")
    ] = None,
    origin: Annotated[
        str, typer.Option("--origin", help="Where the log comes from, for the instance's source.")
    ] = "",
    seed: Annotated[int, typer.Option("--seed", help="Of the clustering and resamples.")] = 0,
    json: JsonOption = False,
    out: OutOption = None,
) -> int:
    """Make an instance and a demand file of a request log; say how far to trust them."""
    from gnr.cli.progress import progress_of_events
    from gnr.measure.fitting import fit as fit_log

    if out is not None:
        prepare_folder(out, [])
    size = log.stat().st_size / 1e6 if log.is_file() else 0.0
    with progress_of_events(f"{log.name}, two passes", 2 * size, "MB") as told:
        found = fit_log(
            log,
            classes,
            name=name,
            columns=column or [],
            where=where or [],
            gpus=gpus,
            load=load,
            rate=rate,
            like=like,
            patience=patience,
            prefix_caching=prefix_caching,
            block_tokens=block_tokens,
            seed=seed,
            names=read_names(names or ""),
            title=title,
            origin=origin,
            progress=told,
            options={
                "classes": classes, "column": column or [], "where": where or [], "gpus": gpus,
                "load": load, "rate": rate, "like": like, "patience": patience,
                "prefix_caching": prefix_caching, "block_tokens": block_tokens, "name": name,
                "names": names, "title": title, "origin": origin,
            },
        )  # fmt: skip
    if out is not None:
        _write(found, out)
    for warning in found.warnings:
        note(f"warning: {found.name}: {warning}")
    if json:
        print_json(found.model_dump(mode="json", by_alias=True))
    else:
        print_rich(found)
    return ExitCode.DONE


def _write(found: Any, folder: Path) -> None:
    from gnr.plots.fit_plot import draw_fit
    from gnr.plots.save import save_figure
    from gnr.provenance import origin

    for path in found.write(folder):
        note(f"wrote {path}")
    if found.demand_csv() is None:
        note("no demand file: the rate in all is not known (--rate R)")
    source = f"{origin(found.provenance.instance_sha256)}, log sha256 {found.log.sha256}"
    for path in save_figure(draw_fit(found), folder, f"{found.name}.fit", source):
        note(f"wrote {path}")
