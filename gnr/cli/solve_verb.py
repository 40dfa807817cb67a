"""``gnr solve``: the optimal plan of one or several instances."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from gnr.cli.certifying import agrees, certified, write_certificate
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
from gnr.cli.simulation_options import MixedGpusOption
from gnr.errors import InputError, Problem


def solve(
    instances: InstanceArguments,
    gpus: Annotated[
        int | None, typer.Option("--gpus", help="Also plan a cluster of this many GPUs.")
    ] = None,
    mixed_gpus: MixedGpusOption = None,
    empty_decode_buffer: Annotated[
        bool,
        typer.Option("--empty-decode-buffer", help="Demand that no request waits to decode."),
    ] = False,
    disaggregated: Annotated[
        bool,
        typer.Option("--disaggregated", help="Demand that no GPU decodes while it prefills."),
    ] = False,
    certify: Annotated[
        bool,
        typer.Option(
            "--certify", help="Prove the optimum in exact fractions, and check the proof."
        ),
    ] = False,
    set_: SetOptions = None,
    json: JsonOption = False,
    out: OutOption = None,
    cite: Annotated[
        bool, typer.Option("--cite", help="Also print what to cite, as BibTeX.")
    ] = False,
) -> int:
    """Find the optimal mix of prefill and decode, its prices, and the plan for n GPUs."""
    from gnr.models.recommending import recommend
    from gnr.models.steady_state import solve as solve_instance

    if mixed_gpus is not None and gpus is None:
        raise _no_size()
    loaded = load_all(instances, set_ or [])
    if out is not None:
        prepare_folder(out, loaded)
    options = {"gpus": gpus, "mixed_gpus": mixed_gpus, "set": set_ or []}
    solutions = []
    for source, instance in zip(instances, loaded, strict=True):
        with told_of(source):
            solution = solve_instance(
                instance,
                empty_decode_buffer=empty_decode_buffer,
                disaggregated=disaggregated,
                options=options,
            )
        if gpus is not None and solution.status == "optimal":
            solution = solution.with_plan(gpus, mixed_gpus)
            solution = solution.with_recommendation(recommend(solution, gpus))
        if certify:
            with told_of(source):
                solution = certified(solution, set_ or [])
        solutions.append(solution)
        if out is not None:
            _write(solution, out)
    _print(solutions, json)
    if cite:
        from gnr.citation import bibliography

        stream = sys.stderr if json else sys.stdout
        stream.write(bibliography(loaded) + "\n")
    return _exit_code(solutions)


def _no_size() -> InputError:
    message = "is the group of a cluster whose size is not told"
    return InputError([Problem("mixed-gpus", "--mixed-gpus", "", message, "say --gpus N too")])


def _write(solution: Any, folder: Any) -> None:
    note(f"wrote {solution.write(folder)}")
    if solution.certificate is not None:
        write_certificate(solution, folder)
    from gnr.plots.save import remove_figure, save_figure

    stem = f"{solution.instance.name}.plan"
    if solution.status == "optimal":
        from gnr.plots.plan_plot import draw_plan
        from gnr.provenance import origin

        source = origin(solution.provenance.instance_sha256)
        for path in save_figure(draw_plan(solution), folder, stem, source):
            note(f"wrote {path}")
    else:
        for path in remove_figure(folder, stem):
            note(f"removed {path}: it showed an earlier plan, and there is none now")


def _print(solutions: Sequence[Any], as_json: bool) -> None:
    for solution in solutions:
        plan = solution.plan_for_gpus
        for warning in (*solution.warnings, *(plan.warnings if plan is not None else ())):
            note(f"warning: {solution.instance.name}: {warning}")
    if as_json:
        print_documents([each.model_dump(mode="json", by_alias=True) for each in solutions])
    elif len(solutions) == 1:
        print_rich(solutions[0])
    else:
        from gnr.summary import compare

        print_rich(compare(solutions))


def _exit_code(solutions: Sequence[Any]) -> int:
    if not all(agrees(each) for each in solutions):
        return ExitCode.UNDECIDED
    statuses = {each.status for each in solutions}
    if statuses & {"infeasible", "unbounded"}:
        return ExitCode.NEGATIVE
    return ExitCode.UNDECIDED if "limit" in statuses else ExitCode.DONE
