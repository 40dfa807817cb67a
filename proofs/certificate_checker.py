"""Check a certificate of `gnr solve --certify` against an instance file.

    python certificate_checker.py NAME.certificate.json INSTANCE.toml

Needs the standard library only, and nothing of gnr: the linear program is built here, from the
instance file and the formulas of the paper (eqs. P3, P4, P21, P40, P42). Every number of the file
is the shortest decimal that denotes its double. Exit code: 0 all holds, 1 something does not, 2 the
input cannot be used.
"""

import hashlib
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

Vector: TypeAlias = dict[str, Fraction]
Row: TypeAlias = tuple[Vector, bool, Fraction]
"""Coefficients by variable; whether the row is ``<=`` and not ``=``; right-hand side."""
ZERO, ONE = Fraction(0), Fraction(1)


def check(certificate: Mapping[str, Any], instance: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a certificate (JSON) of an instance (TOML); nothing if it is valid.

    A number of the instance may also be a `Fraction`. Raises ValueError, LookupError, TypeError,
    AttributeError or ArithmeticError if one of the two is not what it should be.
    """
    if certificate["schema_version"] != 1 or instance["schema_version"] != 1:
        raise ValueError("the certificate or the instance is of a version unknown here")
    content = {key: value for key, value in certificate.items() if key != "checksum"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    altered = hashlib.sha256(text.encode()).hexdigest() != certificate["checksum"]
    problems = ["the checksum does not fit: the certificate was altered"] * altered
    if certificate["scheme"] != instance["prices"]["scheme"]:
        return [*problems, "the instance has another pricing scheme"]
    objective, rows = program(
        instance, certificate["empty_decode_buffer"], certificate["disaggregated"]
    )
    dual = numbers(certificate["dual"])
    if set(dual) != set(rows):
        return [*problems, "the multipliers are not those of the rows of this instance"]
    problems += [f"{name} has a negative multiplier" for name in rows
                 if rows[name][1] and dual[name] < 0]  # fmt: skip
    costs = dict.fromkeys(objective, ZERO)
    for row, (coefficients, _, _) in rows.items():
        for name, coefficient in coefficients.items():
            costs[name] += dual[row] * coefficient
    bound = sum((dual[row] * right for row, (_, _, right) in rows.items()), ZERO)
    if certificate["status"] == "infeasible":  # Farkas
        problems += [f"the combined row is negative at {name}" for name in costs if costs[name] < 0]
        return problems + ["the combined row has no negative bound"] * (bound >= 0)
    if certificate["status"] != "optimal":
        raise ValueError("the status is neither optimal nor infeasible")
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
    if certificate["unique"] is not (not directions):
        problems.append("it is called unique and has directions, or it is neither")
    return problems


def program(
    instance: Mapping[str, Any], empty_decode_buffer: bool, disaggregated: bool
) -> tuple[Vector, dict[str, Row]]:
    """Return objective and rows of (P40) or (P42), balances first."""
    if instance.get("slis"):
        raise ValueError("the instance has promises (slis), which no certificate covers")
    gpu, time, prices = instance["gpu"], instance["gpu"]["iteration_time"], instance["prices"]
    slots, chunk = exact(gpu["batch_slots"]), exact(gpu["chunk_tokens"])
    tau = exact(time["base"]) + exact(time["per_chunk_token"]) * chunk  # P3
    gamma = 1 / exact(time["decode_only"])
    c_p, c_d = exact(prices["prompt_token"]), exact(prices["output_token"])
    objective: Vector = {}
    prefill: Vector = {}
    mixed: Vector = {}
    solo: Vector = {}
    rows: dict[str, Row] = {}
    for each in instance["classes"]:
        name, theta = each["name"], exact(each["patience_rate"])
        prompt, output = exact(each["prompt_tokens"]), exact(each["output_tokens"])
        x, y_m, y_s = f"prefill[{name}]", f"mixed_decode[{name}]", f"solo_decode[{name}]"
        q_p, q_d = f"prefill_queue[{name}]", f"decode_queue[{name}]"
        if x in objective:
            raise ValueError(f"two classes are called {name!r}")
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
        rows[f"prefill_balance[{name}]"] = started, False, exact(each["arrival_rate"])
        rows[f"decode_balance[{name}]"] = decoded, False, ZERO
    rows["prefill_capacity"] = prefill, True, ONE
    rows["mixed_decode_capacity"] = mixed, True, ZERO
    rows["solo_decode_capacity"] = solo, True, slots
    return objective, rows


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


def exact(value: Any) -> Fraction:
    """Return a number of the instance as a fraction."""
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        raise ValueError(f"{value!r} in the instance is not a number")
    return value if isinstance(value, Fraction) else Fraction(repr(float(value)))


def number(text: Any) -> Fraction:
    """Return a number of the certificate, ``p/q`` or ``p``."""
    if not isinstance(text, str) or not re.fullmatch(r"-?[0-9]+(/[0-9]+)?", text):
        raise ValueError(f"{text!r} in the certificate is not a fraction")
    return Fraction(text)


def numbers(texts: Mapping[str, Any]) -> Vector:
    """Return numbers of the certificate by name."""
    return {name: number(text) for name, text in texts.items()}


def main(arguments: Sequence[str]) -> int:
    """Check the files named on the command line, say what holds, and return the exit code."""
    if len(arguments) != 2:
        sys.stderr.write("usage: certificate_checker.py NAME.certificate.json INSTANCE.toml\n")
        return 2
    certificate_file, instance_file = arguments
    try:
        with open(certificate_file, "rb") as file:
            certificate = json.load(file)
        with open(instance_file, "rb") as file:
            instance = tomllib.load(file)
        problems = check(certificate, instance)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        sys.stderr.write(f"cannot be checked: {type(error).__name__}: {error}\n")
        return 2
    print(*(f"REJECTED: {each}" for each in problems), sep="\n", end="\n" * bool(problems))
    if problems:
        return 1
    demands = [name for name in ("empty_decode_buffer", "disaggregated") if certificate[name]]
    print(f"{instance_file}: {certificate['scheme']} pricing", *demands, sep=", ")
    if certificate["status"] == "infeasible":
        print("proved: nothing is feasible")
        return 0
    dimensions = len(certificate["directions"])
    print("proved: the optimal value is", certificate["value"])
    many = f"not unique: the optima have dimension {dimensions}, spanned by the directions"
    print("proved: the optimum is", many if dimensions else "unique")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
