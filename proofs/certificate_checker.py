"""Check a certificate of `gnr solve --certify` against an instance file.

    python certificate_checker.py NAME.certificate.json INSTANCE.toml

Needs the standard library only, and nothing of gnr: the linear program is built here, from the
instance file and the formulas of the paper (eqs. P3, P4, P21, P40, P42), the promises of the file
included (P43, P45, D7, D13, Little's law and max-min fair shares by D4 and D12). Every number of
the file is the shortest decimal that denotes its double. Exit code: 0 all holds, 1 something does
not, 2 the input cannot be used. Names are printed with all but plain ASCII escaped.
"""

import hashlib
import json
import re
import reprlib
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple, TextIO, TypeAlias

Vector: TypeAlias = dict[str, Fraction]
Row: TypeAlias = tuple[Vector, bool, Fraction]
"""Coefficients by variable; whether the row is ``<=`` and not ``=``; right-hand side."""
ZERO, ONE = Fraction(0), Fraction(1)

TEXT, FLAG, NUMBER = (str,), (True, False), (int, float, Fraction)
CERTIFICATE = {
    "schema_version": (1,), "instance": TEXT, "instance_sha256": TEXT, "overrides": [TEXT],
    "status": ("optimal", "infeasible"), "scheme": ("bundled", "separate"),
    "empty_decode_buffer": FLAG, "disaggregated": FLAG, "value": (str, None),
    "primal": {...: TEXT}, "dual": {...: TEXT}, "unique": (*FLAG, None),
    "directions": [{...: TEXT}], "checksum": TEXT,
}  # fmt: skip
"""The shape of a certificate, as `expect` takes it: every key, and what may stand there."""
INSTANCE = {
    "schema_version": (1,), "name": TEXT, "title": TEXT, "source": TEXT, "notes": TEXT,
    "gpu": {...: (dict, *NUMBER)},
    "prices": {"scheme": TEXT, "prompt_token": NUMBER, "output_token": NUMBER},
    "classes": [{
        "name": TEXT, "prompt_tokens": NUMBER, "output_tokens": NUMBER,
        "arrival_rate": NUMBER, "patience_rate": NUMBER,
    }],
    "slis": [{...: (str, *NUMBER)}],
}  # fmt: skip
"""The shape of an instance; `notes` and `slis` may be left out."""
GPU = {
    "batch_slots": NUMBER, "chunk_tokens": NUMBER,
    "iteration_time": {"base": NUMBER, "per_chunk_token": NUMBER, "decode_only": NUMBER},
    "replica_gpus": NUMBER, "cost": {"per_hour": NUMBER},
}  # fmt: skip
"""The shape of `gpu`; `replica_gpus` and `cost` may be left out, and are no part of the program."""
SLI = {
    "kind": TEXT, "name": (str, None), "class": (str, None),
    "at_most": (*NUMBER, None), "at_least": (*NUMBER, None), "penalty_weight": (*NUMBER, None),
}  # fmt: skip
"""The shape of an entry of `slis`; all but `kind` may be left out."""
AUXILIARY = ("highest[", "lowest[", "least[")
"""How the names of variables begin that only tie rows together and are no part of a plan."""


class Class(NamedTuple):
    """A class of requests: its numbers and rates, and the names of its variables."""

    name: str
    prompt: Fraction
    arrivals: Fraction
    theta: Fraction
    mu_p: Fraction
    mu_m: Fraction
    mu_s: Fraction
    x: str
    y_m: str
    y_s: str
    q_p: str
    q_d: str


def check(certificate: Mapping[str, Any], instance: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a certificate (JSON) of an instance (TOML); nothing if it is valid.

    A number of the instance may also be a `Fraction`. Raises ValueError if one of the two is not
    what it should be.
    """
    expect(CERTIFICATE, certificate, "certificate")
    expect(INSTANCE, {"notes": "", "slis": [], **instance}, "instance")
    expect(GPU, {"replica_gpus": 1, "cost": {"per_hour": 0}, **instance["gpu"]}, "instance.gpu")
    content = {key: value for key, value in certificate.items() if key != "checksum"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    if hashlib.sha256(text.encode()).hexdigest() != certificate["checksum"]:
        return ["the checksum does not fit: the certificate was altered"]
    if certificate["scheme"] != instance["prices"]["scheme"]:
        return ["the instance has another pricing scheme"]
    if asks_for_empty_buffer(instance) and not certificate["empty_decode_buffer"]:
        return ["a promise of fairness comes with an empty decode buffer, and this has none"]
    objective, rows = program(
        instance, certificate["empty_decode_buffer"], certificate["disaggregated"]
    )
    dual = numbers(certificate["dual"])
    if set(dual) != set(rows):
        return ["the multipliers are not those of the rows of this instance"]
    problems = [f"{name} has a negative multiplier" for name in rows
                 if rows[name][1] and dual[name] < 0]  # fmt: skip
    costs = dict.fromkeys(objective, ZERO)
    for row, (coefficients, _, _) in rows.items():
        for name, coefficient in coefficients.items():
            costs[name] += dual[row] * coefficient
    bound = sum((dual[row] * right for row, (_, _, right) in rows.items()), ZERO)
    if certificate["status"] == "infeasible":  # Farkas
        problems += [f"the combined row is negative at {name}" for name in costs if costs[name] < 0]
        problems += ["the combined row has no negative bound"] * (bound >= 0)
        rest = [certificate[key] for key in ("value", "primal", "unique", "directions")]
        return problems + ["it is called infeasible and has an optimum"] * (
            rest != [None, {}, None, []]
        )
    costs = {name: costs[name] - objective[name] for name in costs}  # reduced costs
    problems += [f"{name} earns more than it costs" for name in costs if costs[name] < 0]
    value, point = number(certificate["value"]), numbers(certificate["primal"])
    problems += ["the multipliers do not have the value"] * (bound != value)
    problems += faults(point, value, objective, rows, "the point")
    directions = [numbers(each) for each in certificate["directions"]]
    for k, direction in enumerate(directions, 1):
        moved = {name: number + direction.get(name, ZERO) for name, number in point.items()}
        problems += faults(direction | moved, value, objective, rows, f"direction {k}: the end")
    if problems:
        return problems
    # Every optimum is 0 where the reduced cost is not, so the rest bounds the dimension of the set.
    free = [{row: rows[row][0][name] for row in rows if name in rows[row][0]}
            for name in objective if not costs[name]]  # fmt: skip
    free += [{row: ONE} for row in rows if rows[row][1] and not dual[row]]
    if not rank(directions, objective) == len(directions) == len(free) - rank(free, rows):
        problems.append("the directions are not proved to be independent and all there are")
    elif certificate["unique"] is not (dimension(directions, objective) == 0):
        problems.append("it is called unique and its directions move the plan, or it is neither")
    return problems


def expect(shape: Any, value: Any, place: str) -> None:
    """Raise ValueError unless a value has a shape, naming the first place where it does not.

    A table has the keys of its shape and no others (``...``: any), a list any number of entries of
    one shape; a tuple holds what may stand at an end: types, taken exactly, and constants.
    """
    wanted = "a table" if isinstance(shape, dict) else "a list"
    if isinstance(shape, dict) and isinstance(value, dict):
        shape = dict.fromkeys(value, shape[...]) if ... in shape else shape
        for key in sorted(shape.keys() ^ value.keys()):
            raise ValueError(f"{place} has {'an unknown' if key in value else 'no'} {key!r}")
        for key in shape:
            expect(shape[key], value[key], f"{place}.{key}")
        return
    if isinstance(shape, list) and isinstance(value, list):
        for k, each in enumerate(value):
            expect(shape[0], each, f"{place}[{k}]")
        return
    if isinstance(shape, tuple):
        if type(value) in shape or (type(value), value) in [(type(each), each) for each in shape]:
            return
        wanted = " or ".join(
            each.__name__ if isinstance(each, type) else json.dumps(each) for each in shape
        )
    raise ValueError(f"{place} is {reprlib.repr(value)}, not {wanted}")


def program(
    instance: Mapping[str, Any], empty_decode_buffer: bool, disaggregated: bool
) -> tuple[Vector, dict[str, Row]]:
    """Return objective and rows of (P40) or (P42), balances first and promises last."""
    gpu, time, prices = instance["gpu"], instance["gpu"]["iteration_time"], instance["prices"]
    slots, chunk = exact(gpu["batch_slots"]), exact(gpu["chunk_tokens"])
    tau = exact(time["base"]) + exact(time["per_chunk_token"]) * chunk  # P3
    solo_time = exact(time["decode_only"])
    if min(tau, solo_time) <= 0:
        raise ValueError("instance.gpu.iteration_time: an iteration takes no time")
    gamma = 1 / solo_time
    c_p, c_d = exact(prices["prompt_token"]), exact(prices["output_token"])
    objective: Vector = {}
    prefill: Vector = {}
    mixed: Vector = {}
    solo: Vector = {}
    rows: dict[str, Row] = {}
    classes: list[Class] = []
    for each in instance["classes"]:
        name, theta = each["name"], exact(each["patience_rate"])
        prompt, output = exact(each["prompt_tokens"]), exact(each["output_tokens"])
        x, y_m, y_s = f"prefill[{name}]", f"mixed_decode[{name}]", f"solo_decode[{name}]"
        q_p, q_d = f"prefill_queue[{name}]", f"decode_queue[{name}]"
        if x in objective:
            raise ValueError(f"instance.classes: two classes are called {name!r}")
        if min(prompt, output) <= 0 or theta < 0:
            raise ValueError(f"instance.classes: {name!r} has no tokens or a negative patience")
        mu_p, mu_m, mu_s = chunk / (prompt * tau), 1 / (output * tau), gamma / output  # P4
        reward = c_p * prompt + c_d * output  # P21
        if prices["scheme"] == "bundled":
            objective |= {x: ZERO, y_m: reward * mu_m, y_s: reward * mu_s}  # P40
        else:
            objective |= {x: c_p * chunk / tau, y_m: c_d / tau, y_s: c_d * gamma}  # P42
        prefill[x], mixed[x], solo[x] = ONE, 1 - slots, slots
        mixed[y_m] = solo[y_s] = ONE
        started, decoded = {x: mu_p}, {y_m: mu_m, y_s: mu_s, x: -mu_p}
        if theta:
            objective |= {q_p: ZERO, q_d: ZERO}
            started[q_p] = decoded[q_d] = theta
        for dropped in [q_d] * empty_decode_buffer + [y_m] * disaggregated:
            for part in (objective, mixed, decoded):
                part.pop(dropped, None)
        arrivals = exact(each["arrival_rate"])
        rates = prompt, arrivals, theta, mu_p, mu_m, mu_s
        classes.append(Class(name, *rates, x, y_m, y_s, q_p, q_d))
        rows[f"prefill_balance[{name}]"] = started, False, arrivals
        rows[f"decode_balance[{name}]"] = decoded, False, ZERO
    rows["prefill_capacity"] = prefill, True, ONE
    rows["mixed_decode_capacity"] = mixed, True, ZERO
    rows["solo_decode_capacity"] = solo, True, slots
    for k, sli in enumerate(instance.get("slis", ())):
        try:
            add_promise(objective, rows, sli, classes, (slots, tau, solo_time))
        except ValueError as error:
            raise ValueError(f"instance.slis[{k}]: {error}") from error
    return objective, rows


def add_promise(
    objective: Vector,
    rows: dict[str, Row],
    sli: Mapping[str, Any],
    classes: Sequence[Class],
    gpu: tuple[Fraction, Fraction, Fraction],
) -> None:
    """Add variables and rows of a promise: N - eta D at most 0, or at least 0."""
    expect(SLI, {**dict.fromkeys(SLI), **sli}, "it")
    if "penalty_weight" in sli or ("at_most" in sli) == ("at_least" in sli):
        raise ValueError("only one bound makes a promise, and no certificate covers a penalty")
    kind, owner = sli["kind"], sli.get("class")
    direction = "at_most" if "at_most" in sli else "at_least"
    if direction not in DIRECTIONS.get(kind, ()):
        raise ValueError(f"no certificate covers {direction} of {kind!r}")
    if (owner is not None and kind in CLUSTER_ONLY) or (owner is None and kind in CLASS_ONLY):
        raise ValueError(f"{kind!r} is not about {owner!r}")
    scope = [each for each in classes if owner in (None, each.name)]
    if not scope:
        raise ValueError(f"there is no class {owner!r}")
    if kind in TIMES and not all(each.theta for each in scope):
        raise ValueError(f"{kind!r} has no meaning where a class never leaves")
    label = sli.get("name", kind if owner is None else f"{kind}:{owner}")
    if f"promise[{label}]" in rows:
        raise ValueError(f"another one is called {label!r} too")
    ties: list[Vector] = []
    highest, lowest, least = (f"{name}{label}]" for name in AUXILIARY)
    if kind in SPREADS:  # lowest <= v_i <= highest
        for each in classes:
            v = SPREADS[kind](each)
            ties += [{v: ONE, highest: -ONE}, {lowest: ONE, v: -ONE}]
        above, below = {highest: ONE, lowest: -ONE}, {CONSTANT: ONE}
    elif kind == "max_min_fairness":  # least r_i lambda_i <= what is finished of class i
        share = fair_share(classes, gpu)
        for each in classes:
            served = (share if each.theta else ONE) * each.arrivals
            ties.append({least: served, each.y_m: -each.mu_m, each.y_s: -each.mu_s})
        above, below = {least: ONE}, {CONSTANT: ONE}
    else:
        above, below = quotients(scope, classes, gpu)[kind]
    objective |= {name: ZERO for name in above if name.startswith(AUXILIARY)}
    for j, tie in enumerate(ties):
        kept = {name: tie[name] for name in tie if name in objective}
        rows[f"definition[{label}][{j}]"] = kept, True, ZERO
    bound, sign = exact(sli[direction]), ONE if direction == "at_most" else -ONE
    excess = {name: sign * (above.get(name, ZERO) - bound * below.get(name, ZERO))
              for name in above | below}  # fmt: skip
    row = {name: excess[name] for name in excess if name in objective}
    rows[f"promise[{label}]"] = row, True, -excess.get(CONSTANT, ZERO)


CONSTANT = ""
"""Stands among the variables for the number 1."""
AT_MOST, EITHER = ("at_most",), ("at_most", "at_least")
SPREADS: dict[str, Callable[[Class], str]] = {  # P43, P45: largest less smallest of a variable
    "prefill_fairness": lambda each: each.x,
    "decode_fairness": lambda each: each.y_s,
}
TIMES = ("mean_wait", "mean_ttft", "mean_end_to_end")
DIRECTIONS = {
    **dict.fromkeys((*SPREADS, *TIMES, "mean_tpot", "token_tpot", "abandonment_fraction"), AT_MOST),
    **dict.fromkeys(("decode_backlog", "empty_decode_buffer", "disaggregation"), AT_MOST),
    **dict.fromkeys(("throughput", "proportional_share"), EITHER),
    "max_min_fairness": ("at_least",),
}
"""By kind, which bounds there are."""
CLUSTER_ONLY = (*SPREADS, "mean_tpot", "max_min_fairness")
CLASS_ONLY = ("proportional_share",)


def quotients(
    scope: Sequence[Class], everyone: Sequence[Class], gpu: tuple[Fraction, Fraction, Fraction]
) -> dict[str, tuple[Vector, Vector]]:
    """Return numerator and denominator of the other kinds, each above 0 in the plan or 0."""
    slots, tau, solo_time = gpu
    waiting, handed = {each.q_p: ONE for each in scope}, {each.q_d: ONE for each in scope}
    starting, started = {each.x: ONE for each in scope}, {each.x: each.mu_p for each in scope}
    mixed, solo = {each.y_m: ONE for each in scope}, {each.y_s: ONE for each in scope}
    tokens = {each.y_m: 1 / tau for each in scope} | {each.y_s: 1 / solo_time for each in scope}
    finished, all_finished = (
        {each.y_m: each.mu_m for each in group} | {each.y_s: each.mu_s for each in group}
        for group in (scope, everyone)
    )
    left = {name: each.theta for each in scope for name in (each.q_p, each.q_d)}
    held = {each.q_d: each.prompt for each in scope}
    arrived = {CONSTANT: sum((each.arrivals for each in scope), ZERO)}
    mixed_part = dict.fromkeys(starting, tau * (slots - 1) - solo_time * slots)
    slot_time = mixed_part | {CONSTANT: solo_time * slots}
    all_slots = dict.fromkeys(starting, -ONE) | {CONSTANT: slots}
    one = {CONSTANT: ONE}
    return {
        "mean_wait": (waiting, started),
        "mean_ttft": (waiting | starting, started),
        "mean_end_to_end": (waiting | starting | handed | mixed | solo, finished),
        "mean_tpot": (slot_time, all_slots),  # P47, D7
        "token_tpot": (mixed | solo, tokens),  # D13
        "abandonment_fraction": (left, arrived),
        "throughput": (finished, one),
        "proportional_share": (finished, all_finished),
        "decode_backlog": (held, one),
        "empty_decode_buffer": (handed, one),
        "disaggregation": (mixed, one),
    }


def fair_share(classes: Sequence[Class], gpu: tuple[Fraction, Fraction, Fraction]) -> Fraction:
    """Return the fraction of their arrivals that all who leave can get at once, at most 1.

    Who never leaves comes first. Prefills take a part X of the GPUs, at most all; a mixed GPU has
    `cost` fewer slots, in mixed ones, than a solo one has: if that is below 0, more prefills help.
    """
    slots, tau, solo_time = gpu
    room = slots * tau / solo_time
    cost = room - (slots - 1)
    stay, leave = ([each for each in classes if bool(each.theta) is may] for may in (False, True))
    if not leave:
        return ONE
    starts, more = (sum((c.arrivals / c.mu_p for c in group), ZERO) for group in (stay, leave))
    decodes, added = (sum((c.arrivals / c.mu_m for c in group), ZERO) for group in (stay, leave))
    if cost >= 0:
        decodes, added = decodes + cost * starts, added + cost * more
    else:
        room -= cost * min(ONE, starts + more)
    return max(ZERO, min(ONE, (1 - starts) / more, (room - decodes) / added))


def asks_for_empty_buffer(instance: Mapping[str, Any]) -> bool:
    """Whether a promise comes with q_d = 0."""
    return any(each.get("kind") in SPREADS for each in instance.get("slis", ()))


def dimension(directions: Iterable[Vector], objective: Vector) -> int:
    """Return in how many independent directions the plan moves, auxiliary variables apart."""
    plans = [
        {name: direction[name] for name in direction if not name.startswith(AUXILIARY)}
        for direction in directions
    ]
    return rank(plans, objective)


def faults(
    point: Vector, value: Fraction, objective: Vector, rows: Mapping[str, Row], label: str
) -> list[str]:
    """Return why a point is not feasible with the given value."""
    if set(point) != set(objective):
        return [f"{label} does not have the variables of this instance"]
    found = [f"{label} is negative at {name}" for name in point if point[name] < 0]
    for name, (row, loose, right) in rows.items():
        left = sum((row[variable] * point[variable] for variable in row), ZERO)
        found += [f"{label} violates {name}"] * (left > right or (left < right and not loose))
    earned = sum((objective[name] * point[name] for name in point), ZERO)
    return found + [f"{label} does not have the value"] * (earned != value)


def rank(vectors: Sequence[Vector], order: Iterable[str]) -> int:
    """Return the rank of sparse vectors over the index set `order`, eliminated in that order."""
    place = {name: k for k, name in enumerate(order)}
    echelon: dict[str, Vector] = {}
    for vector in vectors:
        rest = {name: entry for name, entry in vector.items() if entry}
        while rest and (lead := min(rest, key=place.__getitem__)) in echelon:
            factor = rest[lead] / echelon[lead][lead]
            for name, entry in echelon[lead].items():
                rest[name] = rest.get(name, ZERO) - factor * entry
            rest = {name: entry for name, entry in rest.items() if entry}
        if rest:
            echelon[lead] = rest
    return len(echelon)


def exact(value: float | Fraction) -> Fraction:
    """Return a number of the instance as a fraction."""
    try:
        return value if isinstance(value, Fraction) else Fraction(repr(float(value)))
    except (ValueError, OverflowError) as error:
        raise ValueError("instance: a number is infinite, or is none (nan)") from error


def number(text: str | None) -> Fraction:
    """Return a number of the certificate, ``p/q`` in lowest terms or ``p``."""
    if text is not None and re.fullmatch(r"-?[0-9]+(/[1-9][0-9]*)?", text):
        value = Fraction(text)
        if str(value) == text:
            return value
    raise ValueError(f"certificate: {reprlib.repr(text)} is not a fraction in lowest terms")


def numbers(texts: Mapping[str, str]) -> Vector:
    """Return numbers of the certificate by name."""
    return {name: number(text) for name, text in texts.items()}


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a table of the JSON file, in which no key may stand twice."""
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a key stands twice in one table")
    return table


def read(file: str, parse: Callable[[str], Any]) -> Any:
    """Return what a file says; raise OSError or ValueError, with its name, if it says nothing."""
    try:
        with open(file, "rb") as stream:
            return parse(stream.read().decode("utf-8-sig"))
    except (ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{file}: {type(error).__name__}: {error}") from error


def say(stream: TextIO, *lines: str) -> None:
    """Print lines in ASCII; all else is escaped, so that no name can pass for a line of its own."""
    stream.writelines(line.encode("unicode_escape").decode() + "\n" for line in lines)


def main(arguments: Sequence[str]) -> int:
    """Check the files named on the command line, say what holds, and return the exit code."""
    if len(arguments) != 2:
        say(sys.stderr, "usage: certificate_checker.py NAME.certificate.json INSTANCE.toml")
        return 2
    certificate_file, instance_file = arguments
    try:
        certificate = read(certificate_file, lambda text: json.loads(text, object_pairs_hook=once))
        instance = read(instance_file, tomllib.loads)
        problems = check(certificate, instance)
    except (OSError, ValueError, MemoryError) as error:
        reason = str(error) or "out of memory"
        say(sys.stderr, f"cannot check {certificate_file} against {instance_file}: {reason}")
        return 2
    if problems:
        say(sys.stdout, *(f"REJECTED: {each}" for each in problems))
        return 1
    demands = [name for name in ("empty_decode_buffer", "disaggregated") if certificate[name]]
    if promised := len(instance.get("slis", ())):
        demands.append(f"{promised} promise{'s' * (promised > 1)}")
    say(sys.stdout, ", ".join([f"{instance_file}: {certificate['scheme']} pricing", *demands]))
    if certificate["status"] == "infeasible":
        say(sys.stdout, "proved: nothing is feasible")
        return 0
    moves = [numbers(each) for each in certificate["directions"]]
    dimensions = dimension(moves, dict.fromkeys(certificate["primal"], ZERO))
    span = "spanned by the certificate's directions"
    many = f"not unique: the optima have dimension {dimensions}, {span}"
    say(
        sys.stdout,
        f"proved: the optimal value is {certificate['value']}",
        f"proved: the optimum is {many if dimensions else 'unique'}",
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
