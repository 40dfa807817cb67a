"""A certificate holds for the promises of its own file only, and for all of them."""

import copy
import tomllib
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest

from gnr.certificate import checksum_of
from gnr.models.certificate import certify
from gnr.models.steady_state import solve
from gnr.proofs.certificate_checker import check
from gnr.reading import build, shipped_instances

TIGHT: tuple[dict[str, Any], ...] = (
    {"kind": "mean_tpot", "at_most": 0.0225},
    {"kind": "token_tpot", "at_most": 0.0221, "name": "speed"},
    {"kind": "mean_ttft", "at_most": 0.125, "class": "decode-heavy"},
    {"kind": "mean_ttft", "at_most": 0.125, "class": "decode-heavy", "name": "start"},
    {"kind": "prefill_fairness", "at_most": 0.125},
    {"kind": "decode_fairness", "at_most": 0.375, "name": "fair"},
)
"""Promises that cost something at the optimum of the base instance."""


def promised(*slis: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an accepted certificate of the base instance under promises, and the instance."""
    data = tomllib.loads(shipped_instances()["two-class"].read_text()) | {"slis": list(slis)}
    certificate = certify(solve(build(data, "x"))).model_dump(mode="json")
    assert check(certificate, data) == []
    return certificate, data


def resealed(certificate: dict[str, Any], **changes: Any) -> dict[str, Any]:
    content = {key: each for key, each in (certificate | changes).items() if key != "checksum"}
    return content | {"checksum": checksum_of(content)}


def slips(value: float) -> Iterator[float]:
    """Yield a number with each of its digits altered."""
    text = str(value)
    for place, digit in enumerate(text):
        if digit.isdigit():
            yield float(f"{text[:place]}{(int(digit) + 1) % 10}{text[place + 1 :]}")


def rejected(certificate: dict[str, Any], data: dict[str, Any], **changes: Any) -> bool:
    """Tell whether the checker rejects a file whose first promise is another; None drops a key."""
    entry = {key: each for key, each in (data["slis"][0] | changes).items() if each is not None}
    return bool(check(certificate, data | {"slis": [entry, *data["slis"][1:]]}))


@pytest.mark.parametrize("sli", TIGHT, ids=lambda sli: str(sli.get("name", sli["kind"])))
def test_a_digit_a_class_or_a_name_altered_in_the_file_is_rejected(sli: dict[str, Any]) -> None:
    certificate, data = promised(sli)
    assert not rejected(certificate, data)
    for bound in slips(sli["at_most"]):
        assert rejected(certificate, data, at_most=bound), bound
    assert rejected(certificate, data, name="another")
    assert check(certificate, data | {"slis": []})
    assert check(certificate, data | {"slis": [sli, TIGHT[1] | {"name": "one more"}]})
    if "class" in sli:
        label = sli.get("name", f"{sli['kind']}:{sli['class']}")
        assert rejected(certificate, data, **{"class": "prefill-heavy", "name": label})
        assert rejected(certificate, data, **{"class": None, "name": label})


def test_another_kind_or_direction_under_the_same_name_is_rejected() -> None:
    certificate, data = promised(TIGHT[1])
    assert rejected(certificate, data, kind="mean_tpot")
    assert rejected(certificate, data, kind="mean_ttft")
    certificate, data = promised(TIGHT[5])
    assert rejected(certificate, data, kind="prefill_fairness")


def test_a_certificate_without_the_promises_is_rejected_with_them() -> None:
    certificate, data = promised()
    for sli in TIGHT:
        assert check(certificate, data | {"slis": [sli]})


def test_one_altered_digit_of_a_promises_multiplier_is_rejected() -> None:
    certificate, data = promised(*TIGHT[:2])
    multipliers = {name: text for name, text in certificate["dual"].items() if "promise" in name}
    assert set(multipliers.values()) > {"0"}
    for name, text in multipliers.items():
        for place in range(len(text)):
            if text[place].isdigit() and text[place:] != "0":
                other = f"{text[:place]}{int(text[place]) % 9 + 1}{text[place + 1 :]}"
                if str(Fraction(other)) == other:
                    changed = certificate["dual"] | {name: other}
                    assert check(resealed(certificate, dual=changed), data), other


def test_fairness_comes_with_an_empty_decode_buffer() -> None:
    certificate, data = promised(TIGHT[4])
    assert certificate["empty_decode_buffer"] is True
    problems = check(resealed(certificate, empty_decode_buffer=False), data)
    assert problems == [
        "a promise of fairness comes with an empty decode buffer, and this has none"
    ]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"kind": "mean_speed"}, "no certificate covers at_most of 'mean_speed'"),
        ({"kind": "max_min_fairness"}, "no certificate covers at_most of 'max_min_fairness'"),
        ({"kind": "throughput", "penalty_weight": 0.5}, "no certificate covers a penalty"),
        ({"kind": 5}, "it.kind is 5, not str"),
        ({"at_most": None, "at_least": 0.02}, "no certificate covers at_least of 'token_tpot'"),
        ({"at_most": None, "penalty_weight": 1.0}, "no certificate covers a penalty"),
        ({"penalty_weight": 1.0}, "no certificate covers a penalty"),
        ({"at_least": 0.01}, "only one bound makes a promise"),
        ({"at_most": None}, "only one bound makes a promise"),
        ({"at_most": "0.0221"}, "at_most is '0.0221', not int or float"),
        ({"at_most": float("inf")}, "a number is infinite"),
        ({"at_most": float("nan")}, "nan"),
        ({"class": "nobody"}, "there is no class 'nobody'"),
        ({"kind": "mean_tpot", "class": "decode-heavy"}, "not about 'decode-heavy'"),
        ({"kind": "proportional_share"}, "'proportional_share' is not about None"),
        ({"bound": 1}, "it has an unknown 'bound'"),
    ],
)
def test_unusable_promises_raise(change: dict[str, Any], why: str) -> None:
    certificate, data = promised(TIGHT[1])
    with pytest.raises(ValueError, match=rf"^instance(\.slis\[0\]: |: ).*{why}"):
        rejected(certificate, data, **change)


def test_two_promises_of_one_name_raise() -> None:
    certificate, data = promised(TIGHT[0])
    with pytest.raises(ValueError, match=r"slis\[1\]: another one is called 'mean_tpot' too"):
        check(certificate, data | {"slis": [TIGHT[0], TIGHT[0]]})


def test_mean_waits_of_a_class_that_never_leaves_raise() -> None:
    certificate, data = promised(TIGHT[3])
    changed = copy.deepcopy(data)
    changed["classes"][0]["patience_rate"] = 0.0
    with pytest.raises(ValueError, match="no meaning where a class never leaves"):
        check(certificate, changed)
