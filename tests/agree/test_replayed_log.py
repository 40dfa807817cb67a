"""A real engine log against its replay: one GPU, the law fitted to its kernels, its own slots."""

import pytest
from benchmarks.replayed_log import WITHIN, causes, fitted_law, replayed
from measured import measured
from measured_engine import TIMES, engine_log

from gnr.measure.calibration import calibrate
from oracles.engine_oracle import Habits, serve


def test_the_replay_is_close_to_the_log() -> None:
    """Makespan and mean TPOT within 5 %, mean TTFT within 10 %."""
    log = engine_log()
    real, found = log.metrics(log.first, log.last), replayed(log, fitted_law())
    assert found["makespan"] == pytest.approx(real["makespan"], rel=0.05)
    assert found["tpot"] == pytest.approx(real["tpot"], rel=0.05)
    assert found["ttft"] == pytest.approx(real["ttft"], rel=0.10)


def test_the_replay_is_a_plain_engine() -> None:
    """An engine written without the package, one prompt at a time, has the same times."""
    log, law = engine_log(), fitted_law()

    def step(chunk: int, prefix: float, decodes: int, context: float) -> float:
        if chunk == 0:
            return float(law.solo_time(decodes, context))
        return float(law.mixed_time(chunk, prefix, decodes, context))

    plain = Habits(several_prompts=False, shared_budget=False)
    served = log.metrics(*serve(log.arrival, log.prompt, log.output, step, plain))
    for name, value in replayed(log, law).items():
        assert value == pytest.approx(served[name], rel=1e-6)


def test_a_law_that_is_off_is_noticed() -> None:
    """Planted: without the millisecond per step, and with contexts not read, it is not close."""
    log = engine_log()
    real = log.metrics(log.first, log.last)
    law = calibrate(measured(TIMES)[0], within=WITHIN, decodes=128, context=1024).law
    for wrong in (law, law.model_copy(update={"per_context_token": 0.0})):
        found = replayed(log, wrong)
        assert abs(found["ttft"] / real["ttft"] - 1) > 0.10


@pytest.mark.long
def test_what_is_left_has_names() -> None:
    """Ablations account for four fifths and more of what is left in each of the three times."""
    log = engine_log()
    real = log.metrics(log.first, log.last)
    replay, chain, _ = causes(log)
    (_, plain), (_, end) = chain[0], chain[-1]
    for name, value in real.items():
        assert plain[name] == pytest.approx(replay[name], rel=1e-6), "the chain begins at it"
        assert abs(end[name] - value) < 0.2 * abs(replay[name] - value)
