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
from gnr.cli.simulation_options import MixedGpusOption
from gnr.errors import InputError, Problem


def export(
    instances: InstanceArguments,
    gpus: Annotated[int, typer.Option("--gpus", help="Size of the cluster.")],
    mixed_gpus: MixedGpusOption = None,
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
    disaggregated: Annotated[
        bool,
        typer.Option("--disaggregated", help="Demand that no GPU decodes while it prefills."),
    ] = False,
    set_: SetOptions = None,
    json: JsonOption = False,  # stdout is JSON in either format; `run` tells errors so, too
    out: OutOption = None,
) -> int:
    """Export the plan for n GPUs as a router takes it."""
    from gnr.router_export import find_format, vllm_priorities

    make_document = find_format(format_)
    if mixed_gpus is not None and make_document is vllm_priorities:
        raise _no_groups()
    loaded = load_all(instances, set_ or [])
    if out is not None:
        prepare_folder(out, loaded)
    from gnr.validation.studies.optima import optimum

    options = {"gpus": gpus, "mixed_gpus": mixed_gpus, "format": format_, "set": set_ or []}
    documents = []
    for source, instance in zip(instances, loaded, strict=True):
        with told_of(source):
            solution = optimum(
                instance,
                instance.prices.scheme,
                empty_decode_buffer=empty_decode_buffer,
                disaggregated=disaggregated,
                options=options,
            )
            documents.append(make_document(solution, solution.plan(gpus, mixed_gpus)))
    for document in documents:
        for warning in document.warnings:
            note(f"warning: {document.instance}: {warning}")
        note(document.headline)
        if out is not None:
            note(f"wrote {document.write(out)}")
    print_documents([document.model_dump(mode="json") for document in documents])
    return ExitCode.DONE


def _no_groups() -> InputError:
    message = "sets the size of a group, and priorities know none: every GPU prefills and decodes"
    remedy = "leave it out, or say --format json"
    return InputError([Problem("mixed-gpus", "--mixed-gpus", "", message, remedy)])
