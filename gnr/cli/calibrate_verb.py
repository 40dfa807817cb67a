"""``gnr calibrate``: from measured iteration times to the line and the law of a GPU."""

import re
from pathlib import Path
from typing import Annotated, Any

import typer

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

ColumnOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="QUANTITY=HEADER[:UNIT]",
        help="Name a column, its unit (s, ms, us, ns), or with QUANTITY=:UNIT the unit alone.",
    ),
]
WhereOptions = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="HEADER=VALUE", help="Take only the rows with this value."),
]


def calibrate(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="CSV or JSONL: chunk tokens, decodes, context tokens (of each), seconds; several "
            "are joined.",
        ),
    ],
    column: ColumnOptions = None,
    where: WhereOptions = None,
    within: Annotated[
        list[str] | None,
        typer.Option(
            "--within",
            metavar="QUANTITY=LOW:HIGH",
            help="Take only rows in a range: chunk, prefix, decodes, context or seconds.",
        ),
    ] = None,
    decodes: Annotated[
        float | None,
        typer.Option("--decodes", help="Decodes beside the chunk; else those measured most."),
    ] = None,
    context: Annotated[
        float | None, typer.Option("--context", help="Tokens of context of each of them.")
    ] = None,
    prefix: Annotated[
        float, typer.Option("--prefix", help="Prompt tokens before the chunk.")
    ] = 0.0,
    chunks: Annotated[
        str | None,
        typer.Option(
            "--chunks", metavar="LOW:HIGH", help="Fit the line to these; else where it is good."
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="Relative error up to which a line is good.")
    ] = 0.05,
    overhead: Annotated[
        float,
        typer.Option("--overhead", help="Seconds per iteration that the measurements lack."),
    ] = 0.0,
    instance: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="INSTANCE",
            help="Find the batch at which its plan and the law agree; write it with that line.",
        ),
    ] = None,
    set_: SetOptions = None,
    json: JsonOption = False,
    out: OutOption = None,
) -> int:
    """Fit iteration times: alpha, beta, tau_solo, how far to trust them, and a law by batch."""
    from gnr.measure.calibration import Request
    from gnr.measure.calibration import calibrate as calibrate_files
    from gnr.reading import load

    loaded = None if instance is None else load(instance, set_ or [])
    if out is not None:
        prepare_folder(out, [])
    request = Request(
        decodes=decodes,
        context=context,
        prefix=prefix,
        chunks=_ends(chunks),
        tolerance=tolerance,
        overhead=overhead,
    )
    with told_of(instance or str(files[0])):
        found = calibrate_files(
            files,
            columns=column or [],
            where=where or [],
            within=within or [],
            request=request,
            instance=loaded,
            options={"set": set_ or []},
        )
    for warning in found.warnings:
        note(f"warning: {warning}")
    if out is not None:
        _write(found, loaded, _stem(files, loaded), out)
    if json:
        print_documents([found.model_dump(mode="json", by_alias=True)])
    else:
        print_rich(found)
    settled = all(point.settled for point in found.operating_points)
    return ExitCode.DONE if settled else ExitCode.UNDECIDED


def _ends(text: str | None) -> tuple[float, float] | None:
    """Return both ends of ``LOW:HIGH``.

    Raises
    ------
    InputError
        If it has another form.
    """
    from gnr.errors import InputError, Problem

    if text is None:
        return None
    low, _, high = text.partition(":")
    try:
        return float(low), float(high)
    except ValueError as error:
        problem = Problem("chunks", "--chunks", text, "must be LOW:HIGH", "as in 256:4096")
        raise InputError([problem]) from error


def _stem(files: list[Path], instance: Any) -> str:
    if instance is not None:
        return str(instance.name)
    return re.sub(r"(\.(csv|tsv|txt|json|jsonl))?(\.gz)?$", "", files[0].name)


def _write(found: Any, instance: Any, stem: str, folder: Path) -> None:
    from gnr.plots.calibration_plot import draw_calibration
    from gnr.plots.save import save_figure
    from gnr.provenance import origin

    note(f"wrote {found.write(folder, stem)}")
    source = origin(found.provenance.instance_sha256)
    for path in save_figure(draw_calibration(found), folder, f"{stem}.calibration", source):
        note(f"wrote {path}")
    if instance is not None:
        from gnr.instance_text import to_toml
        from gnr.measure.calibration import calibrated

        path = folder / f"{instance.name}.calibrated.toml"
        path.write_text(to_toml(calibrated(instance, found)), encoding="utf-8")
        note(f"wrote {path}")
