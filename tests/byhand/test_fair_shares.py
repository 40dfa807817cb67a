"""Max-min fair shares on clusters small enough for paper.

B = 4 slots, chunks of C = 100 tokens, mixed iterations of 1 s and, unless said otherwise, solo ones
of 0.5 s, kappa = 2. With P in units of C, mu_p = 1/P, and one unit of x makes C phi of decode work
y_m + kappa y_s, for which there are 3 X + 4 kappa (1 - X) mixed slots: X is the sum of the x.
"""

from typing import Any

import numpy as np
import pytest

from gnr.models.fair_shares import fair_shares
from gnr.rates import compute_rates


def rates(**columns: list[float]) -> Any:
    arrays = {name: np.array(values) for name, values in columns.items()}
    return compute_rates(
        batch_slots=4.0,
        chunk_tokens=100.0,
        base=0.5,
        per_chunk_token=0.005,
        prompt_price=0.25,
        output_price=1.0,
        **{"decode_only": 0.5, **arrays},
    )


def test_fair_shares_of_a_full_cluster_are_equal() -> None:
    """20 x_S + 10 x_L <= 8 at equal fractions, x_S = x_L = 8/30: 8/15 of x = 1/2."""
    numbers = rates(
        prompt_tokens=[100.0, 400.0],
        output_tokens=[15.0, 20.0],
        arrival_rate=[0.5, 0.125],
        patience_rate=[0.5, 0.5],
    )
    assert fair_shares(numbers) == pytest.approx((8 / 15, 8 / 15))


def test_a_class_that_never_leaves_takes_what_it_needs_first() -> None:
    """As above, but the long, all served, have x_L = 1/2 and leave 3/20 of x_S = 1/2: 0.3. At
    twice their arrivals, x_L = 1 is too much, and nobody else has a share."""
    columns = {
        "prompt_tokens": [100.0, 400.0],
        "output_tokens": [15.0, 20.0],
        "patience_rate": [0.5, 0.0],
    }
    assert fair_shares(rates(arrival_rate=[0.5, 0.125], **columns)) == pytest.approx((0.3, 1))
    assert fair_shares(rates(arrival_rate=[0.5, 0.25], **columns)) == pytest.approx((0, 1))


def test_mixed_gpus_that_decode_better_are_all_used() -> None:
    """Solo iterations of 2 s, kappa = 1/2: prefills wait decoded or not, so that X = 1, and
    5 x_A + x_B/2 <= 3 at equal fractions, x_A = 1.1 f, x_B = 0.4 f: f = 3/5.7. With a tenth of
    A's arrivals X = 0.51, 0.55 + 0.2 <= 3 X + 2 (1 - X) = 2.51: all are served."""
    columns = {
        "prompt_tokens": [100.0, 200.0],
        "output_tokens": [5.0, 1.0],
        "patience_rate": [0.5, 0.5],
    }
    crowded = rates(decode_only=2.0, arrival_rate=[1.1, 0.2], **columns)
    assert fair_shares(crowded) == pytest.approx((3 / 5.7, 3 / 5.7))
    assert fair_shares(rates(decode_only=2.0, arrival_rate=[0.11, 0.2], **columns)) == (1, 1)


def test_prefill_can_be_what_is_short() -> None:
    """Decodes of one token take 1 slot of 3, and X <= 1: half of twice as many arrivals."""
    numbers = rates(
        prompt_tokens=[100.0], output_tokens=[1.0], arrival_rate=[2.0], patience_rate=[0.5]
    )
    assert fair_shares(numbers) == pytest.approx((0.5,))
