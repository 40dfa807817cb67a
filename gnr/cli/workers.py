"""Options of the verbs whose work can be spread, and the place that they choose."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Annotated
from urllib.parse import urlsplit

import typer

from gnr.cli.console import note
from gnr.errors import InputError, Problem

WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        help="Processes on this machine; default: this one, with a thread for each core.",
    ),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="tcp://HOST:PORT",
        help="Use the workers of this Dask scheduler. The results are the same wherever they are "
        "computed.",
    ),
]


def check_place(workers: int | None, scheduler: str | None) -> None:
    """Raise `InputError` if there is no such place: both options, no worker, or no Dask here."""
    problems = []
    if workers is not None and workers < 1:
        problems.append(("--workers", f"must be at least 1, got {workers}", "say 4"))
    if workers is not None and scheduler is not None:
        problems.append(("--workers", "cannot go with --scheduler", "leave one out"))
    if scheduler is not None and not _is_address(scheduler):
        remedy = "say tcp://HOST:8786, as `dask scheduler` prints it"
        problems.append(("--scheduler", f"must be an address, got {scheduler!r}", remedy))
    if scheduler is not None and find_spec("distributed") is None:
        remedy = "pip install 'gnr[cluster]'"
        problems.append(("--scheduler", "needs the package distributed", remedy))
    if problems:
        raise InputError(Problem("workers", at, "", text, remedy) for at, text, remedy in problems)


def _is_address(text: str) -> bool:
    try:
        address = urlsplit(text)
        return address.scheme in ("tcp", "tls") and bool(address.hostname and address.port)
    except ValueError:  # a port that is no number
        return False


@contextmanager
def spread_over(workers: int | None, scheduler: str | None) -> Iterator[None]:
    """Do what is spread inside at the place that the options choose; see `check_place`.

    Raises
    ------
    InputError
        As `check_place` and `gnr.dask_cluster.on_cluster`.
    """
    check_place(workers, scheduler)
    if scheduler is not None:
        from gnr.dask_cluster import on_cluster

        with on_cluster(scheduler, note):
            yield
    elif workers is not None and workers > 1:
        import joblib

        with joblib.parallel_config("loky", n_jobs=workers, inner_max_num_threads=1):
            yield
    else:
        yield
