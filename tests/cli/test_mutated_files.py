"""Thousands of damaged files: never a traceback, never a wrong acceptance or refusal."""

import json
import random
import tomllib
from pathlib import Path

import pytest

from gnr.cli.app import run
from gnr.errors import InputError
from gnr.reading import load, shipped_instances
from gnr.slis import INDICATORS
from oracles.format_oracle import KINDS, has_sane_magnitudes, is_valid

TEXTS = [file.read_text() for file in shipped_instances().values()]
PROMISES = (
    'kind = "token_tpot"\nat_most = 0.03\nclass = "decode-heavy"',
    'kind = "mean_tpot"\nat_most = 0.03',
    'kind = "mean_ttft"\nat_most = 30',
    'kind = "proportional_share"\nat_least = 0.3\nclass = "decode-heavy"',
)
TEXTS += [
    shipped_instances()["two-class"].read_text() + f"\n[[slis]]\n{promise}\n"
    for promise in PROMISES
]
TEXTS.append(
    TEXTS[-1].replace(
        "[gpu.iteration_time]",
        "replica_gpus = 8\n\n[gpu.cost]\nper_hour = 2.5\n\n[gpu.iteration_time]",
    )
)
VALUES = (
    "0", "-1", "1", "2", "16.0", "1e3", "1e-400", "1e400", "9e99", "-0.0", "inf", "-inf", "nan",
    "true", "false", "0x10", "1_000", "'text'", '""', "[]", "{}", "[1]", "{a=1}", "2026-01-01",
    "10:00:00", "99999999999999999999999", "1e308", "5e-324", '"1e3"',
)  # fmt: skip
KEYS = (
    "notes", "title", "base", "slis", "gpu", "class", "name", "at_most", "at_least",
    "penalty_weight", "patience_rate", "memory", "length_law", "replica_gpus", "gpu.cost",
    "per_hour", "x",
)  # fmt: skip


def test_restated_kinds_are_those_of_the_program() -> None:
    """Were the oracle behind, it would refuse what is right."""
    assert {
        kind: (each.directions, each.scopes, each.highest, each.needs_patience)
        for kind, each in INDICATORS.items()
    } == {
        kind: (tuple(sorted(directions)) if len(directions) > 1 else directions, *rest)
        for kind, (directions, *rest) in KINDS.items()
    }
    assert all(each.lowest == 0 for each in INDICATORS.values())


def mutate(text: str, rng: random.Random) -> bytes:
    """Return `text` with one to three pieces of damage."""
    for _ in range(rng.randint(1, 3)):
        lines = text.split("\n")
        line = rng.randrange(len(lines))
        kind = rng.randrange(9)
        if kind == 0 and "=" in lines[line]:
            lines[line] = lines[line].split("=")[0] + "= " + rng.choice(VALUES)
        elif kind == 1:
            lines.insert(line, f"{rng.choice(KEYS)} = {rng.choice(VALUES)}")
        elif kind == 2:
            del lines[line]
        elif kind == 3:
            lines.insert(rng.randrange(len(lines)), lines[line])
        elif kind == 4:
            lines.insert(line, f"[{rng.choice(KEYS)}]")
        elif kind == 5 and lines[line]:
            at = rng.randrange(len(lines[line]))
            lines[line] = lines[line][:at] + chr(rng.randrange(1, 300)) + lines[line][at + 1 :]
        elif kind == 6:
            lines[line] = lines[line].replace(" = ", rng.choice(["_x = ", " == ", " ", " = -"]))
        elif kind == 7 and "=" in lines[line]:
            lines[line] = rng.choice(KEYS) + " =" + lines[line].split("=", 1)[1]
        elif kind == 8:
            lines[line : line + 2] = reversed(lines[line : line + 2])
        text = "\n".join(lines)
    content = text.encode()
    if rng.random() < 0.05:
        at = rng.randrange(len(content))
        content = content[:at] + bytes([rng.randrange(256)]) + content[at + rng.randrange(3) :]
    return content


def judge(content: bytes) -> bool:
    """Return whether the file is a valid instance."""
    try:
        data = tomllib.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    return is_valid(data) and has_sane_magnitudes(data)


def check_mutants(count: int, seed: int, folder: Path) -> dict[bool, int]:
    rng, file = random.Random(seed), folder / "mutant.toml"
    seen = {True: 0, False: 0}
    for _ in range(count):
        content = mutate(rng.choice(TEXTS), rng)
        file.write_bytes(content)
        try:
            load(file)
            accepted = True
        except InputError as refusal:
            accepted, told = False, refusal.problems
            assert all(problem.message for problem in told)
        verdict = judge(content)
        assert accepted is verdict, content.decode(errors="replace")
        seen[accepted] += 1
    return seen


@pytest.mark.parametrize("mutants", [1_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_mutants_are_judged_rightly(mutants: int, tmp_path: Path) -> None:
    seen = check_mutants(mutants, 1, tmp_path)
    assert min(seen.values()) > mutants / 10, "both verdicts were put to the test"


@pytest.mark.parametrize("mutants", [60, pytest.param(240, marks=pytest.mark.long)])
def test_mutants_through_the_command_line_end_in_a_clear_way(
    mutants: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, file = random.Random(3), tmp_path / "mutant.toml"
    out = ("--out", str(tmp_path / "out"))
    for number in range(mutants):
        file.write_bytes(mutate(rng.choice(TEXTS), rng))
        code = run(["solve", str(file), "--json"])
        document = json.loads(capsys.readouterr().out)
        assert code in (0, 1, 2, 3)
        assert ("error" in document) == (code == 2)
        other = (
            ("check", str(file)),
            ("solve", str(file), "--gpus", "7"),
            ("solve", str(file), *out),
            ("draw", str(file), *out, "--format", "svg"),
        )[number % 4]
        code = run(other)
        assert code in (0, 1, 2, 3)
        assert "Traceback" not in capsys.readouterr().err
