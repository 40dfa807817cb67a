"""Clusters small enough for paper; what can be worked out of them is in `byhand.test_slis`."""

from typing import Any

from gnr.instance import Instance
from gnr.reading import build

Classes = dict[str, tuple[float, float, float]]
"""By name: mean prompt and output tokens, arrivals per second and GPU."""

ONE: Classes = {"only": (100, 5, 1.0)}
TWO: Classes = {"short": (100, 15, 0.5), "long": (400, 20, 0.125)}
FEW_AND_MANY: Classes = {"few": (100, 5, 0.1), "many": (100, 5, 1.0)}


def small_cluster(classes: Classes, scheme: str = "bundled", **sli: Any) -> Instance:
    """Return an instance with B = 4, C = 100, iterations of 1 s and 0.5 s, and at most one SLI."""
    columns = ("prompt_tokens", "output_tokens", "arrival_rate")
    data = {
        "schema_version": 1,
        "name": "small",
        "title": "Small enough for paper",
        "source": "tests",
        "gpu": {
            "batch_slots": 4,
            "chunk_tokens": 100,
            "iteration_time": {"base": 0.5, "per_chunk_token": 0.005, "decode_only": 0.5},
        },
        "prices": {"scheme": scheme, "prompt_token": 0.25, "output_token": 1.0},
        "classes": [
            {"name": name, "patience_rate": 0.5, **dict(zip(columns, numbers, strict=True))}
            for name, numbers in classes.items()
        ],
        "slis": [sli] if sli else [],
    }
    return build(data, "small.toml")
