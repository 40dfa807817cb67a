"""joblib's calls on a Dask cluster."""

from concurrent.futures import CancelledError
from typing import Any

from distributed import Client, KilledWorker
from joblib.parallel import ParallelBackendBase

from gnr.errors import InputError, Problem

HANDED_OUT = 512
"""Workers that are always given enough to do; how many there are may change at any time."""


class DaskBackend(ParallelBackendBase):  # type: ignore[misc]
    """Calls handed to a scheduler, which hands them again to others where a worker is lost.

    joblib has a backend of its own for Dask. It does the work in this process where the cluster
    has one core, waits for ever for a call that ends its workers, leaves calls on the cluster when
    it is interrupted, and sends arguments ahead to workers that may be gone when they are needed.

    Parameters
    ----------
    client
        Of the cluster.
    """

    supports_retrieve_callback = True

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client
        self._futures: set[Any] = set()

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many calls may run at a time, as far as this side is concerned."""
        return HANDED_OUT

    def submit(self, func: Any, callback: Any = None) -> Any:
        """Hand a call to the scheduler and return its future."""
        future = self._client.submit(func, pure=False)
        self._futures.add(future)
        future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out: Any) -> Any:
        """Return the result of a future that is done.

        Raises
        ------
        InputError
            If the cluster is at fault.
        """
        self._futures.discard(out)
        try:
            return out.result()
        except KilledWorker as error:
            times = error.allowed_failures + 1
            message = f"{times} workers in a row ended while they worked on the same part"
            remedy = "see their logs: want of memory is the usual cause"
            raise _failure("workers-ended", message, remedy) from error
        except CancelledError as error:
            message = "the scheduler has gone, and the parts with it"
            raise _failure(
                "scheduler-gone", message, "start it and run the command again"
            ) from error
        except ModuleNotFoundError as error:
            message = f"a worker has no module {error.name}"
            remedy = "install the same gnr everywhere and start the workers again"
            raise _failure("workers-differ", message, remedy) from error

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Take back every call that is not done."""
        futures = list(self._futures)
        self._futures.clear()
        if self._client.status == "running":
            self._client.cancel(futures)


def _failure(check: str, message: str, remedy: str) -> InputError:
    return InputError([Problem(check, "--scheduler", "", message, remedy)])
