"""`gnr export` as a user runs it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gnr.cli.app import run
from gnr.reading import shipped_instances
from gnr.schemas import read_schema

SHIPPED = list(shipped_instances())
SCHEMAS = {"json": "export", "vllm-priority": "export-vllm-priority"}
TWO_MARGINAL = [
    part
    for change in (
        "0.prompt_tokens=3000", "0.output_tokens=100", "0.arrival_rate=4",
        "1.prompt_tokens=1000", "1.output_tokens=400", "1.arrival_rate=4",
    )
    for part in ("--set", f"classes.{change}")
]  # fmt: skip
"""THEORY 12: prefill and decode both bind, so neither class earns more by one more request."""


def gnr(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run one command in this process; return exit code, stdout and stderr."""
    code = run(arguments)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def exported(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return the document that `gnr export` prints for 500 GPUs."""
    code, out, err = gnr(capsys, "export", *arguments, "--gpus", "500")
    assert code == 0, err
    return json.loads(out)


@pytest.mark.parametrize("form", SCHEMAS)
@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_instance_satisfies_the_schema_of_the_format(
    name: str, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    document = exported(capsys, name, "--format", form)
    jsonschema.validate(document, read_schema(SCHEMAS[form]))
    assert (document["instance"], document["format"]) == (name, form)
    assert document["provenance"]["options"]["gpus"] == 500
    assert document["provenance"]["options"]["format"] == form


def test_json_holds_the_plan_that_solve_makes(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = gnr(capsys, "solve", "dolly-eight-class", "--gpus", "500", "--json")
    plan = json.loads(out)["plan"]
    document = exported(capsys, "dolly-eight-class")
    for key in set(document) & set(plan) - {"classes", "warnings"}:
        assert document[key] == plan[key], key
    assert (document["batch_slots"], document["chunk_tokens"]) == (16, 256)
    for mine, planned in zip(document["classes"], plan["classes"], strict=True):
        assert set(mine) - set(planned) == {"marginal"}
        assert {key: planned[key] for key in mine if key != "marginal"} == {
            key: value for key, value in mine.items() if key != "marginal"
        }
    by_name = {each["name"]: each for each in document["classes"]}
    shut_out, last = by_name["creative-writing"], by_name["general-qa"]
    assert (shut_out["admitted"], shut_out["rank"], shut_out["marginal"]) == (False, None, False)
    assert (last["rank"], last["marginal"]) == (7, True)
    assert sum(each["marginal"] for each in document["classes"]) == 1


def test_json_is_the_default_and_its_flag_a_synonym(capsys: pytest.CaptureFixture[str]) -> None:
    documents = [
        exported(capsys, "two-class", *flags) for flags in ((), ("--json",), ("--format", "json"))
    ]
    for document in documents:
        document.pop("provenance")
    assert documents[0] == documents[1] == documents[2]


def test_rules_tell_how_every_number_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    document = exported(capsys, "two-class")
    told = " ".join(document["rules"].values())
    for number in set(document["classes"][0]) - {"name"}:
        assert number in told, number


def test_priorities_follow_the_value_of_one_more_request(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """11.2: one more prefill-heavy request earns 264, one more decode-heavy one nothing."""
    document = exported(capsys, "two-class", "--format", "vllm-priority")
    assert list(document["priorities"].items()) == [("prefill-heavy", 1), ("decode-heavy", 2)]
    assert document["scheduling_policy"] == "priority"
    assert document["max_num_seqs"] == 16
    assert document["max_num_batched_tokens"] == 256 + 15
    assert (document["not_admitted"], document["warnings"]) == ([], [])
    left_out = " ".join(document["does_not_reproduce"])
    for subject in ("Algorithm 10", "preemption", "each engine ranks its own queue", "Patience"):
        assert subject in left_out
    assert "Shutting out" not in left_out
    assert "The tie" not in left_out


def test_who_is_shut_out_has_no_priority_and_is_to_be_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = exported(capsys, "dolly-eight-class", "--format", "vllm-priority")
    assert document["not_admitted"] == ["creative-writing"]
    assert "creative-writing" not in document["priorities"]
    assert sorted(document["priorities"].values()) == list(range(1, 8))
    assert "refuse requests of 'creative-writing'" in document["does_not_reproduce"][0]


def test_two_marginal_classes_share_a_priority_and_the_tie_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    document = exported(capsys, "two-class", "--format", "vllm-priority", *TWO_MARGINAL)
    assert document["priorities"] == {"decode-heavy": 1, "prefill-heavy": 1}
    assert "the engine goes by arrival" in document["does_not_reproduce"][0]
    plan = exported(capsys, "two-class", *TWO_MARGINAL)
    assert [each["marginal"] for each in plan["classes"]] == [True, True]


@pytest.mark.parametrize("form", SCHEMAS)
def test_ranks_under_separate_pricing_come_with_a_warning(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("export", "two-class-separate", "--gpus", "500", "--format", form)
    code, out, err = gnr(capsys, *arguments)
    (warning,) = json.loads(out)["warnings"]
    assert code == 0
    assert "separate pricing is open" in warning
    assert f"warning: two-class-separate: {warning}" in err


def test_a_kinked_value_leaves_the_ranking_open(capsys: pytest.CaptureFixture[str]) -> None:
    """With demand equal to capacity one request more earns nothing, one fewer loses its price."""
    exact = 0.0182583213369043 * 25.6471908110123  # x_0 mu_p,0 at the optimum of 11.2
    change = ("--set", f"classes.decode-heavy.arrival_rate={exact!r}")
    document = exported(capsys, "two-class", *change)
    assert any("one request more and one fewer" in each for each in document["warnings"])


def test_an_empty_decode_buffer_can_be_demanded(capsys: pytest.CaptureFixture[str]) -> None:
    assert not exported(capsys, "two-class-separate")["empty_decode_buffer"]
    document = exported(capsys, "two-class-separate", "--empty-decode-buffer")
    assert document["empty_decode_buffer"]
    assert document["revenue_rate"] == pytest.approx(297.7031698642446)


@pytest.mark.parametrize("form", SCHEMAS)
def test_several_instances_make_one_list(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    document = exported(capsys, *SHIPPED, "--format", form)
    assert [each["instance"] for each in document["results"]] == SHIPPED


def test_out_writes_what_is_printed_one_file_per_format(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = ("--out", str(tmp_path / "new"))
    plans = exported(capsys, "two-class", "dolly-eight-class", *out)["results"]
    ranks = exported(capsys, "two-class", "--format", "vllm-priority", *out)
    folder = tmp_path / "new"
    assert json.loads((folder / "two-class.router.json").read_text()) == plans[0]
    assert json.loads((folder / "dolly-eight-class.router.json").read_text()) == plans[1]
    assert json.loads((folder / "two-class.vllm-priority.json").read_text()) == ranks
    assert len(list(folder.iterdir())) == 3


def test_unknown_format_is_told_with_the_near_miss(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = gnr(capsys, "export", "two-class", "--gpus", "5", "--format", "vllm-priorty")
    assert (code, out) == (2, "")
    assert "--format: no format 'vllm-priorty'; did you mean vllm-priority?" in err


def test_what_cannot_be_planned_is_not_exported(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    stuck = ("--set", "classes.0.patience_rate=0", "--set", "classes.0.arrival_rate=2")
    folder = ("--gpus", "5", "--out", str(tmp_path))
    code, out, err = gnr(capsys, "export", "two-class", *folder, *stuck)
    assert (code, out) == (1, "")
    assert "is infeasible" in err
    file = tmp_path / "promises.toml"
    text = shipped_instances()["two-class"].read_text()
    file.write_text(text + '\n[[slis]]\nkind = "mean_tpot"\nat_most = 0.02\n')
    code, out, err = gnr(capsys, "export", "dolly-eight-class", str(file), *folder)
    assert (code, out) == (1, "")
    assert "mean_tpot" in err
    assert list(tmp_path.iterdir()) == [file], "nothing is written unless all can be"


def test_a_cluster_too_small_for_its_groups_is_warned_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = gnr(capsys, "export", "two-class", "--gpus", "1")
    assert code == 0
    assert any("too small" in each for each in json.loads(out)["warnings"])


def test_the_group_that_was_asked_for_is_exported_and_is_not_the_plans(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Slots and targets belong to the group, and that it is not the plan's own is told."""
    asked = ("--gpus", "7", "--mixed-gpus", "3", "--disaggregated")
    code, out, err = gnr(capsys, "export", "two-class", *asked)
    document = json.loads(out)
    assert code == 0
    assert (document["mixed_gpus"], document["solo_gpus"]) == (3, 4)
    assert (document["mixed_decode_slots"], document["solo_decode_slots"]) == (0, 4 * 16)
    assert document["disaggregated"]
    assert document["provenance"]["options"]["mixed_gpus"] == 3
    told = document["warnings"][0]
    assert "3 of 7 GPUs prefill, as asked for; the plan's own group has 2" in told
    assert told in err
    assert "7 GPUs, 3 that only prefill and 4 solo" in err
    jsonschema.validate(document, read_schema("export"))
    solved = json.loads(gnr(capsys, "solve", "two-class", *asked, "--json")[1])["plan"]
    for key in set(document) & set(solved) - {"classes", "warnings"}:
        assert document[key] == solved[key], key


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("export", "two-class", "--gpus", "7", "--mixed-gpus", "8"), "must be from 1 to 7"),
        (("export", "two-class", "--gpus", "7", "--mixed-gpus", "-1"), "must be from 1 to 7"),
        (
            (
                "export",
                "two-class",
                "--gpus",
                "7",
                "--mixed-gpus",
                "3",
                "--format",
                "vllm-priority",
            ),
            "priorities know none",
        ),
        (("solve", "two-class", "--mixed-gpus", "3"), "say --gpus N too"),
        (("solve", "two-class", "--gpus", "7", "--mixed-gpus", "8"), "must be from 1 to 7"),
    ],
)
def test_a_group_that_cannot_be_is_told_of(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = gnr(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("--mixed-gpus: ")
    assert said in err
