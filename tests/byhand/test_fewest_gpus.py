"""The fewest GPUs of a demand by the linear program, small enough to work out on paper.

One class, P = 100 and D = 10 tokens; B = 4, C = 100, tau = 2 s, tau_solo = 1 s (kappa = 2): a
prefill takes 2 s, a decode 20 s mixed and 10 s solo. A demand of 6 requests/s keeps X = 12 GPUs
prefilling. Beside each runs three decodes at half the speed.
"""

import pytest

from gnr.instance import Instance, Sli
from gnr.models.fewest_gpus import fewest_gpus
from gnr.models.steady_state import solve
from gnr.reading import build

ALL_SERVED = Sli(kind="abandonment_fraction", at_most=0.0)


def demand(rate: float = 6.0, patience_rate: float = 0.5) -> Instance:
    return build(
        {
            "schema_version": 1,
            "name": "one-class",
            "title": "by hand",
            "source": "by hand",
            "gpu": {
                "batch_slots": 4,
                "chunk_tokens": 100,
                "iteration_time": {"base": 1.0, "per_chunk_token": 0.01, "decode_only": 1.0},
            },
            "prices": {"scheme": "bundled", "prompt_token": 1.0, "output_token": 1.0},
            "classes": [
                {
                    "name": "only",
                    "prompt_tokens": 100,
                    "output_tokens": 10,
                    "arrival_rate": rate,
                    "patience_rate": patience_rate,
                }
            ],
        },
        "by hand",
    )


def test_mixed_gpus_decode_beside_prefills() -> None:
    """12 mixed GPUs decode 36 / 20 = 1.8 requests/s; 4.2 a second are left, 42 solo slots."""
    found = fewest_gpus(demand(), [ALL_SERVED])
    assert found is not None
    assert found.gpus == pytest.approx(12 + 42 / 4, rel=1e-9)
    assert found.prefill.tolist() == pytest.approx([12.0])
    assert found.gpus_per_request.tolist() == pytest.approx([22.5 / 6])


def test_disaggregated_gpus_do_one_thing_only() -> None:
    """12 GPUs prefill, 60 decodes fill 15 more."""
    found = fewest_gpus(demand(), [ALL_SERVED], disaggregated=True)
    assert found is not None
    assert found.gpus == pytest.approx(27.0, rel=1e-9)


def test_who_may_leave_need_not_be_served() -> None:
    """A tenth may leave: a tenth fewer GPUs, for nothing else is promised."""
    found = fewest_gpus(demand(), [Sli(kind="abandonment_fraction", at_most=0.1)])
    assert found is not None
    assert found.gpus == pytest.approx(0.9 * 22.5, rel=1e-9)


def test_without_a_promise_nobody_need_be_served_unless_nobody_leaves() -> None:
    assert fewest_gpus(demand()).gpus == pytest.approx(0.0)  # type: ignore[union-attr]
    patient = fewest_gpus(demand(patience_rate=0.0))
    assert patient is not None
    assert patient.gpus == pytest.approx(22.5, rel=1e-9)


def test_a_promise_with_a_constant_is_of_a_gpu_and_not_of_the_cluster() -> None:
    """mean_tpot at most 1.25 s is X/n <= B (1.25 - 1) / (2 (B - 1) - B + 1.25) = 1 / 3.25 (D7)."""
    found = fewest_gpus(demand(), [ALL_SERVED, Sli(kind="mean_tpot", at_most=1.25)])
    assert found is not None
    assert found.gpus == pytest.approx(12 * 3.25, rel=1e-9)


def test_who_is_started_fairly_is_served_to_the_end() -> None:
    """Nobody waits for a prefill: 12 GPUs. A promise of fairness empties the decode buffer too."""
    nobody_waits = Sli(kind="mean_ttft", at_most=2.0)
    fair = [Sli(kind=kind, at_most=0.1) for kind in ("prefill_fairness", "decode_fairness")]
    for promises, gpus in (([nobody_waits], 12.0), ([nobody_waits, *fair], 22.5)):
        found = fewest_gpus(demand(), promises)
        assert found is not None
        assert found.gpus == pytest.approx(gpus, rel=1e-9)


def test_no_number_of_gpus_keeps_what_one_cannot() -> None:
    assert fewest_gpus(demand(), [ALL_SERVED, Sli(kind="mean_ttft", at_most=1.9)]) is None


@pytest.mark.parametrize(
    "promises",
    [
        [Sli(kind="abandonment_fraction", at_most=0.05)],
        [Sli(kind="abandonment_fraction", at_most=0.05), Sli(kind="token_tpot", at_most=1.1)],
        [Sli(kind="abandonment_fraction", at_most=0.05), Sli(kind="mean_ttft", at_most=2.05)],
        [Sli(kind="abandonment_fraction", at_most=0.05), Sli(kind="mean_tpot", at_most=1.3)],
    ],
    ids=lambda promises: promises[-1].kind,
)
def test_the_program_per_gpu_agrees(promises: list[Sli]) -> None:
    """With n GPUs the promises can be kept, with one in 10,000 fewer they cannot."""
    found = fewest_gpus(demand(), promises)
    assert found is not None
    for gpus, status in ((found.gpus * (1 + 1e-6), "optimal"), (found.gpus * 0.9999, "infeasible")):
        each = demand(6.0 / gpus).model_copy(update={"slis": tuple(promises)})
        assert solve(each).status == status
