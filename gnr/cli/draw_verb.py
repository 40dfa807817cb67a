"""``gnr draw``: the network of stations and transitions, with the flows of the optimum."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gnr.cli.console import (
    ExitCode,
    InstanceArguments,
    JsonOption,
    SetOptions,
    load_all,
    note,
    prepare_folder,
    print_documents,
)


class Format(StrEnum):
    """File formats of a drawing."""

    SVG = "svg"
    PNG = "png"
    GRAPHML = "graphml"


def draw(
    instances: InstanceArguments,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write to.")] = Path(),
    format_: Annotated[
        list[Format] | None,
        typer.Option("--format", help="May be repeated; all three by default."),
    ] = None,
    flows: Annotated[
        bool, typer.Option("--flows/--no-flows", help="Solve, and show the flows on the edges.")
    ] = True,
    set_: SetOptions = None,
    json: JsonOption = False,
) -> int:
    """Draw the network of an instance: stations, transitions and the optimal flows."""
    from gnr.drawing import draw_network

    loaded = load_all(instances, set_ or [])
    prepare_folder(out, loaded)
    documents, code = [], ExitCode.DONE
    for instance in loaded:
        document = draw_network(instance, out, format_ or list(Format), flows=flows)
        for warning in document.warnings:
            note(f"warning: {instance.name}: {warning}")
        for path in document.files:
            note(f"wrote {path}")
        documents.append(document.model_dump(mode="json"))
        if document.status in ("infeasible", "unbounded"):
            code = ExitCode.NEGATIVE
        elif document.status == "limit" and code is ExitCode.DONE:
            code = ExitCode.UNDECIDED
    if json:
        print_documents(documents)
    return code
