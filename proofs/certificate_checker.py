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
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

Vector = Mapping[str, Fraction]
ZERO = Fraction(0)


def check(certificate: Mapping[str, Any], instance: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a certificate of an instance; nothing if it is valid.

    Parameters
    ----------
    certificate
        The parsed JSON document.
    instance
        The parsed TOML file. A number may also be a `Fraction`, which is taken as it is.

    Raises
    ------
    ValueError, KeyError, TypeError, ZeroDivisionError
        If one of them is not what it should be: a key is missing, or a number is none.
    """
    if certificate["schema_version"] != 1:
        raise ValueError("the certificate is of a version unknown here")
    content = {key: value for key, value in certificate.items() if key != "checksum"}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    sealed = hashlib.sha256(text.encode()).hexdigest() == certificate["checksum"]
    problems = [] if sealed else ["the checksum does not fit: the certificate was altered"]
    if certificate["scheme"] != instance["prices"]["scheme"]:
        return [*problems, "the instance has another pricing scheme"]
    demands = certificate["empty_decode_buffer"] is True, certificate["disaggregated"] is True
    objective, rows = program(instance, *demands)
    dual = numbers(certificate["dual"])
    if set(dual) != set(rows):
        return [*problems, "the multipliers are not those of this program's rows"]
    problems += [
        f"the multiplier of {name} is negative"
        for name, (_, bounded, _) in rows.items()
        if bounded and dual[name] < 0
    ]
    taken = {
        name: sum((dual[row] * a.get(name, ZERO) for row, (a, _, _) in rows.items()), ZERO)
        for name in objective
    }
    bound = sum((dual[row] * right for row, (_, _, right) in rows.items()), ZERO)
    if certificate["status"] == "infeasible":
        problems += [f"the combined row has a negative {n}" for n, a in taken.items() if a < 0]
        return problems + (["the combined row's bound is not negative"] if bound >= 0 else [])
    if certificate["status"] != "optimal":
        raise ValueError("the status is neither optimal nor infeasible")
    costs = {name: taken[name] - objective[name] for name in objective}
    problems += [f"{name} earns more than it costs" for name, cost in costs.items() if cost < 0]
    value, primal = number(certificate["value"]), numbers(certificate["primal"])
    if bound != value:
        problems.append("the value of the multipliers is not the value")
    problems += faults(primal, value, objective, rows, "the point")
    directions = [numbers(each) for each in certificate["directions"]]
    for k, direction in enumerate(directions, 1):
        moved = {name: primal.get(name, ZERO) + direction.get(name, ZERO) for name in objective}
        moved |= {name: direction[name] for name in direction if name not in moved}
        problems += faults(moved, value, objective, rows, f"the point moved in direction {k}")
    columns = [
        {row: a[name] for row, (a, _, _) in rows.items() if name in a}
        for name, cost in costs.items()
        if not cost
    ]
    columns += [{row: Fraction(1)} for row, (_, slack, _) in rows.items() if slack and not dual[row]]
    dimension = len(columns) - rank(columns, list(rows))
    if not rank(directions, list(objective)) == len(directions) == dimension:
        problems.append("the directions are not proved to be independent and all there are")
    if certificate["unique"] is not (not directions):
        problems.append("it is called unique and has directions, or the reverse")
    return problems


def program(
    instance: Mapping[str, Any], empty_decode_buffer: bool, disaggregated: bool
) -> tuple[dict[str, Fraction], dict[str, tuple[dict[str, Fraction], bool, Fraction]]]:
    """Return objective and rows of (P40) or (P42): coefficients, whether <= (or =), bound."""
    if instance.get("slis"):
        raise ValueError("the instance has promises (slis), which no certificate covers")
    gpu, time, prices = instance["gpu"], instance["gpu"]["iteration_time"], instance["prices"]
    slots, chunk = exact(gpu["batch_slots"]), exact(gpu["chunk_tokens"])
    tau = exact(time["base"]) + exact(time["per_chunk_token"]) * chunk  # P3
    gamma = 1 / exact(time["decode_only"])
    c_p, c_d = exact(prices["prompt_token"]), exact(prices["output_token"])
    prefill, mixed, solo = ({}, True, Fraction(1)), ({}, True, ZERO), ({}, True, slots)
    objective: dict[str, Fraction] = {}
    balances: dict[str, tuple[dict[str, Fraction], bool, Fraction]] = {}
    for each in instance["classes"]:
        name, theta = each["name"], exact(each["patience_rate"])
        prompt, output = exact(each["prompt_tokens"]), exact(each["output_tokens"])
        x, y_m, y_s = f"prefill[{name}]", f"mixed_decode[{name}]", f"solo_decode[{name}]"
        q_p, q_d = f"prefill_queue[{name}]", f"decode_queue[{name}]"
        if x in objective:
            raise ValueError(f"two classes are called {name!r}")
        mu_p, mu_m, mu_s = chunk / (prompt * tau), 1 / (output * tau), gamma / output  # P4
        reward = c_p * prompt + c_d * output  # P21
        if prices["scheme"] == "bundled":  # P40
            objective |= {x: ZERO, y_m: reward * mu_m, y_s: reward * mu_s}
        else:  # P42
            objective |= {x: c_p * chunk / tau, y_m: c_d / tau, y_s: c_d * gamma}
        prefill[0][x] = Fraction(1)
        mixed[0].update({y_m: Fraction(1), x: 1 - slots})
        solo[0].update({y_s: Fraction(1), x: slots})
        started, decoded = {x: mu_p}, {y_m: mu_m, y_s: mu_s, x: -mu_p}
        if theta:
            objective |= {q_p: ZERO, q_d: ZERO}
            started[q_p] = decoded[q_d] = theta
        balances[f"prefill_balance[{name}]"] = (started, False, exact(each["arrival_rate"]))
        balances[f"decode_balance[{name}]"] = (decoded, False, ZERO)
        for dropped in [q_d] * empty_decode_buffer + [y_m] * disaggregated:
            for part in (objective, mixed[0], decoded):
                part.pop(dropped, None)
    rows = balances | {"prefill_capacity": prefill, "mixed_decode_capacity": mixed}
    return objective, rows | {"solo_decode_capacity": solo}


def faults(
    point: Vector, value: Fraction, objective: Vector, rows: Mapping[str, Any], label: str
) -> list[str]:
    """Return why a point is not feasible with the given value."""
    if set(point) != set(objective):
        return [f"{label} does not have this program's variables"]
    found = [f"{label} has a negative {name}" for name in point if point[name] < 0]
    for name, (row, slack, right) in rows.items():
        left = sum((a * point[variable] for variable, a in row.items()), ZERO)
        if left > right or (left < right and not slack):
            found.append(f"{label} violates {name}")
    if sum((objective[name] * point[name] for name in point), ZERO) != value:
        found.append(f"{label} does not have the value")
    return found


def rank(vectors: Sequence[Vector], order: Sequence[str]) -> int:
    """Return the rank of sparse vectors over the index set `order`."""
    place = {name: k for k, name in enumerate(order)}
    echelon: dict[str, dict[str, Fraction]] = {}
    for vector in vectors:
        rest = {name: entry for name, entry in vector.items() if entry}
        while rest:
            lead = min(rest, key=place.__getitem__)
            if lead not in echelon:
                echelon[lead] = rest
                break
            factor = rest[lead] / echelon[lead][lead]
            for name, entry in echelon[lead].items():
                rest[name] = rest.get(name, ZERO) - factor * entry
            rest = {name: entry for name, entry in rest.items() if entry}
    return len(echelon)


def exact(value: Any) -> Fraction:
    """Return a number of the instance as a fraction."""
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction):
        raise ValueError(f"{value!r} is not a number")
    return value if isinstance(value, Fraction) else Fraction(repr(float(value)))


def number(text: Any) -> Fraction:
    """Return a number of the certificate: p or p/q."""
    if not isinstance(text, str) or not re.fullmatch(r"-?[0-9]+(/[0-9]+)?", text):
        raise ValueError(f"{text!r} is not a fraction")
    return Fraction(text)


def numbers(texts: Mapping[str, Any]) -> dict[str, Fraction]:
    """Return named numbers of the certificate."""
    return {name: number(text) for name, text in texts.items()}


def main(arguments: Sequence[str]) -> int:
    """Check the files named on the command line, say what holds, and return the exit code."""
    if len(arguments) != 2:
        sys.stderr.write("usage: certificate_checker.py NAME.certificate.json INSTANCE.toml\n")
        return 2
    try:
        with open(arguments[0], "rb") as file:
            certificate = json.load(file)
        with open(arguments[1], "rb") as file:
            instance = tomllib.load(file)
        problems = check(certificate, instance)
    except KeyError as error:
        sys.stderr.write(f"cannot be checked: there is no {error}\n")
        return 2
    except (OSError, ValueError, TypeError, AttributeError, ArithmeticError) as error:
        sys.stderr.write(f"cannot be checked: {error}\n")
        return 2
    for problem in problems:
        sys.stdout.write(f"REJECTED: {problem}\n")
    if problems:
        return 1
    demands = [each for each in ("empty_decode_buffer", "disaggregated") if certificate[each]]
    sys.stdout.write(f"{arguments[1]}, {certificate['scheme']} pricing")
    sys.stdout.write("".join(f", {each} demanded" for each in demands) + "\n")
    if certificate["status"] == "infeasible":
        sys.stdout.write("proved: no point is feasible (Farkas multipliers)\n")
        return 0
    sys.stdout.write(f"proved: the optimal value is {certificate['value']}\n")
    count = len(certificate["directions"])
    spread = f"not unique: the optima form a set of {count} dimensions, spanned by the directions"
    sys.stdout.write(f"proved: the optimum is {spread if count else 'unique'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
