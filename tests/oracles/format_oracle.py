"""Is this parsed TOML a valid instance? The rules of the file format, restated plainly.

Independent of the schema and of the checks: used to judge what they accept.
"""

import math
import re
import unicodedata
from typing import Any

REAL = "real"
TABLES: dict[str, dict[str, Any]] = {
    "": {
        "schema_version": int,
        "name": str,
        "title": str,
        "source": str,
        "gpu": dict,
        "prices": dict,
        "classes": list,
    },
    "gpu": {"batch_slots": int, "chunk_tokens": int, "iteration_time": dict},
    "time": {"base": REAL, "per_chunk_token": REAL, "decode_only": REAL},
    "cost": {"per_hour": REAL},
    "prices": {"scheme": str, "prompt_token": REAL, "output_token": REAL},
    "class": {
        "name": str,
        "prompt_tokens": REAL,
        "output_tokens": REAL,
        "arrival_rate": REAL,
        "patience_rate": REAL,
    },
    "sli": {"kind": str},
}
OPTIONAL: dict[str, dict[str, Any]] = {
    "": {"notes": str, "slis": list},
    "gpu": {"replica_gpus": int, "cost": dict},
    "sli": {"at_most": REAL, "at_least": REAL, "penalty_weight": REAL, "class": str, "name": str},
}

UP, DOWN, BOTH = ("at_most",), ("at_least",), ("at_most", "at_least")
FOR_ALL, FOR_ONE, EITHER = ("cluster",), ("class",), ("cluster", "class")
ANY, FRACTION, NOTHING = math.inf, 1.0, 0.0
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...], float, bool]] = {
    "prefill_fairness": (UP, FOR_ALL, ANY, False),
    "decode_fairness": (UP, FOR_ALL, ANY, False),
    "mean_tpot": (UP, FOR_ALL, ANY, False),
    "token_tpot": (UP, EITHER, ANY, False),
    "mean_wait": (UP, EITHER, ANY, True),
    "mean_ttft": (UP, EITHER, ANY, True),
    "mean_end_to_end": (UP, EITHER, ANY, True),
    "abandonment_fraction": (UP, EITHER, FRACTION, False),
    "throughput": (BOTH, EITHER, ANY, False),
    "proportional_share": (BOTH, FOR_ONE, FRACTION, False),
    "max_min_fairness": (DOWN, FOR_ALL, FRACTION, False),
    "decode_backlog": (UP, EITHER, ANY, False),
    "empty_decode_buffer": (UP, EITHER, NOTHING, False),
    "disaggregation": (UP, EITHER, ANY, False),
}
"""Bounds that make sense, what it can be about, the largest bound, whether all must be able to
leave; the least bound of each is 0."""


def is_valid(data: dict[str, Any]) -> bool:
    """Tell whether the parsed file is a valid instance, leaving extreme magnitudes open."""
    if (
        not _shape(data, "")
        or not _shape(data["gpu"], "gpu")
        or not _shape(data["prices"], "prices")
    ):
        return False
    gpu, time, prices = data["gpu"], data["gpu"]["iteration_time"], data["prices"]
    classes, slis = data["classes"], data.get("slis", [])
    if not _shape(time, "time") or not classes:
        return False
    cost = gpu.get("cost", {"per_hour": 1.0})
    if not _shape(cost, "cost") or cost["per_hour"] <= 0 or gpu.get("replica_gpus", 1) < 1:
        return False
    if not all(_shape(each, "class") for each in classes):
        return False
    if not all(_shape(each, "sli") for each in slis):
        return False
    names = [each["name"] for each in classes]
    return (
        data["schema_version"] == 1
        and re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", data["name"]) is not None
        and gpu["batch_slots"] >= 2
        and gpu["chunk_tokens"] >= 1
        and time["decode_only"] > 0
        and time["base"] + time["per_chunk_token"] * gpu["chunk_tokens"] > 0
        and prices["scheme"] in ("bundled", "separate")
        and min(prices["prompt_token"], prices["output_token"]) >= 0
        and max(prices["prompt_token"], prices["output_token"]) > 0
        and len(set(names)) == len(names)
        and all(names)
        and all(map(_printable, [data["title"], *names]))
        and all(
            min(each["prompt_tokens"], each["output_tokens"]) >= 1
            and each["arrival_rate"] > 0
            and each["patience_rate"] >= 0
            for each in classes
        )
        and _slis_are_valid(slis, {each["name"]: each["patience_rate"] for each in classes})
    )


def _printable(text: str) -> bool:
    return all(unicodedata.category(c)[0] not in "CZ" or c == " " for c in text)


def _slis_are_valid(slis: list[dict[str, Any]], patience: dict[str, float]) -> bool:
    keys = ["prefill_capacity", "mixed_decode_capacity", "solo_decode_capacity"]
    for each in slis:
        if sum(key in each for key in ("at_most", "at_least", "penalty_weight")) != 1:
            return False
        if each.get("penalty_weight", 1) <= 0 or each["kind"] not in KINDS:
            return False
        directions, scopes, highest, needs_patience = KINDS[each["kind"]]
        bounds = {key: each[key] for key in BOTH if key in each}
        if not set(bounds) <= set(directions):
            return False
        if not all(0 <= bound <= highest for bound in bounds.values()):
            return False
        if ("class" if "class" in each else "cluster") not in scopes:
            return False
        if each.get("class", next(iter(patience))) not in patience:
            return False
        about = [each["class"]] if "class" in each else list(patience)
        if needs_patience and not all(patience[name] > 0 for name in about):
            return False
        if not each.get("name", "x") or not _printable(each.get("name", "x")):
            return False
        default = each["kind"] + (f":{each['class']}" if "class" in each else "")
        keys.append(each.get("name", default))
    return len(set(keys)) == len(keys)


def _shape(table: Any, kind: str) -> bool:
    """Tell whether all keys are there, none is unknown, and all have their types."""
    if type(table) is not dict:
        return False
    required, optional = TABLES[kind], OPTIONAL.get(kind, {})
    if not set(required) <= set(table) or not set(table) <= set(required) | set(optional):
        return False
    return all(_has_type(value, {**required, **optional}[key]) for key, value in table.items())


def _has_type(value: Any, wanted: Any) -> bool:
    if wanted is REAL:
        if type(value) is int:
            return abs(value) < 10**308
        return type(value) is float and math.isfinite(value)
    return type(value) is wanted


def has_sane_magnitudes(data: dict[str, Any]) -> bool:
    """Tell whether all rates of a valid instance lie within 1e-18 ... 1e18."""
    gpu, time, prices = data["gpu"], data["gpu"]["iteration_time"], data["prices"]
    if max(gpu["batch_slots"], gpu["chunk_tokens"]) >= 10**300:
        return False
    chunk, solo = float(gpu["chunk_tokens"]), time["decode_only"]
    mixed = time["base"] + time["per_chunk_token"] * chunk
    figures = [gpu["batch_slots"], mixed / solo]
    figures += [gpu.get("replica_gpus", 1), gpu.get("cost", {}).get("per_hour", 1.0)]
    for each in data["classes"]:
        prompt, output = float(each["prompt_tokens"]), float(each["output_tokens"])
        rate, patience = float(each["arrival_rate"]), float(each["patience_rate"])
        prefill = chunk / (prompt * mixed)
        reward = prices["prompt_token"] * prompt + prices["output_token"] * output
        figures += [prefill, 1 / (output * mixed), 1 / (output * solo), chunk * output / prompt]
        figures += [rate, rate / prefill if prefill else 0.0, reward, reward * prefill]
        figures += [patience, rate / patience] if patience else []
    return all(1e-18 < abs(figure) < 1e18 for figure in figures)
