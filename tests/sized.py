"""Clusters that are one queue, so that the number of GPUs they need is known exactly."""

from gnr.demand import Demand
from gnr.instance import Instance
from gnr.reading import build

RATE = 20.0
"""Requests/s in all."""

PREFILL = 1.0
"""Mean prefill, s: 20 GPUs are busy with it."""


def one_station(patience_rate: float) -> Instance:
    """Return a profile whose GPUs prefill for 1 s and decode for a millisecond.

    Every GPU prefills one request at a time and has slots to spare, so that n GPUs are n servers.
    """
    return build(
        {
            "schema_version": 1,
            "name": "one-station",
            "title": "GPUs as servers of one queue",
            "source": "by hand",
            "gpu": {
                "batch_slots": 64,
                "chunk_tokens": 1000,
                "iteration_time": {"base": 0.5, "per_chunk_token": 0.0005, "decode_only": 0.001},
            },
            "prices": {"scheme": "bundled", "prompt_token": 1.0, "output_token": 1.0},
            "classes": [
                {
                    "name": "only",
                    "prompt_tokens": 1000 * PREFILL,
                    "output_tokens": 1.0,
                    "arrival_rate": 1.0,
                    "patience_rate": patience_rate,
                }
            ],
        },
        "one-station",
    )


def demand() -> Demand:
    """Return the demand of 20 requests/s."""
    return Demand(source="by hand", rates={"only": RATE})
