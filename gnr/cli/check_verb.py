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
        print_documents([report.model_dump(mode="json") for report in reports])
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
    return Group(
        table,
        "prefill load: GPUs that would prefill if everybody were served; decode load: their\n"
        "decodes and the slots lost to prefill, over all slots. Above 100 % not all can be served.",
    )
