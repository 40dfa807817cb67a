"""Certificates written on paper: the checker takes them, and the program finds the same."""

import copy
from typing import Any

from gnr.certificate import Certificate
from gnr.models.certificate import certify
from gnr.models.steady_state import solve
from gnr.proofs.certificate_checker import check
from gnr.reading import build

ONE_CLASS: dict[str, Any] = {
    "schema_version": 1,
    "name": "paper",
    "title": "tau = 1 s, kappa = 2; mu_p = 1, mu_m = 1/2, mu_s = 1, w = 27",
    "source": "tests",
    "gpu": {
        "batch_slots": 2,
        "chunk_tokens": 100,
        "iteration_time": {"base": 0.5, "per_chunk_token": 0.005, "decode_only": 0.5},
    },
    "prices": {"scheme": "bundled", "prompt_token": 0.25, "output_token": 1.0},
    "classes": [
        {
            "name": "a",
            "prompt_tokens": 100,
            "output_tokens": 2,
            "arrival_rate": 3.0,
            "patience_rate": 0.5,
        }
    ],
}


def on_paper(data: dict[str, Any], **numbers: Any) -> Certificate:
    instance = build(data, "paper")
    return Certificate(
        instance=instance.name,
        instance_sha256=instance.sha256(),
        overrides=(),
        scheme=instance.prices.scheme,
        empty_decode_buffer=False,
        disaggregated=False,
        **numbers,
    ).sealed()


def test_one_class_on_one_kind_of_slot_each() -> None:
    r"""Decodes y_m/2 + y_s are at most x, and at most x/2 + 2(1 - x): both are 4/5 at x = 4/5.

    There y_m = x, y_s = 2(1 - x), and 3 - 4/5 = q_p/2. With phi = alpha = 0 stationarity is
    beta + eta/2 = 27/2, delta + eta = 27, -beta + 2 delta - eta = 0: eta = 81/5, beta = 27/5,
    delta = 54/5, and 2 delta = 27 * 4/5. Five columns are at reduced cost 0 (x, y_m, y_s, q_p and
    the slack of sum x <= 1) in five rows, and independent: the optimum is unique.
    """
    expected = on_paper(
        ONE_CLASS,
        status="optimal",
        value="108/5",
        primal={
            "mixed_decode[a]": "4/5",
            "solo_decode[a]": "2/5",
            "prefill[a]": "4/5",
            "prefill_queue[a]": "22/5",
            "decode_queue[a]": "0",
        },
        dual={
            "prefill_capacity": "0",
            "mixed_decode_capacity": "27/5",
            "solo_decode_capacity": "54/5",
            "prefill_balance[a]": "0",
            "decode_balance[a]": "81/5",
        },
        unique=True,
        directions=(),
    )
    assert check(expected.model_dump(mode="json"), ONE_CLASS) == []
    assert certify(solve(build(ONE_CLASS, "paper"))) == expected


def test_more_prefills_than_gpus() -> None:
    """Nobody leaves: x = 3 must be, and x <= 1. The second row less the first reads 0 <= -2."""
    data = copy.deepcopy(ONE_CLASS)
    data["classes"][0]["patience_rate"] = 0
    rows = ("mixed_decode_capacity", "solo_decode_capacity", "decode_balance[a]")
    farkas = on_paper(
        data,
        status="infeasible",
        value=None,
        primal={},
        dual={"prefill_capacity": "1", "prefill_balance[a]": "-1", **dict.fromkeys(rows, "0")},
        unique=None,
        directions=(),
    )
    assert check(farkas.model_dump(mode="json"), data) == []
    found = certify(solve(build(data, "paper")))
    assert found.status == "infeasible"
    assert check(found.model_dump(mode="json"), data) == []


def test_a_capped_mean_tpot_caps_the_prefills() -> None:
    r"""P47 with tau = 1, 1/gamma = 1/2, B = 2 reads 1 <= eta (2 - X); eta = 5/8 is 5/8 X <= 1/4.

    So X = 2/5 in place of 4/5, and half as much is earned: all prefilled are decoded, in whatever
    split with y_m <= 2/5 (one direction). No decode slot is scarce, so eta = w = 27, and the row
    of the promise pays for the prefills: 5/8 nu = 27. The bound says 216/5 * 1/4 = 54/5 too.
    """
    data = ONE_CLASS | {"slis": [{"kind": "mean_tpot", "at_most": 0.625, "name": "speed"}]}
    numbers = {
        "status": "optimal",
        "value": "54/5",
        "primal": {
            "mixed_decode[a]": "0",
            "solo_decode[a]": "2/5",
            "prefill[a]": "2/5",
            "prefill_queue[a]": "26/5",
            "decode_queue[a]": "0",
        },
        "dual": {
            "prefill_capacity": "0",
            "mixed_decode_capacity": "0",
            "solo_decode_capacity": "0",
            "prefill_balance[a]": "0",
            "decode_balance[a]": "27",
            "promise[speed]": "216/5",
        },
        "unique": False,
        "directions": ({"mixed_decode[a]": "2/5", "solo_decode[a]": "-1/5"},),
    }
    assert check(on_paper(data, **numbers).model_dump(mode="json"), data) == []
    found = certify(solve(build(data, "paper")))
    assert (found.value, found.dual, found.unique) == ("54/5", numbers["dual"], False)
    assert check(found.model_dump(mode="json"), data) == []


def test_a_time_per_token_below_that_of_a_solo_gpu() -> None:
    """With eta = 2/5 the row is 2/5 X <= -1/5: it refutes itself, whoever leaves."""
    data = ONE_CLASS | {"slis": [{"kind": "mean_tpot", "at_most": 0.4}]}
    rows = ("prefill_capacity", "mixed_decode_capacity", "solo_decode_capacity")
    balances = ("prefill_balance[a]", "decode_balance[a]")
    farkas = on_paper(
        data,
        status="infeasible",
        value=None,
        primal={},
        dual={"promise[mean_tpot]": "1", **dict.fromkeys((*rows, *balances), "0")},
        unique=None,
        directions=(),
    )
    assert check(farkas.model_dump(mode="json"), data) == []
    found = certify(solve(build(data, "paper")))
    assert found.status == "infeasible"
    assert check(found.model_dump(mode="json"), data) == []


def test_twins_share_in_every_proportion() -> None:
    """Two such classes, half the arrivals each and none who must wait: x, y_m, y_s can be shifted.

    The sums are those of one class, so the value is too. The optima are the splits of x = 4/5 and
    of y_m = 4/5 between the two (q_p and, by the decode balance, y_s follow): two dimensions.
    """
    data = copy.deepcopy(ONE_CLASS)
    data["classes"][0]["arrival_rate"] = 1.5
    data["classes"].append(data["classes"][0] | {"name": "b"})
    found = certify(solve(build(data, "paper")))
    assert found.value == "108/5"
    assert found.unique is False
    assert len(found.directions) == 2
    assert check(found.model_dump(mode="json"), data) == []
