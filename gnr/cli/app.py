"""The typer application and the way every run of it ends.

Verbs return their exit code. Nothing heavy is imported here: `gnr --help` stays quick.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from gnr._version import __version__
from gnr.cli import (
    calibrate_verb,
    check_verb,
    compare_verb,
    converge_verb,
    draw_verb,
    export_verb,
    fit_verb,
    frontier_verb,
    new_verb,
    prove_verb,
    replay_verb,
    reproduce_verb,
    simulate_verb,
    size_verb,
    solve_verb,
    sweep_verb,
)
from gnr.cli.console import ExitCode, report_crash, report_problems, report_system_error
from gnr.errors import InputError, NoOptimumError, Problem

app = typer.Typer(
    name="gnr",
    help="Which requests to start on a cluster of GPUs, where and in what mix, to earn the most.",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich help takes longer to import than all the rest
)
app.command("new", short_help="Write an instance file to start from.")(new_verb.new)
app.command("check", short_help="Check instance files; tell their load.")(check_verb.check)
app.command("solve", short_help="Find the optimal plan and its prices.")(solve_verb.solve)
app.command("draw", short_help="Draw the network with the optimal flows.")(draw_verb.draw)
app.command("sweep", short_help="Vary parameters; see what binds where.")(sweep_verb.sweep)
app.command("prove", short_help="Check the theory step by step, or for an instance.")(
    prove_verb.prove
)
app.command("export", short_help="Hand the plan to a router or an engine.")(export_verb.export)
app.command("simulate", short_help="Simulate n GPUs; compare with the optimum.")(
    simulate_verb.simulate
)
app.command("converge", short_help="See how growing clusters near the optimum.")(
    converge_verb.converge
)
app.command("compare", short_help="Set policies side by side; say which is best.")(
    compare_verb.compare
)
app.command("size", short_help="Find how many GPUs a demand needs.")(size_verb.size)
app.command("calibrate", short_help="Fit measured iteration times.")(calibrate_verb.calibrate)
app.command("replay", short_help="Replay a request log under policies.")(replay_verb.replay)
app.command("fit", short_help="Make an instance of a request log.")(fit_verb.fit)
app.command("frontier", short_help="Trace what a promise costs, exactly.")(frontier_verb.frontier)

app.command("reproduce", short_help="Run the paper's experiments again; say what stands.")(
    reproduce_verb.reproduce
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gnr {__version__}")
        raise typer.Exit()


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Which requests to start on a cluster of GPUs, where and in what mix, to earn the most."""


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; never lets a traceback out."""
    as_json = "--json" in arguments
    try:
        return _run(arguments, as_json)
    except OSError as error:
        # stdout itself cannot be written: the reader has gone, or the disk is full. What is left
        # in the buffer goes nowhere, so that the interpreter does not complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return ExitCode.DONE
        report_system_error(error, as_json=False)
        return ExitCode.INTERNAL_ERROR


def _run(arguments: Sequence[str], as_json: bool) -> int:
    try:
        code = app(list(arguments) or ["--help"], prog_name="gnr", standalone_mode=False)
        sys.stdout.flush()
    except InputError as error:
        negative = isinstance(error, NoOptimumError)
        code = ExitCode.NEGATIVE if negative else ExitCode.BAD_INPUT
        report_problems(error.problems, as_json, code)
        return code
    except TyperException as error:
        report_problems([_usage_problem(error)], as_json)
        return ExitCode.BAD_INPUT
    except (KeyboardInterrupt, typer.Abort):
        code = ExitCode.INTERRUPTED
    except SystemExit as error:  # typer leaves so when a pipe closes
        raise BrokenPipeError from error
    except OSError as error:
        if error.filename is None:
            raise
        report_system_error(error, as_json)
        return ExitCode.INTERNAL_ERROR
    except Exception as error:
        report_crash(error, arguments, as_json)
        return ExitCode.INTERNAL_ERROR
    if code == ExitCode.INTERRUPTED:  # typer too turns an interrupt into this code
        sys.stderr.write("gnr: interrupted; files already written are complete\n")
    return int(code) if isinstance(code, int) else ExitCode.DONE


def _usage_problem(error: TyperException) -> Problem:
    text = getattr(error, "format_message", lambda: str(error))()
    command = getattr(getattr(error, "ctx", None), "command_path", "gnr")
    return Problem("usage", "command line", "", text.rstrip("."), f"see `{command} --help`")
