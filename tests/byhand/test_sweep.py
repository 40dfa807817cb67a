r"""Closed optima of one class on paper.

C = 100 tokens, tau = 0.05 + 0.0005 * 100 = 0.1 s, 1/gamma = 0.05 s, so kappa = 2. With B = 4 slots
decode capacity is kappa B = 8 mixed slots, and a GPU that prefills costs kappa B - (B-1) = 5 of
them. A prompt of 100 tokens takes 0.1 s, so mu_p = 10/s; it pays c_p P = 0.01 * 100 = 1, and an
output token c_d = 0.1.

- Outputs of D = 10 tokens: C phi = 10, the request pays w = 2. A mixed GPU uses 10 + 5 = 15 decode
  slots, so decode allows X = 8/15.

  - lambda = 4: X = 0.4 needs 6 of the 8. Nothing is short; revenue 2 * 4 = 8.
  - lambda = 8: X would be 0.8. Decode is short: X = 8/15, revenue 2 * 10 * 8/15 = 32/3, and one
    more slot earns 20/15 = 4/3.

- Outputs of D = 1 token: C phi = 1, w = 1.1, and X = 1 uses 6 slots. With lambda = 12 X would be
  1.2: prefill is short, revenue 1.1 * 10 = 11, and so much is the price of a unit of X.

TPOT over slots at X = 8/15 (eq. P47): (0.1 * 3 * 8 + 0.05 * 4 * 7) / (60 - 8) = 3.8/52 s. All slots
are used there, so over tokens (eq. D9) it is (60 - 8) / (3 * 8/0.1 + 4 * 7/0.05) = 52/800 s.
"""

from typing import Any

import pytest

import gnr
from gnr.reading import build

DATA: dict[str, Any] = {
    "schema_version": 1,
    "name": "on-paper",
    "title": "One class",
    "source": "by hand",
    "gpu": {
        "batch_slots": 4,
        "chunk_tokens": 100,
        "iteration_time": {"base": 0.05, "per_chunk_token": 0.0005, "decode_only": 0.05},
    },
    "prices": {"scheme": "bundled", "prompt_token": 0.01, "output_token": 0.1},
    "classes": [
        {
            "name": "chat", "prompt_tokens": 100, "output_tokens": 10, "arrival_rate": 8,
            "patience_rate": 0.1,
        }
    ],
}  # fmt: skip


def test_load_brings_decode_to_its_limit() -> None:
    found = gnr.sweep(build(DATA, "paper"), "classes.chat.arrival_rate=4,8")
    assert found.binding == ("none", "decode")
    assert found.speed_ratio == (2.0, 2.0)
    assert found.speed_threshold == (0.75, 0.75)
    assert found.mixed_share == pytest.approx((0.4, 8 / 15))
    assert found.revenue_rate == pytest.approx((8, 32 / 3))
    assert found.decode_price == pytest.approx((0, 4 / 3))
    assert found.prefill_price == (0.0, 0.0)
    assert found.tpot_capacity[1] == pytest.approx(3.8 / 52)
    assert found.tpot_token_mean[1] == pytest.approx(52 / 800)
    assert found.best is not None
    assert found.best.values == {"classes.chat.arrival_rate": 8.0}
    (kink,) = found.kinks
    assert (kink.lower, kink.upper, kink.before, kink.after) == (4, 8, "none", "decode")


def test_short_outputs_bring_prefill_to_its_limit() -> None:
    overrides = ["classes.chat.output_tokens=1"]
    found = gnr.sweep(build(DATA, "paper", overrides), "classes.chat.arrival_rate=4,12")
    assert found.binding == ("none", "prefill")
    assert found.mixed_share == pytest.approx((0.4, 1))
    assert found.revenue_rate == pytest.approx((4.4, 11))
    assert found.prefill_price == pytest.approx((0, 11))
    assert found.decode_price == (0.0, 0.0)


def test_a_tpot_promise_caps_prefill_and_is_what_is_short() -> None:
    """At most 0.06 s: [0.1 * 3 - 4 * 0.05 + 0.06] X <= 4 * 0.01 (eq. D7), X <= 1/4.

    Revenue is 2 * 10/4 = 5; decode uses 15/4 of 8. Below 0.05 s, the solo time, nothing helps.
    """
    instance = build(DATA, "paper")
    found = gnr.sweep(instance, "classes.chat.arrival_rate=4,8", tpot_at_most=0.06)
    assert found.binding == ("promise", "promise")
    assert found.mixed_share == pytest.approx((0.25, 0.25))
    assert found.revenue_rate == pytest.approx((5, 5))
    assert found.tpot_capacity == pytest.approx((0.06, 0.06))
    assert found.alone is not None
    assert found.alone.revenue_rate == pytest.approx((8, 32 / 3))
    never = gnr.sweep(instance, "classes.chat.arrival_rate=4,8", tpot_at_most=0.049)
    assert never.binding == ("infeasible", "infeasible")
    assert never.best is None
