"""What the certificate checker refuses, and the parts a certificate is made of."""

import ast
import copy
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from gnr.certificate import checksum_of
from gnr.certificate_summary import certificate_lines, shortened
from gnr.errors import InputError
from gnr.exact_rates import exact_rates
from gnr.instance_text import to_toml
from gnr.models.certificate import MOST_CLASSES, certify, disagreement
from gnr.models.steady_state import solve
from gnr.proofs import certificate_checker
from gnr.proofs.certificate_checker import check
from gnr.rates import rates_of
from gnr.reading import build, load, shipped_instances
from packaging_tools import ROOT

CHECKER = ROOT / "proofs" / "certificate_checker.py"


def raw(name: str) -> dict[str, Any]:
    return tomllib.loads(shipped_instances()[name].read_text())


def document(name: str, **demands: bool) -> dict[str, Any]:
    return certify(solve(load(name), **demands)).model_dump(mode="json")


def resealed(certificate: dict[str, Any]) -> dict[str, Any]:
    """Return the certificate with a checksum that fits, so that the mathematics must refuse it."""
    content = {key: value for key, value in certificate.items() if key != "checksum"}
    return content | {"checksum": checksum_of(content)}


def refused(certificate: dict[str, Any], data: dict[str, Any]) -> bool:
    """Tell whether the mathematics refuse a certificate, or the numbers are not as they should."""
    try:
        return bool(check(certificate, data))
    except ValueError as error:
        return "not a fraction in lowest terms" in str(error)


def slips(text: str) -> Iterator[str]:
    """Yield the text with each of its digits altered, but for denominators of 0."""
    for place, digit in enumerate(text):
        if digit.isdigit():
            other = f"{text[:place]}{(int(digit) + 1) % 10}{text[place + 1 :]}"
            if int(other.partition("/")[2] or 1):
                yield other


def altered(certificate: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the certificate with one digit altered, for every digit of every number."""
    places: list[tuple[Callable[[Any], Any], Any]] = []
    if certificate["value"] is not None:
        places.append((lambda c: c, "value"))
    for part in ("primal", "dual"):
        places += [(lambda c, part=part: c[part], name) for name in certificate[part]]
    for k, direction in enumerate(certificate["directions"]):
        places += [(lambda c, k=k: c["directions"][k], name) for name in direction]
    for holder, key in places:
        for text in slips(holder(certificate)[key]):
            changed = copy.deepcopy(certificate)
            holder(changed)[key] = text
            yield f"{key} = {text}", changed


@pytest.mark.parametrize("name", ["two-class", "two-class-separate"])
def test_one_altered_digit_anywhere_is_rejected(name: str) -> None:
    """By the checksum, and by the mathematics too: the multipliers of these two are unique."""
    data, certificate = raw(name), document(name)
    assert check(certificate, data) == []
    count = 0
    for place, changed in altered(certificate):
        assert refused(resealed(changed), data), place
        count += 1
        if count % 20 == 0:
            assert check(changed, data)[0].startswith("the checksum does not fit")
    assert count > 300


def test_one_altered_digit_of_farkas_multipliers_is_rejected_by_the_checksum() -> None:
    """Multiples and neighbours of Farkas multipliers prove as much: only the checksum can tell."""
    data = raw("two-class")
    for each in data["classes"]:
        each["patience_rate"], each["arrival_rate"] = 0.0, 5.0
    certificate = certify(solve(build(data, "x"))).model_dump(mode="json")
    assert certificate["status"] == "infeasible"
    assert check(certificate, data) == []
    for place, changed in altered(certificate):
        assert check(changed, data), place


@pytest.mark.parametrize("name", shipped_instances())
def test_certificate_of_another_instance_is_rejected(name: str) -> None:
    certificate = document(name)
    for other in shipped_instances():
        assert bool(check(certificate, raw(other))) == (other != name), other


def test_slightly_different_instances_are_told_apart() -> None:
    certificate = document("two-class")
    for change in ("gpu.batch_slots=17", "classes.0.patience_rate=0.1000000001"):
        other = tomllib.loads(to_toml(load("two-class", [change])))
        assert check(certificate, other), change


def test_what_is_not_unique_cannot_be_sold_as_unique() -> None:
    certificate, data = document("two-class"), raw("two-class")
    assert certificate["unique"] is False
    assert check(resealed(certificate | {"unique": True}), data)
    sold = resealed(certificate | {"unique": True, "directions": []})
    assert "the directions are not proved to be independent and all there are" in check(sold, data)
    twice = [*certificate["directions"], *certificate["directions"]]
    assert check(resealed(certificate | {"directions": twice}), data)


def test_what_is_unique_cannot_be_sold_as_not_unique() -> None:
    data = raw("two-class") | {"classes": raw("two-class")["classes"][:1]}
    data["classes"][0]["arrival_rate"] = 5
    certificate = certify(solve(build(data, "x"))).model_dump(mode="json")
    assert certificate["unique"] is True
    assert check(certificate, data) == []
    assert check(resealed(certificate | {"unique": False}), data)
    nowhere = dict.fromkeys(certificate["primal"], "0")
    assert check(resealed(certificate | {"unique": False, "directions": [nowhere]}), data)


def test_missing_and_repeated_directions_are_noticed() -> None:
    certificate, data = document("dolly-eight-class"), raw("dolly-eight-class")
    assert len(certificate["directions"]) == 6
    twice = [*certificate["directions"][1:], certificate["directions"][1]]
    assert check(resealed(certificate | {"directions": twice}), data)
    assert check(resealed(certificate | {"directions": certificate["directions"][1:]}), data)


def test_another_scheme_or_demand_is_rejected() -> None:
    certificate, data = document("two-class"), raw("two-class")
    separate = resealed(certificate | {"scheme": "separate"})
    assert check(separate, data) == ["the instance has another pricing scheme"]
    assert check(separate, raw("two-class-separate"))
    assert check(resealed(certificate | {"disaggregated": True}), data)
    demanded = document("two-class", disaggregated=True, empty_decode_buffer=True)
    assert check(demanded, data) == []
    assert check(resealed(demanded | {"disaggregated": False}), data)


def test_feasible_instances_cannot_be_sold_as_infeasible() -> None:
    certificate, data = document("two-class"), raw("two-class")
    assert check(resealed(certificate | {"status": "infeasible"}), data)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"value": "1e9999999999"}, "not a fraction"),
        ({"value": 297.7}, "value is 297.7, not str or null"),
        ({"value": "1/0"}, "not a fraction"),
        ({"value": None}, "not a fraction"),
        ({"status": "limit"}, 'status is \'limit\', not "optimal" or "infeasible"'),
        ({"schema_version": 2}, "schema_version is 2, not 1"),
        ({"dual": []}, "dual is \\[\\], not a table"),
        ({"directions": {}}, "directions is {}, not a list"),
    ],
)
def test_unusable_certificates_raise(change: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check(resealed(document("two-class") | change), raw("two-class"))


def test_unusable_instances_raise() -> None:
    certificate, data = document("two-class"), raw("two-class")
    with pytest.raises(ValueError, match="two classes"):
        check(certificate, data | {"classes": [data["classes"][0]] * 2})
    with pytest.raises(ValueError, match="instance has no 'gpu'"):
        check(certificate, {key: value for key, value in data.items() if key != "gpu"})
    wrong = data | {"prices": data["prices"] | {"prompt_token": True}}
    with pytest.raises(ValueError, match="prompt_token is True, not int or float"):
        check(certificate, wrong)
    for table, change, why in (
        ("gpu", {"iteration_time": dict.fromkeys(data["gpu"]["iteration_time"], -1)}, "no time"),
        ("prices", {"prompt_token": float("nan")}, "nan"),
        ("prices", {"output_token": float("inf")}, "instance: a number is infinite"),
        ("gpu", {"batch_slots": 10**400}, "instance: a number is infinite"),
    ):
        with pytest.raises(ValueError, match=why):
            check(certificate, data | {table: data[table] | change})
    for change in ({"prompt_tokens": 0}, {"output_tokens": 0.0}):
        with pytest.raises(ValueError, match="no tokens"):
            check(certificate, data | {"classes": [data["classes"][0] | change]})


def test_checker_imports_only_the_standard_library() -> None:
    tree = ast.parse(CHECKER.read_text())
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [each.name for each in node.names]
        )
    }
    assert imported <= sys.stdlib_module_names


def test_checker_runs_alone_and_never_ends_in_a_traceback(tmp_path: Path) -> None:
    certificate = certify(solve(load("two-class"))).write(tmp_path)
    instance, other, bad = tmp_path / "a.toml", tmp_path / "b.toml", tmp_path / "bad"
    instance.write_text(shipped_instances()["two-class"].read_text())
    other.write_text(shipped_instances()["two-class-qwen-4b"].read_text())
    bad.write_bytes(b"\xff[")
    runs: dict[tuple[Path, ...], int] = {
        (certificate, instance): 0,
        (certificate, other): 1,
        (certificate, bad): 2,
        (bad, instance): 2,
        (certificate, tmp_path / "none"): 2,
        (instance, certificate): 2,
        (certificate,): 2,
    }
    for files, code in runs.items():
        done = subprocess.run(
            [sys.executable, "-I", CHECKER, *files], capture_output=True, text=True, check=False
        )
        assert done.returncode == code, files
        assert "Traceback" not in done.stderr
        assert bool(done.stderr) == (code == 2)
        assert ("proved:" in done.stdout) == (code == 0)
        assert ("REJECTED" in done.stdout) == (code == 1)


def test_main_tells_what_was_demanded_and_proved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    instance = load("two-class", ["classes.0.patience_rate=0", "classes.0.arrival_rate=50"])
    file = tmp_path / "a.toml"
    file.write_text(to_toml(instance))
    certificate = certify(solve(instance, disaggregated=True)).write(tmp_path)
    assert certificate_checker.main([str(certificate), str(file)]) == 0
    printed = capsys.readouterr().out
    assert "disaggregated" in printed
    assert "nothing is feasible" in printed


def test_exact_rates_are_the_shortest_decimals_of_the_file() -> None:
    instance = load("two-class")
    exact, rates = exact_rates(instance), rates_of(instance)
    assert exact.mixed_time == Fraction(33272, 10**6)
    assert exact.prompt_price == Fraction(1, 10)
    assert exact.solo_time == Fraction("0.022002200220022")
    assert list(exact.prefill) == [Fraction(256 * 10**6, 33272 * tokens) for tokens in (300, 3000)]
    assert list(map(float, exact.reward)) == pytest.approx(list(rates.reward), rel=1e-15)
    assert exact_rates(instance, decode_only=Fraction(20, 909)).solo_time == Fraction(20, 909)


@pytest.mark.parametrize("name", shipped_instances())
def test_written_instance_reads_back_equal(name: str, tmp_path: Path) -> None:
    overrides = ['notes="a \\"quoted\\" line\\nand \\u007f more"', "prices.prompt_token=1e-7"]
    instance = load(name, overrides)
    file = tmp_path / "back.toml"
    file.write_text(to_toml(instance))
    assert load(file) == instance


def test_instance_with_promises_is_written_with_them() -> None:
    data = raw("two-class") | {"slis": [{"kind": "mean_tpot", "at_most": 0.5, "name": "speed"}]}
    instance = build(data, "x")
    assert build(tomllib.loads(to_toml(instance)), "x") == instance


def test_too_many_classes_are_refused() -> None:
    data = raw("two-class")
    first = data["classes"][0]
    data["classes"] = [
        first | {"name": f"c{i}", "arrival_rate": 0.001} for i in range(MOST_CLASSES + 1)
    ]
    with pytest.raises(InputError, match="classes are too many"):
        certify(solve(build(data, "x")))


def test_penalties_are_refused_with_their_place() -> None:
    solution = solve(load("two-class"))
    slis = [{"kind": "mean_tpot", "at_most": 0.5}, {"kind": "mean_ttft", "penalty_weight": 1.0}]
    instance = build(raw("two-class") | {"slis": slis}, "x")
    with pytest.raises(InputError, match=r"slis\[1\]: 'mean_ttft' is a penalty") as refusal:
        certify(solution.model_copy(update={"instance": instance}))
    assert len(refusal.value.problems) == 1


def test_numbers_with_too_many_digits_are_refused() -> None:
    replaced = {"decode_only": Fraction(10**5000 + 1, 10**5002)}
    with pytest.raises(InputError, match="too long"):
        certify(solve(load("two-class")), replaced=replaced)


def test_certificate_is_right_where_the_solution_is_not() -> None:
    solution = solve(load("two-class"))
    right = certify(solution)
    assert disagreement(solution, right) is None
    wrong = solution.model_copy(update={"revenue_rate": solution.revenue_rate * (1 + 1e-7)})
    assert "not the exact one" in str(disagreement(wrong, right))
    empty = {"status": "infeasible", "revenue_rate": None, "classes": (), "totals": None}
    refused = solution.model_copy(update=empty)
    assert "'infeasible'" in str(disagreement(refused, right))
    other = certify(refused)
    assert (other.value, check(other.model_dump(mode="json"), raw("two-class"))) == (
        right.value, [],
    )  # fmt: skip


def test_only_what_moves_the_plan_is_told_in_words() -> None:
    """Under a loose promise of fairness the highest and lowest can move by themselves."""
    data = raw("two-class") | {"slis": [{"kind": "prefill_fairness", "at_most": 0.9}]}
    certificate = certify(solve(build(data, "x")))
    assert len(certificate.directions) == 3
    text = "\n".join(certificate_lines(certificate))
    assert "it can move in this direction" in text
    assert "2.115 fewer decoding solo" in text
    data["classes"][:] = [data["classes"][0] | {"arrival_rate": 5.0}]
    certificate = certify(solve(build(data, "x")))
    assert (certificate.unique, len(certificate.directions)) == (True, 2)
    assert certificate_lines(certificate)[1:] == ["The optimum is unique."]
    moved = {"unique": False}
    assert check(resealed(certificate.model_dump(mode="json") | moved), data)


def test_certificates_in_words() -> None:
    certificate = certify(solve(load("two-class")))
    text = "\n".join(certificate_lines(certificate))
    assert "exactly 1694901237861386048/5693258955335533." in text
    assert "decode-heavy: 3.198 more decoding mixed, 2.115 fewer decoding solo" in text
    assert "and 3 more" in "\n".join(certificate_lines(certify(solve(load("dolly-eight-class")))))
    assert shortened("-" + "1" * 100 + "/7") == f"-{'1' * 11}...{'1' * 6} (100 digits)/7"
