"""What to do about a promise that is not kept, and from how many GPUs on a plan fits; by hand.

A bound of 20 ms, measured 20.3 +- 0.1 ms: the excess, interval included, is 0.4 ms. A plan at the
bound moves to 20 - 0.4 = 19.6 ms, a plan at 19.5 ms to 19.1 ms. At least 0.9, measured 0.8 +- 0.05:
the excess is 0.15, the plan moves to 1.05.

x = 0.88, y_s = 3.84, B = 32: at 100 GPUs 88 are mixed and 12 * 32 = 384 solo slots hold all
decodes. At 20 GPUs ceil(17.6) = 18 are mixed; 2 * 32 * 1.05 = 67.2 < 76.8. At most one GPU is lost:
1.05 * 32 * (0.12 n - 1) >= 3.84 n from n = 33.6 / (4.032 - 3.84) = 175 on.
"""

import pytest
from rich.console import Console

import gnr
from gnr.comparison_summary import summary_table
from gnr.plan import Occupancy, make_plan
from gnr.rates import rates_of
from gnr.simulation import Estimate, MeasuredPromise, Simulation
from gnr.simulation_summary import interval_text, promise_advice, worst_excess


def measured(
    direction: str,
    promised: float,
    planned: float | None,
    mean: float,
    half: float,
    keepable: float | None = None,
) -> object:
    return MeasuredPromise(
        name="speed", kind="token_tpot", class_name=None, unit="s", direction=direction,
        promised=promised, planned=planned, measured=Estimate(mean=mean, half_width=half),
        served_only=None, kept="no", keepable=keepable, penalty=None,
    )  # fmt: skip


def run(promise: object, policy: str = "sli-aware") -> Simulation:
    return Simulation.model_construct(promises=(promise,), policy=policy, gpus=100)


@pytest.mark.parametrize(
    ("promise", "excess", "setting"),
    [
        (measured("at_most", 0.02, 0.02, 0.0203, 0.0001, 0.0196), "0.0004", "at_most=0.0196"),
        (measured("at_most", 0.02, 0.0195, 0.0203, 0.0001, 0.01), "0.0004", "at_most=0.0191"),
        (measured("at_least", 0.9, 0.9, 0.8, 0.05, 1.06), "0.15", "at_least=1.05"),
    ],
)
def test_the_advice_is_to_plan_tighter_by_the_excess(
    promise: object, excess: str, setting: str
) -> None:
    (told,) = [str(each) for each in promise_advice(run(promise))]
    assert told.startswith(f"speed is broken, by up to {excess} s: ")
    assert f"plan with --set slis.speed.{setting}, tighter by as much" in told
    assert told.endswith("try more than 100 GPUs.")


def test_a_bound_that_cannot_be_tighter_is_not_proposed() -> None:
    """0.02 - 0.04 < 0; and a policy that does not follow the split is the first thing to change."""
    found = run(measured("at_most", 0.02, 0.02, 0.05, 0.01), "gate-and-route")
    (told,) = [str(each) for each in promise_advice(found)]
    assert "--set" not in told
    assert "s: take the policy sli-aware-general" in told
    assert "GPUs" not in told, "no size of the cluster makes it follow the plan"


@pytest.mark.parametrize(
    "promise",
    [
        measured("at_most", 0.02, 0.02, 0.0203, 0.0001, 0.0197),
        measured("at_least", 0.9, 0.9, 0.8, 0.05, 1.0),
    ],
)
def test_a_plan_is_not_proposed_where_none_can_be(promise: object) -> None:
    """19.6 ms and 1.05 would be needed, and no plan keeps less than 19.7 ms, or more than 1."""
    (told,) = [str(each) for each in promise_advice(run(promise))]
    assert "--set" not in told


def test_what_was_tried_is_not_proposed() -> None:
    found = run(measured("at_most", 0.02, 0.02, 0.0203, 0.0001, 0.01), "gate-and-route")
    (told,) = [str(each) for each in promise_advice(found, ["sli-aware-general"])]
    assert "sli-aware-general" not in told
    assert "plan with --set" in told
    found = run(measured("at_most", 0.02, 0.02, 0.0203, 0.0001, 0.0197), "gate-and-route")
    (told,) = [str(each) for each in promise_advice(found, ["sli-aware-general"])]
    assert told == "speed is broken, by up to 0.0004 s: no plan keeps a tighter one."


def test_a_plan_that_serves_nobody_is_the_first_thing_to_know() -> None:
    found = run(measured("at_most", 0.02, None, 0.0203, 0.0001, 0.022))
    (told,) = [str(each) for each in promise_advice(found)]
    assert told.endswith(
        "s: the plan keeps it only because nobody is served; the tightest that can be kept "
        "without that is 0.022."
    )


def test_rounding_is_not_shown_as_an_interval() -> None:
    assert interval_text(Estimate(mean=0.022002, half_width=3e-18)) == "0.022002 ±0"
    assert interval_text(Estimate(mean=0.022002, half_width=3e-9)) == "0.022002 ±3e-09"


def test_the_worst_excess_is_a_share_of_what_was_promised_or_measured() -> None:
    assert worst_excess(run(measured("at_most", 1.0, 1.0, 2.0, 0.2))) == pytest.approx(0.6)
    assert worst_excess(run(measured("at_least", 1.0, 1.0, 0.5, 0.1))) == pytest.approx(0.6)


def test_a_narrow_table_cuts_off_no_digit() -> None:
    table = summary_table("", "policy", ["gap", "left,\nall"])
    table.add_row("price-index-token-mean", "12.34% ±0.12%", "12.74%")
    console = Console(width=46)
    with console.capture() as shown:
        console.print(table)
    assert "…" not in shown.get()


def warnings(gpus: int) -> tuple[str, ...]:
    return make_plan(
        gpus=gpus, objective="bundled", promises=(), disaggregated=False, revenue_rate=1.0,
        rates=rates_of(gnr.load("two-class", "gpu.batch_slots=32")), names=("one", "none"),
        occupancy=(
            Occupancy(
                prefill=0.88, mixed_decode=1.0, solo_decode=3.84, prefill_queue=0, decode_queue=0
            ),
            Occupancy(
                prefill=0.0, mixed_decode=0.0, solo_decode=0.0, prefill_queue=0, decode_queue=0
            ),
        ),
        marginal_value=(1.0, 0.0),
    ).warnings  # fmt: skip


def test_the_warning_about_a_small_cluster_names_the_size_that_is_enough() -> None:
    (told,) = warnings(20)
    assert told.endswith("(mixed GPUs are rounded up to 18; 175 GPUs are enough)")
    assert not any(warnings(gpus) for gpus in (100, *range(175, 400)))
