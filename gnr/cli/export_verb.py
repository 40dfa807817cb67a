"""``gnr export``: the plan of one or several instances, for a router."""

from typing import Annotated

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
    told_of,
)


def export(
    instances: InstanceArguments,
    gpus: Annotated[int, typer.Option("--gpus", help="Size of the cluster.")],
    format_: Annotated[
        str,
        typer.Option(
            "--format",
            help="json: all of the plan; vllm-priority: request priorities for engines with "
            "priority scheduling.",
        ),
    ] = "json",
    empty_decode_buffer: Annotated[
        bool,
        typer.Option("--empty-decode-buffer", help="Demand that no request waits to decode."),
    ] = False,
    set_: SetOptions = None,
    json: JsonOption = False,  # stdout is JSON in either format; `run` tells errors so, too
    out: OutOption = None,
) -> int:
    """Export the plan for n GPUs as a router takes it."""
    from gnr.router_export import find_format

    make_document = find_format(format_)
    loaded = load_all(instances, set_ or [])
    if out is not None:
        prepare_folder(out, loaded)
    from gnr.validation.studies.optima import optimum

    options = {"gpus": gpus, "format": format_, "set": set_ or []}
    documents = []
    for source, instance in zip(instances, loaded, strict=True):
        with told_of(source):
            solution = optimum(
                instance,
                instance.prices.scheme,
                empty_decode_buffer=empty_decode_buffer,
                options=options,
            )
            documents.append(make_document(solution, gpus))
    for document in documents:
        for warning in document.warnings:
            note(f"warning: {document.instance}: {warning}")
        note(document.headline)
        if out is not None:
            note(f"wrote {document.write(out)}")
    print_documents([document.model_dump(mode="json") for document in documents])
    return ExitCode.DONE
