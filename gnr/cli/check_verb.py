"""``gnr check``: is this file an instance, and what is known of it before solving."""

from collections.abc import Sequence
from typing import Any

from gnr.cli.console import (
    ExitCode,
    InstanceArguments,
    JsonOption,
    SetOptions,
    load_all,
    note,
    print_documents,
    print_rich,
)


def check(instances: InstanceArguments, set_: SetOptions = None, json: JsonOption = False) -> int:
    """Check instance files; tell every fault with its remedy, or what the file amounts to."""
    from gnr.load_report import report_load

    reports = [report_load(instance) for instance in load_all(instances, set_ or [])]
    if json:
        print_documents([report.model_dump(mode="json", by_alias=True) for report in reports])
        return ExitCode.DONE
    for report in reports:
        for warning in report.warnings:
            note(f"warning: {report.instance}: {warning}")
    print_rich(_table(reports))
    return ExitCode.DONE


def _table(reports: Sequence[Any]) -> Any:
    from rich import box
    from rich.console import Group
    from rich.table import Table

    headings = ("classes", "mixed iteration", "solo/mixed speed", "prefill load", "decode load")
    table = Table(title="valid instances", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("instance")
    for heading in headings:
        table.add_column(heading, justify="right")
    for report in reports:
        table.add_row(
            report.instance,
            str(report.classes),
            f"{1e3 * report.mixed_iteration_time:.4g} ms",
            f"{report.speed_ratio:.4g}",
            f"{report.prefill_load:.1%}",
            f"{report.decode_load:.1%}",
        )
    legend = (
        "prefill load: GPUs that would prefill if everybody were served; decode load: their\n"
        "decodes and the slots lost to prefill, over all slots. Above 100 % not all can be served."
    )
    promised = [report for report in reports if report.promises]
    return Group(table, legend, *map(_promise_table, promised))


def _promise_table(report: Any) -> Any:
    """Return what a file promises and penalises, in words."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    title = Text(f"\npromises of {report.instance}", style="italic")
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("promise", "about", "measures", "must be"):
        table.add_column(heading)
    for each in report.promises:
        table.add_row(
            Text(each.name), Text(each.class_name or "cluster"), each.measures, _words(each)
        )
    return table


def _words(promise: Any) -> str:
    from gnr.promise_facts import quantity

    if promise.penalty_weight is not None:
        return f"as it pays, at {promise.penalty_weight:.12g} money/s per {promise.unit}"
    if promise.at_most is not None:
        return f"at most {quantity(promise.at_most, promise.unit)}"
    return f"at least {quantity(promise.at_least, promise.unit)}"
