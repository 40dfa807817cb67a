"""One or two GPUs of B = 2 slots, followed on paper; the working stands in the docstrings.

A prompt of 100 tokens is prefilled in 1 s. A stream emits 2 tokens/s on a GPU without a prefill
and 1 token/s beside one. A request `P, D` has a prompt of P and an output of D tokens.
"""

from typing import Any

import pytest
from per_gpu_rooms import ByHand, cluster_by_hand, faults_in, plan_by_hand, rates_by_hand

from gnr.plan import Plan
from gnr.validation.per_gpu import layout as at
from gnr.validation.policies.gates import HEADROOM


def ended(cluster: ByHand, until: float = 1000.0) -> list[dict[str, float]]:
    """Return what happened to every request, in the order of arrival."""
    cluster.run(until)
    assert not faults_in(cluster.rules, cluster.room)
    return [vars(each) for each in cluster.ended]


def column(cluster: ByHand, name: str) -> list[float]:
    return [each[name] for each in ended(cluster)]


def whole(gpus: int, *targets: float) -> Plan:
    """Return a plan whose gate keeps these numbers in prefill, one per class."""
    return plan_by_hand(gpus, gpus, targets or (float(gpus),))


def test_a_decode_is_slowed_by_a_prefill_in_its_middle_and_keeps_its_progress() -> None:
    """One GPU. a: 100, 8 at 0 s. b: 200, 2 at 1.5 s.

    a is prefilled from 0 to 1. By 1.5 it has 1 token; beside the prefill of b, to 3.5, it gets 2;
    the other 5 take 2.5 s: a ends at 6, 5/8 s per token. b decodes from 3.5 to 4.5.
    """
    cluster = cluster_by_hand("fcfs-immediate", whole(1))
    cluster.arrive(0, 100, 8)
    cluster.arrive(1.5, 200, 2)
    a, b = ended(cluster)
    assert [a[key] for key in ("started", "prefilled", "decoding", "end")] == [0, 1, 1, 6]
    assert [b[key] for key in ("started", "prefilled", "decoding", "end")] == [1.5, 3.5, 3.5, 4.5]
    assert (a["prompt"], a["output"]) == (100, 8)
    assert b["prompt"] == pytest.approx(200)


def test_a_decode_that_starts_late_is_not_credited_with_tokens_of_others() -> None:
    """One GPU. a: 100, 30 at 0. b: 100, 3 at 4. c: 300, 1 at 5.5, with B = 3 slots.

    b is prefilled from 4 to 5. By 5.5 it has 1 token; its other 2 come beside the prefill of c, by
    7.5. a has 6 by 4, 1 more by 5, 1 by 5.5, 3 by 8.5, when c is prefilled: 19 left, 9.5 s: 18.
    c is done at 9.
    """
    plan, rates = whole(1), rates_by_hand(slots=3)
    cluster = cluster_by_hand("fcfs-immediate", plan, rates)
    for time, prompt, output in ((0, 100, 30), (4, 100, 3), (5.5, 300, 1)):
        cluster.arrive(time, prompt, output)
    assert column(cluster, "end") == pytest.approx([18, 7.5, 9])


def test_a_full_gpu_starts_no_prefill() -> None:
    """One GPU, 2 slots. a: 100, 4. b: 100, 10. c: 100, 2. All at 0.

    a is prefilled to 1, b beside it to 2: a has 1 token, 3 left, ends at 3.5. Both slots are taken
    until then; c is prefilled from 3.5 to 4.5 and done at 5.5. b has 3 tokens by 3.5, 1 by 4.5;
    6 left: 7.5.
    """
    cluster = cluster_by_hand("fcfs-immediate", whole(1))
    for output in (4, 10, 2):
        cluster.arrive(0, 100, output)
    assert column(cluster, "started") == pytest.approx([0, 1, 3.5])
    assert column(cluster, "end") == pytest.approx([3.5, 7.5, 5.5])


@pytest.mark.parametrize(
    ("policy", "end", "moved"),
    [
        ("price-index-fill", [4, 5], [1, 0]),
        ("price-index-in-place", [3, 5], [0, 0]),
        ("gate-immediate", [3, 5], [0, 0]),
        ("fcfs-immediate", [3, 5], [0, 0]),
        ("gate-prefill-first", [3, 5], [0, 0]),
    ],
)
def test_only_price_index_fill_moves_a_finished_prefill_beside_another(
    policy: str, end: list[float], moved: list[float]
) -> None:
    """Two GPUs, at 0: a: 100, 4 on one and b: 300, 4 on the other.

    At 1 a may go beside b, 2 tokens by 3 and 2 more by 4, or stay: 4 tokens by 3. GF-WSP takes a
    GPU without a prefill if it can: the one of a. b ends its prefill at 3 alone, stays: 5.
    """
    cluster = cluster_by_hand(policy, whole(2))
    cluster.arrive(0, 100, 4)
    cluster.arrive(0, 300, 4)
    assert column(cluster, "end") == pytest.approx(end)
    assert column(cluster, "moved") == moved


def test_price_index_fill_stays_in_place_where_no_hole_is() -> None:
    """Two GPUs. a: 100, 20 and b: 300, 9 at 0, c: 100, 2 at 1.5.

    At 1 a fills the slot beside b. c is prefilled on the other GPU to 2.5; the GPU of b is full:
    c stays and is done at 3.5.
    """
    cluster = cluster_by_hand("price-index-fill", whole(2))
    for time, prompt, output in ((0, 100, 20), (0, 300, 9), (1.5, 100, 2)):
        cluster.arrive(time, prompt, output)
    a, b, c = ended(cluster)
    assert (a["moved"], b["moved"], c["moved"]) == (1, 0, 0)
    assert a["gpu"] == b["origin"] != a["origin"] == c["gpu"]
    assert c["end"] == pytest.approx(3.5)


def test_gate_and_route_decodes_on_solo_gpus_first_and_keeps_the_reserved_slot() -> None:
    """GPU 0 may prefill, GPU 1 only decodes. At 0: 100 tokens of prompt and 10, 20, 11, 2, 2.

    Prefills end at 1, 2, 3, 4, 5. a and b take the solo slots: done at 6 and 12. c takes the one
    decode slot of GPU 0, beside prefills until 5: 2 tokens, then 2 per second (10.1(d')): 9 left,
    9.5. d and e wait, although GPU 0 has a slot without work: it is kept for prefill. d takes
    the slot of a, 6 to 7; then e, 7 to 8.
    """
    cluster = cluster_by_hand("gate-and-route", plan_by_hand(2, 1))
    for output in (10, 20, 11, 2, 2):
        cluster.arrive(0, 100, output)
    assert column(cluster, "prefilled") == pytest.approx([1, 2, 3, 4, 5])
    assert column(cluster, "gpu") == [1, 1, 0, 1, 1]
    assert column(cluster, "decoding") == pytest.approx([1, 2, 3, 6, 7])
    assert column(cluster, "end") == pytest.approx([6, 12, 9.5, 7, 8])
    assert column(cluster, "moved") == [1, 1, 0, 1, 1]


def test_the_decode_buffer_is_first_come_first_served_across_classes() -> None:
    """As above without the mixed slot: class 1 finishes its prefill before class 0 does.

    a and b decode on GPU 1 until 31 and 6, c on GPU 0 until long after. d (class 1) waits from 4,
    e (class 0) from 5, f (class 1) from 6: they take the slot of b in turn, 1 s each.
    """
    cluster = cluster_by_hand("gate-and-route", plan_by_hand(2, 1, (1.0, 1.0)))
    for k, (output, kind) in enumerate(((60, 0), (9, 0), (90, 0), (2, 1), (2, 0), (2, 1))):
        cluster.arrive(k, 100, output, kind)
    assert column(cluster, "kind") == [0, 0, 0, 1, 0, 1]
    assert column(cluster, "decoding")[3:] == pytest.approx([6.5, 7.5, 8.5])


@pytest.mark.parametrize(
    ("policy", "started", "decoding", "end"),
    [
        ("gate-prefill-first", [0, 1, 2], [1, 5, 7], [8, 7, 8]),
        ("gate-immediate", [0, 1, 4], [1, 2, 7], [8, 4, 8]),
    ],
)
def test_a_freed_slot_starts_a_prefill_before_a_waiting_decode_under_gf_wsp(
    policy: str, started: list[float], decoding: list[float], end: list[float]
) -> None:
    """One GPU, at 0: a: 100, 10; b: 100, 4; c: 300, 2.

    GF-WSP: at 1 b starts, then a decodes beside it. At 2 c takes the slot that b prefilled in, so
    b waits for a slot until 5. a has 4 tokens by 5, 6 left: 8. b: 5 to 7, then c: 7 to 8.
    GI-WSP: b keeps its slot at 2 and is done at 4; c starts then, to 7, done at 8. a has 1 token by
    2, 5 by 4, 8 by 7, all 10 by 8.
    """
    cluster = cluster_by_hand(policy, whole(1, 1.0))
    for prompt, output in ((100, 10), (100, 4), (300, 2)):
        cluster.arrive(0, prompt, output)
    assert column(cluster, "started") == pytest.approx(started)
    assert column(cluster, "decoding") == pytest.approx(decoding)
    assert column(cluster, "end") == pytest.approx(end)


@pytest.mark.parametrize(
    ("policy", "started"),
    [("gate-immediate", [0, 1]), ("gate-prefill-first", [0, 1]), ("fcfs-immediate", [0, 0])],
)
def test_the_limited_gate_is_closed_while_a_class_is_at_its_target(
    policy: str, started: list[float]
) -> None:
    """Two empty GPUs, a target of 1 in prefill: the second request waits (10.1(f))."""
    cluster = cluster_by_hand(policy, whole(2, 1.0))
    cluster.arrive(0, 100, 1)
    cluster.arrive(0, 100, 1)
    assert column(cluster, "started") == started


@pytest.mark.parametrize(
    ("policy", "started"),
    [
        ("fcfs-immediate", [0, 4, 5, 6]),
        ("fcfs-route", [0, 4, 5, 6]),
        ("price-index-in-place", [0, 4, 6, 5]),
    ],
)
def test_prefills_are_first_come_first_served_across_classes_or_by_rank(
    policy: str, started: list[float]
) -> None:
    """One GPU, busy with a long prompt until 4; then classes 1, 0, 1 wait, since 1, 2 and 3 s.

    In the order of arrival they start at 4, 5, 6; ranked, both of class 1 go before class 0.
    Outputs are half a token: no slot is short.
    """
    cluster = cluster_by_hand(policy, plan_by_hand(1, 1, (1.0, 1.0), ranks=(2, 1)))
    for time, prompt, kind in ((0, 400, 0), (1, 100, 1), (2, 100, 0), (3, 100, 1)):
        cluster.arrive(time, prompt, 0.5, kind)
    assert column(cluster, "started") == pytest.approx(started)


def test_the_gate_lets_in_the_class_that_is_furthest_below_its_target() -> None:
    """Two prefilling GPUs, targets 2 and 1. GPU A prefills a class-0 prompt to 50.

    GPU B is busy to 1; then X = (1, 0), indices 1/2 and 0: class 1 goes first though class 0 came
    earlier and waits in a longer line. At 2 only class 0 waits: it is let in, to 3. A class-1
    request that came at 2.5 overtakes the last of class 0 at 3.
    """
    cluster = cluster_by_hand("gate-and-route", plan_by_hand(2, 2, (2.0, 1.0)))
    for time, prompt, kind in (
        (0, 5000, 0), (0, 100, 0), (0.1, 100, 0), (0.2, 100, 0), (0.3, 100, 1), (2.5, 100, 1),
    ):  # fmt: skip
        cluster.arrive(time, prompt, 0.5, kind)
    assert column(cluster, "started") == pytest.approx([0, 0, 2, 4, 1, 3])


def test_a_tie_at_the_gate_goes_to_the_longer_line() -> None:
    """One GPU, busy to 1; X = (0, 0) then. Lines of 1 and 2: class 1 first (eq. U5).

    At 2 the lines are 1 and 1: the first in the file.
    """
    cluster = cluster_by_hand("gate-and-route", plan_by_hand(1, 1, (1.0, 1.0)))
    for time, kind in ((0, 0), (0.1, 0), (0.2, 1), (0.3, 1)):
        cluster.arrive(time, 100, 0.5, kind)
    assert column(cluster, "started") == pytest.approx([0, 2, 1, 3])


def test_disaggregated_decodes_never_meet_a_prefill() -> None:
    """GPU 0 prefills, GPU 1 decodes. At 0: 100, 10 three times.

    Prefills end at 1, 2, 3. a: 1 to 6, b: 2 to 7. c waits for the slot of a: 6 to 11. All 2
    tokens/s, all moved.
    """
    plan = plan_by_hand(2, 1, disaggregated=True)
    cluster = cluster_by_hand("disaggregated", plan)
    for _ in range(3):
        cluster.arrive(0, 100, 10)
    assert column(cluster, "prefilled") == pytest.approx([1, 2, 3])
    assert column(cluster, "end") == pytest.approx([6, 7, 11])
    assert column(cluster, "gpu") == [1, 1, 1]
    assert column(cluster, "moved") == [1, 1, 1]


@pytest.mark.parametrize("policy", ["sli-aware", "sli-aware-general"])
@pytest.mark.parametrize(
    ("probability", "gpu", "decoding", "end"),
    [(0.0, [0, 0], [1, 4.5], [4.5, 5.5]), (1.0, [1, 1], [1, 2], [4, 3])],
)
def test_sli_aware_decodes_wait_for_the_group_that_was_drawn(
    policy: str, probability: float, gpu: list[float], decoding: list[float], end: list[float]
) -> None:
    """GPU 0 may prefill, GPU 1 only decodes. At 0: a: 100, 6 and b: 100, 2. p_s is 0 or 1.

    With 0: a decodes on GPU 0 from 1, 1 token by 2, 5 more by 4.5; b waits for that slot although
    GPU 1 is empty. With 1: both on GPU 1, from 1 to 4 and from 2 to 3.
    """
    cluster = cluster_by_hand(policy, plan_by_hand(2, 1, solo_probability=probability))
    cluster.arrive(0, 100, 6)
    cluster.arrive(0, 100, 2)
    assert column(cluster, "gpu") == gpu
    assert column(cluster, "decoding") == pytest.approx(decoding)
    assert column(cluster, "end") == pytest.approx(end)


def test_who_waits_too_long_leaves_and_who_is_served_stays() -> None:
    """One GPU, theta > 0. a: 300, 8 stays 1 s at most, b: 100, 1 at 1 stays 1.5 s.

    a is served at once, longer than it would have waited. b leaves at 2.5, never prefilled.
    c comes at 2.9, is prefilled from 3 to 4 and done at 4.5.
    """
    cluster = cluster_by_hand("fcfs-immediate", whole(1), rates_by_hand(patience=0.5))
    cluster.arrive(0, 300, 8, stays=1)
    cluster.arrive(1, 100, 1, stays=1.5)
    cluster.arrive(2.9, 100, 1, stays=1)
    assert column(cluster, "outcome") == [2, 0, 2]
    assert column(cluster, "end") == pytest.approx([7.5, 2.5, 4.5])


def test_patience_starts_anew_in_the_decode_buffer() -> None:
    """One GPU that keeps a slot for prefill. a: 100, 30 and b: 100, 1 at 0, b stays 2 s at most.

    b waits from 0 to 1, is prefilled to 2, then waits for the slot of a: it leaves at 4.
    """
    cluster = cluster_by_hand("gate-and-route", plan_by_hand(1, 1), rates_by_hand(patience=0.5))
    cluster.arrive(0, 100, 30)
    cluster.arrive(0, 100, 1, stays=2)
    assert column(cluster, "outcome") == [2, 1]
    assert column(cluster, "end")[1] == pytest.approx(4)


def capped(gpus: int, cap: float, **changes: Any) -> Plan:
    """Return a plan under which `cap` requests may be in prefill on average."""
    targets = (1.0,) * len(changes.get("indices", (1.0,)))
    return plan_by_hand(gpus, gpus, targets, prefill_cap=cap / (1 - HEADROOM), **changes)


def test_a_cap_on_prefills_is_paid_off_before_the_next_one_starts() -> None:
    """Three idle GPUs, 3/2 prefills on average, 2 at a time. At 0: a and b of 2 s, c of 1 s.

    a and b start. Credit falls by 1/2 a second: -1 at 2, when both end. It rises by 3/2 a second:
    0 at 2 2/3, where nothing else happens, and c starts. From then on it rises by 1/2, to 1/2 at
    3 2/3, then by 3/2; 5 is the most, reached at 6 2/3.

    At 10 d and e of 5 s start, at 15 f and g of 10 s with a credit of 5/2, at 25 it is -5/2. h, who
    came at 20, starts when it is 0 again: at 26 2/3. With all that was saved, 10 by then, h would
    have started at 25.
    """
    cluster = cluster_by_hand("price-index-capped", capped(3, 1.5))
    credit = {}
    for time, prompt in (
        (0, 200), (0, 200), (0, 100), (10, 500), (10, 500), (15, 1000), (15, 1000), (20, 100),
    ):  # fmt: skip
        cluster.arrive(time, prompt, 0.5)
        credit[time] = float(cluster.room.times[at.CREDIT])
    assert credit == pytest.approx({0: 0, 10: 5, 15: 2.5, 20: 0})
    assert column(cluster, "started") == pytest.approx([0, 0, 8 / 3, 10, 10, 15, 15, 80 / 3])


def test_a_whole_cap_never_runs_into_debt() -> None:
    """Three idle GPUs, cap 2: two at a time, the third starts when the first ends."""
    cluster = cluster_by_hand("price-index-capped", capped(3, 2.0))
    for prompt in (300, 100, 100):
        cluster.arrive(0, prompt, 0.5)
    assert column(cluster, "started") == pytest.approx([0, 0, 1])


def test_between_marginal_classes_free_slots_decide_under_a_cap() -> None:
    """Two GPUs of 2 slots, one prefill of 1 s at a time; class 0 has more output per prompt token.

    A first request of class 0 starts at 0 and is gone soon after 1. By then one of class 1 waits,
    then four of class 0; all but the first decode for ever. More than one slot is free at 1, 2 and
    3 (3, 3, 2): class 0 goes first, three times. At 4 only one is left: class 1 goes before the
    last of class 0, has its half a token by 5 1/4, and leaves its slot to it.
    """
    cluster = cluster_by_hand("price-index-capped", capped(2, 1.0, indices=(3.0, 0.3)))
    cluster.arrive(0, 100, 0.5, 0)
    cluster.arrive(0.1, 100, 0.5, 1)
    for k in range(4):
        cluster.arrive(0.2 + 0.1 * k, 100, 9000, 0)
    started = [each["started"] for each in ended(cluster, until=1e5)]
    assert started == pytest.approx([0, 4, 1, 2, 3, 5.25])


def test_few_decodes_beside_prefills_and_none_starts_while_one_waits() -> None:
    """Two GPUs may prefill, one decode in all beside them; GPU 2 decodes with two slots.

    At 0: prompts of 1, 2, 2, 2, 3.5 and 0.8 s; outputs 10, 20, 1000, 2, 2, 2. a: 0 to 1, decodes
    on GPU 2 to 6. b: 0 to 2, GPU 2 to 12. c: 1 to 3; it gets the one slot beside prefills, on
    GPU 0. d: 2 to 4: no slot is left, it waits. e: 3 to 6.5. f could start at 4, but waits for d,
    whom the slot of a takes at 6 to 7; f: 6 to 6.8. e waits from 6.5 for the slot of d: 7 to 8;
    then f, from 8.
    """
    plan = plan_by_hand(3, 2, mixed_decodes=1.2)
    cluster = cluster_by_hand("price-index-token-mean", plan)
    for prompt, output in ((100, 10), (200, 20), (200, 1000), (200, 2), (350, 2), (80, 2)):
        cluster.arrive(0, prompt, output)
    assert column(cluster, "started") == pytest.approx([0, 0, 1, 2, 3, 6])
    assert column(cluster, "decoding") == pytest.approx([1, 2, 3, 6, 7, 8])
    assert column(cluster, "gpu") == [2, 2, 0, 2, 2, 2]


@pytest.mark.parametrize(
    ("policy", "started", "end"),
    [
        ("gate-and-route-backpressure", [0, 1, 2, 3, 5.5], [6, 12, 5.5, 7, 7.5]),
        ("gate-and-route", [0, 1, 2, 3, 4], [6, 12, 6, 7, 7]),
    ],
)
def test_backpressure_starts_no_prefill_while_a_finished_one_waits(
    policy: str, started: list[float], end: list[float]
) -> None:
    """GPU 0 may prefill, GPU 1 only decodes. At 0: 100 tokens of prompt, outputs 10, 20, 4, 2, 2.

    a decodes on GPU 1 from 1 to 6, b there from 2 to 12, c beside prefills on GPU 0 from 3. d is
    prefilled from 3 to 4, and all slots are taken: it waits. Under backpressure e waits too; c has
    a token by 4, alone then: the other three by 5.5. There d takes the slot and e the prefill,
    to 6.5; d has a token by then and the other by 7, e decodes on GPU 1 from 6.5 to 7.5. Without
    it e is prefilled from 4 to 5: c ends at 6 (1 token by 4, 1 by 5, 2 by 6), a at 6 too; d
    and e take the two slots and are done at 7, on either GPU.
    """
    cluster = cluster_by_hand(policy, plan_by_hand(2, 1))
    for output in (10, 20, 4, 2, 2):
        cluster.arrive(0, 100, output)
    assert column(cluster, "started") == pytest.approx(started)
    assert column(cluster, "end") == pytest.approx(end)
