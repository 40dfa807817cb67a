"""The instance format: what is accepted, what is derived from it, overrides."""

import copy
from pathlib import Path
from typing import Any

import pytest

from gnr.checks import warnings_for
from gnr.errors import InputError
from gnr.instance import Instance
from gnr.instance_text import to_toml
from gnr.models.steady_state import solve
from gnr.overrides import apply_override
from gnr.rates import rates_of
from gnr.reading import build, load, read, shipped_instances


@pytest.fixture
def data() -> dict[str, Any]:
    return copy.deepcopy(read("two-class")[1])


def test_integers_are_fine_where_reals_are_asked(data: dict[str, Any]) -> None:
    data["classes"][0]["arrival_rate"] = 2
    assert build(data, "x").classes[0].arrival_rate == 2.0


def test_an_instance_cannot_be_changed(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="frozen"):
        build(data, "x").name = "other"  # type: ignore[misc]


def test_digest_sees_numbers_and_not_layout(tmp_path: Path) -> None:
    text = shipped_instances()["two-class"].read_text()
    file = tmp_path / "copy.toml"
    file.write_text("# a comment\n" + text.replace("\n", "  # and another\n\n"))
    assert load(file).sha256() == load("two-class").sha256()
    changed = load(file, ["gpu.batch_slots=17"])
    assert changed.sha256() != load("two-class").sha256()


SIZED = ["gpu.replica_gpus=8", "gpu.cost.per_hour=2.5"]


def test_digest_of_a_file_without_replicas_and_cost_is_what_it_was() -> None:
    """Seeds and kept results go by it; pinned from the format before it had these keys."""
    digest = "67d92b7dc675fce84dc59f4d9f1b651b2fc873ac14d6f1c2ccefc1b71a23355d"
    assert load("two-class").sha256() == digest
    assert load("two-class", ["gpu.replica_gpus=1"]).sha256() == digest, "1 is what it was"
    assert len({load("two-class", SIZED[:count]).sha256() for count in range(3)}) == 3


def test_replicas_and_cost_are_written_only_where_given(tmp_path: Path) -> None:
    plain, sized = load("two-class"), load("two-class", SIZED)
    assert (plain.gpu.replica_gpus, plain.gpu.cost) == (1, None)
    assert "replica_gpus" not in to_toml(plain)
    assert "cost" not in to_toml(plain)
    assert "cost" not in plain.model_dump_json()
    file = tmp_path / "sized.toml"
    file.write_text(to_toml(sized))
    assert load(file) == sized
    assert sized.gpu.cost is not None
    assert (sized.gpu.replica_gpus, sized.gpu.cost.per_hour) == (8, 2.5)


def test_replicas_and_cost_do_not_change_the_solution() -> None:
    own = {"provenance", "instance"}
    plain, sized = (solve(load("two-class", each)).model_dump(exclude=own) for each in ([], SIZED))
    assert plain == sized


def test_utf8_with_byte_order_mark_is_text(tmp_path: Path) -> None:
    file = tmp_path / "bom.toml"
    file.write_bytes(b"\xef\xbb\xbf" + shipped_instances()["two-class"].read_bytes())
    assert load(file).name == "two-class"


def test_sli_names_default_to_kind_and_class(data: dict[str, Any]) -> None:
    data["slis"] = [
        {"kind": "mean_tpot", "at_most": 0.03},
        {"kind": "mean_ttft", "at_most": 1, "class": "prefill-heavy"},
        {"kind": "mean_ttft", "penalty_weight": 2.0, "name": "patience"},
    ]
    labels = [sli.label for sli in build(data, "x").slis]
    assert labels == ["mean_tpot", "mean_ttft:prefill-heavy", "patience"]


def set_(data: dict[str, Any], override: str) -> Instance:
    return build(apply_override(data, override), "x")


def test_override_by_path_class_name_and_index(data: dict[str, Any]) -> None:
    assert set_(data, "gpu.batch_slots=32").gpu.batch_slots == 32
    assert set_(data, "prices.scheme=separate").prices.scheme == "separate"
    assert set_(data, "classes.prefill-heavy.arrival_rate = 0.7").classes[1].arrival_rate == 0.7
    assert set_(data, "classes.0.patience_rate=0").classes[0].patience_rate == 0.0
    assert set_(data, "classes[0].patience_rate=0").classes[0].patience_rate == 0.0
    assert set_(data, 'notes="a = b"').notes == "a = b"
    assert data["gpu"]["batch_slots"] == 16, "the original is left alone"


def test_override_opens_a_table_that_may_be_left_out(data: dict[str, Any]) -> None:
    cost = set_(data, "gpu.cost.per_hour=2.5").gpu.cost
    assert cost is not None
    assert cost.per_hour == 2.5
    assert "cost" not in data["gpu"], "the original is left alone"
    for override, words in {
        "gpu.costs.per_hour=2": "there is no table 'costs'; did you mean cost?",
        "gpu.cost.per_hours=2": "per_hours: is not a known key; did you mean per_hour?",
        "gpu.cost.per_hour.x=2": "there is no table 'per_hour'",
        "gpu.memory.kv_tokens=2": "there is no table 'memory'",
        "classes.0.cost.per_hour=2": "there is no table 'cost'",
    }.items():
        with pytest.raises(InputError) as refusal:
            set_(data, override)
        assert words in str(refusal.value)


def test_overrides_may_be_values_by_path(data: dict[str, Any]) -> None:
    """The way of a program: no text is made of a number to be read back."""
    changed = build(data, "x", {"gpu.batch_slots": 32, "classes.prefill-heavy.arrival_rate": 1 / 3})
    assert (changed.gpu.batch_slots, changed.classes[1].arrival_rate) == (32, 1 / 3)
    assert load("two-class", {"notes": "a = b"}).notes == "a = b"
    assert data["gpu"]["batch_slots"] == 16, "the original is left alone"
    with pytest.raises(InputError, match=r"override gpu\.nope\.x: there is no table 'nope'"):
        build(data, "x", {"gpu.nope.x": 1})


def test_override_finds_a_class_with_dots_in_its_name(data: dict[str, Any]) -> None:
    data["classes"][0]["name"] = "v1.2"
    data["classes"][1]["name"] = "v1"
    assert set_(data, "classes.v1.2.arrival_rate=3").classes[0].arrival_rate == 3.0
    assert set_(data, "classes.v1.arrival_rate=4").classes[1].arrival_rate == 4.0


@pytest.mark.parametrize(
    ("override", "check"),
    [
        ("gpu.batch_slots", "set-syntax"),
        ("=3", "set-syntax"),
        ("gpu.batch_slots=", "set-syntax"),
        ("slis=[{kind=mean_tpot, at_most=0.03}]", "set-syntax"),
        ("gpus.batch_slots=3", "set-unknown-path"),
        ("classes.chatt.arrival_rate=3", "set-unknown-path"),
        ("classes.7.arrival_rate=3", "set-unknown-path"),
        ("name.first=x", "set-unknown-path"),
        ("gpu.batch_slot=3", "unknown-key"),
        ("gpu.batch_slots=true", "wrong-type"),
        ("gpu.batch_slots=16.0", "wrong-type"),
        ("classes.0.arrival_rate=nan", "not-finite"),
    ],
)
def test_bad_override_is_refused(data: dict[str, Any], override: str, check: str) -> None:
    with pytest.raises(InputError) as refusal:
        set_(data, override)
    assert check in {problem.check for problem in refusal.value.problems}


def test_a_promise_is_made_a_penalty_as_the_remedy_says(data: dict[str, Any]) -> None:
    data["slis"] = [{"kind": "token_tpot", "class": "decode-heavy", "at_most": 0.03}]
    with pytest.raises(InputError) as refusal:
        set_(data, "slis.0.penalty_weight=10000")
    (problem,) = refusal.value.problems
    *_, table = problem.remedy.split("'")[:-1]
    assert table == 'slis.0={kind="token_tpot", class="decode-heavy", penalty_weight=10000}'
    (penalty,) = set_(data, table).slis
    assert (penalty.at_most, penalty.penalty_weight) == (None, 10000)


def test_a_text_that_is_no_array_may_begin_with_a_bracket(data: dict[str, Any]) -> None:
    assert set_(data, "title=[draft] of a cluster").title == "[draft] of a cluster"


def test_rates_of_the_base_instance_are_those_of_theory_11_1() -> None:
    rates = rates_of(load("two-class"))
    assert rates.mixed_time == pytest.approx(0.033272, rel=1e-12)
    assert rates.speed_ratio == pytest.approx(1.5122124, rel=1e-9)
    assert rates.prefill == pytest.approx([25.64719083, 2.564719083], rel=1e-9)
    assert rates.mixed_decode == pytest.approx([0.03005530176, 0.07513825439], rel=1e-9)
    assert rates.solo_decode == pytest.approx([0.04545, 0.113625], rel=1e-9)
    assert rates.reward == pytest.approx([230, 380])
    assert rates.decode_work == pytest.approx([2560 / 3, 512 / 15])
    assert rates.full_prefill == pytest.approx([0.0194953125, 0.194953125])
    assert rates.decode_work + rates.mixing_cost == pytest.approx([862.5287317, 43.32873173])


def test_warnings_tell_when_the_theory_does_not_cover_the_instance() -> None:
    assert warnings_for(load("two-class")) == []
    slow = warnings_for(load("two-class", ["gpu.iteration_time.decode_only=0.034"]))
    assert len(slow) == 1
    assert "kappa < 1" in slow[0]
    slower = warnings_for(load("two-class", ["gpu.iteration_time.decode_only=0.04"]))
    assert any("Theorem 4.1" in each for each in slower)
    falling = warnings_for(load("two-class", ["gpu.iteration_time.per_chunk_token=-1e-6"]))
    assert any("per_chunk_token" in each for each in falling)


def test_dolly_rates_follow_their_rule() -> None:
    instance, rates = load("dolly-eight-class"), rates_of(load("dolly-eight-class"))
    demand = (rates.decode_work + rates.mixing_cost) @ rates.full_prefill
    assert demand == pytest.approx(1.2 * rates.speed_ratio * rates.batch_slots, rel=1e-12)
    samples = [1764, 2136, 1738, 699, 2187, 1462, 3739, 1150]
    share = rates.arrival_rate / rates.arrival_rate.sum()
    assert share == pytest.approx([each / 14875 for each in samples], rel=1e-12)
    assert len(instance.classes) == 8


def test_azure_rates_are_110_percent_of_what_is_served_in_full() -> None:
    rates = rates_of(load("azure-2023-conversation"))
    needed = (rates.decode_work + rates.mixing_cost) @ rates.full_prefill
    load_of_decode = needed / (rates.speed_ratio * rates.batch_slots)
    assert max(load_of_decode, rates.full_prefill.sum()) == pytest.approx(1.1, rel=1e-12)
    share = rates.arrival_rate / rates.arrival_rate.sum()
    assert share == pytest.approx([0.404, 0.36, 0.236], abs=5e-4), "as published with the log"


def test_milliseconds_in_the_place_of_seconds_are_noticed() -> None:
    """No iteration of `two-class` takes more than 33.2 ms; 50 ms is a promise, 23 s is none."""
    loose = 'slis=[{kind="token_tpot",at_most=23},{kind="mean_tpot",at_most=0.05}]'
    (found,) = warnings_for(load("two-class", [loose]))
    assert found.startswith("slis: token_tpot at most 23 s can never be broken")
    assert "bounds are in seconds" in found
