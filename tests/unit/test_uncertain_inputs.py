"""What is said to be uncertain: read from documents and options, or refused with every reason."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from uncertain_documents import Documents, make_documents

import gnr
from gnr.demand import Demand
from gnr.errors import InputError, Problem
from gnr.measure.stated_uncertainty import read_stated
from gnr.measure.uncertain_inputs import UNCERTAIN_CHECKS, read_uncertain_inputs
from gnr.size_band import UncertainInput

TWO_CLASS = gnr.load("two-class")
DEMAND = Demand(source="here", rates={"decode-heavy": 30.0, "prefill-heavy": 20.0})

HOSTILE = [
    b"",
    b"\x00\xff\xfe",
    b"[]",
    b"null",
    b"1e999",
    b"{",
    b"[" * 100_000,
    b'{"line": {}, "decode_only": null}',
    b'{"classes": [], "total_rate": NaN}',
    b"class,requests_per_second\nchat,1\n",
]


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    return make_documents(tmp_path_factory.mktemp("documents"))


def read(documents: Documents, *stated: str, **files: Path | None) -> tuple[UncertainInput, ...]:
    return read_uncertain_inputs(
        documents.instance,
        documents.demand,
        files.get("calibration", documents.calibration_file),
        files.get("fit", documents.fit_file),
        stated,
    )


def refused(*arguments: Any, **files: Path | None) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as refusal:
        read(*arguments, **files)
    assert {each.check for each in refusal.value.problems} <= set(UNCERTAIN_CHECKS)
    assert all(each.remedy for each in refusal.value.problems)
    return refusal.value.problems


def changed(file: Path, folder: Path, change: Callable[[Any], None]) -> Path:
    """Write a document with something else in it, and return its path."""
    document = json.loads(file.read_text())
    change(document)
    target = folder / file.name
    target.write_text(json.dumps(document))
    return target


def test_documents_tell_of_both_times_and_of_rates_and_lengths_by_class(
    documents: Documents,
) -> None:
    found = {each.label: each for each in read(documents)}
    names = [each.name for each in documents.instance.classes]
    quantities = ("demand", "prompt_tokens", "output_tokens")
    by_class = {f"{quantity}:{name}" for quantity in quantities for name in names}
    assert {"mixed_time", "decode_only"} | by_class <= set(found)
    assert set(found) <= {"mixed_time", "decode_only", "demand"} | by_class
    assert not any(each.warnings for each in found.values())
    assert found[f"demand:{names[0]}"].value == documents.demand.rates[names[0]]
    assert found["decode_only"].source == str(documents.calibration_file)
    assert found["decode_only"].in_words == "the decode-only iteration time"
    assert found[f"demand:{names[0]}"].in_words == f"the demand of {names[0]}"


def test_either_document_may_be_missing(documents: Documents) -> None:
    assert {each.label for each in read(documents, fit=None)} == {"mixed_time", "decode_only"}
    assert not {each.label for each in read(documents, calibration=None)} & {"mixed_time"}
    assert read(documents, calibration=None, fit=None) == ()


def test_what_is_stated_takes_the_place_of_what_a_file_says_of_the_same(
    documents: Documents,
) -> None:
    name = documents.instance.classes[0].name
    texts = ("decode_only=20%", f"demand:{name}=0", "prompt_tokens = 0.3", "patience=50%")
    found = {each.label: each for each in read(documents, *texts)}
    assert found["decode_only"].share == 0.2
    assert found["decode_only"].source == "--uncertain decode_only=0.2"
    assert f"demand:{name}" not in found
    assert found["prompt_tokens"].value is None
    assert f"prompt_tokens:{name}" in found
    assert found["patience"].share == 0.5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("demand", "has no share"),
        ("demand=", "no share ''"),
        ("demand=ten", "no share 'ten'"),
        ("demand=-5%", "no share '-5%'"),
        ("demand=301%", "no share '301%'"),
        ("demand=nan", "no share 'nan'"),
        ("demand=inf", "no share 'inf'"),
        ("demand=1e999", "no share '1e999'"),
        ("demand=١٠%", "no share"),
        ("demnd=5%", "nothing is called 'demnd'"),
        ("=5%", "nothing is called ''"),
        ("demand:=5%", "no class ''"),
        ("demand:chat=5%", "no class 'chat'"),
        ("mixed_time:decode-heavy=5%", "not of a class"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match="uncertain") as refusal:
        read_stated([text], TWO_CLASS)
    (problem,) = refusal.value.problems
    assert words in problem.message
    assert problem.remedy


def test_all_texts_are_judged_at_once() -> None:
    with pytest.raises(InputError) as refusal:
        read_stated(["demand:chat=ten", "demand=1%", "demand=2%", "x=1"], TWO_CLASS)
    assert len(refusal.value.problems) == 4


def test_the_patience_of_those_who_never_leave_is_not_uncertain() -> None:
    calm = [each.model_copy(update={"patience_rate": 0.0}) for each in TWO_CLASS.classes]
    one = TWO_CLASS.model_copy(update={"classes": (calm[0], TWO_CLASS.classes[1])})
    assert read_stated(["patience=10%"], one)
    none = TWO_CLASS.model_copy(update={"classes": tuple(calm)})
    for instance, text in ((one, "patience:decode-heavy=10%"), (none, "patience=10%")):
        with pytest.raises(InputError, match="nobody leaves"):
            read_stated([text], instance)


def test_a_class_may_have_colons_and_equals_signs_in_its_name() -> None:
    odd = TWO_CLASS.classes[0].model_copy(update={"name": "a:b=c"})
    instance = TWO_CLASS.model_copy(update={"classes": (odd,)})
    assert read_stated(["demand:a:b=c=5%"], instance) == {("demand", "a:b=c"): 0.05}


@pytest.mark.parametrize("content", HOSTILE, ids=range(len(HOSTILE)))
def test_other_files_are_refused(content: bytes, documents: Documents, tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_bytes(content)
    problems = refused(documents, "nothing", calibration=file, fit=file)
    assert [each.check for each in problems] == ["uncertain-option"] + ["uncertain-file"] * 2


def test_missing_files_folders_and_the_other_document_are_refused(
    documents: Documents, tmp_path: Path
) -> None:
    assert len(refused(documents, calibration=tmp_path, fit=tmp_path / "none.json")) == 2
    swapped = {"calibration": documents.fit_file, "fit": documents.calibration_file}
    words = [each.message for each in refused(documents, **swapped)]
    assert "`gnr calibrate`" in words[0]
    assert "`gnr fit`" in words[1]


def test_a_half_width_that_is_null_has_to_be_stated(documents: Documents, tmp_path: Path) -> None:
    def change(document: Any) -> None:
        document["decode_only"]["half_width"] = None

    file = changed(documents.calibration_file, tmp_path, change)
    (problem,) = refused(documents, calibration=file)
    assert (problem.check, problem.path) == ("uncertain-unknown", "decode_only")
    for text in ("decode_only=10%", "iteration_time=10%"):
        assert read(documents, text, calibration=file)
    known = read(documents, "decode_only=0%", calibration=file)
    assert "decode_only" not in {each.label for each in known}


def test_bands_that_are_null_or_without_end_have_to_be_stated(
    documents: Documents, tmp_path: Path
) -> None:
    first, second = (each.name for each in documents.instance.classes)

    def change(document: Any) -> None:
        document["classes"][0]["prompt_tokens"]["band"] = None
        document["classes"][1]["output_tokens"]["band"] = {"low": 0.0, "high": 9.0}
        document["total_rate"] = None
        for each in document["classes"]:
            each["requests_per_second"] = None

    file = changed(documents.fit_file, tmp_path, change)
    paths = [each.path for each in refused(documents, fit=file)]
    lengths = [f"prompt_tokens:{first}", f"output_tokens:{second}"]
    assert paths == [f"demand:{first}", f"demand:{second}", *lengths]
    stated = ["demand=20%", "prompt_tokens=5%", f"output_tokens:{second}=5%"]
    assert "demand" in {each.label for each in read(documents, *stated, fit=file)}


@pytest.mark.parametrize("value", [-1.0, 0.0, float("nan"), float("inf")])
def test_values_that_are_none_are_refused(
    value: float, documents: Documents, tmp_path: Path
) -> None:
    def change(document: Any) -> None:
        document["operating_points"] = []
        document["decode_only"]["value"] = value

    file = changed(documents.calibration_file, tmp_path, change)
    assert refused(documents, calibration=file)[0].check == "uncertain-file"


def test_a_fit_of_other_classes_is_refused_class_by_class(documents: Documents) -> None:
    with pytest.raises(InputError) as refusal:
        read_uncertain_inputs(TWO_CLASS, DEMAND, None, documents.fit_file, ())
    assert [each.check for each in refusal.value.problems] == ["uncertain-class"] * 4


def test_values_beyond_their_bands_are_warned_of_and_more_demand_is_scaled(
    documents: Documents, tmp_path: Path
) -> None:
    def change(document: Any) -> None:
        document["classes"][0]["prompt_tokens"]["value"] *= 2

    file = changed(documents.fit_file, tmp_path, change)
    found = read_uncertain_inputs(documents.instance, documents.demand.scaled(30), None, file, ())
    warned = {each.label: each.warnings for each in found if each.warnings}
    first, second = (each.name for each in documents.instance.classes)
    assert set(warned) == {f"demand:{first}", f"demand:{second}", f"prompt_tokens:{first}"}
    assert "30 times" in warned[f"demand:{first}"][0]
    assert "outside its band" in warned[f"prompt_tokens:{first}"][0]


def test_another_mix_than_that_of_the_log_is_warned_of(documents: Documents) -> None:
    first, second = documents.demand.rates
    rates = {first: documents.demand.rates[second], second: 3 * documents.demand.rates[second]}
    other = Demand(source="here", rates=rates)
    found = read_uncertain_inputs(documents.instance, other, None, documents.fit_file, ())
    warnings = [text for each in found for text in each.warnings]
    assert sum("of the demand" in text for text in warnings) == 2


def test_bursts_and_drift_of_the_log_are_told_again(documents: Documents, tmp_path: Path) -> None:
    """Who sizes for a log that comes in bursts is not to forget it on the way."""

    def change(document: Any) -> None:
        for each in document["arrivals"]["dispersion"]:
            each["index"] = 30.0
        document["arrivals"]["trend"] |= {"change": 0.5, "band": {"low": 0.4, "high": 0.6}}

    file = changed(documents.fit_file, tmp_path, change)
    found = read_uncertain_inputs(documents.instance, documents.demand, None, file, ())
    told = {text for each in found for text in each.warnings}
    assert len(told) == 2
    assert any("come in bursts" in text for text in told)
    assert any("drifts by +50%" in text for text in told)


def test_a_line_that_does_not_reach_the_chunk_is_warned_of(
    documents: Documents, tmp_path: Path
) -> None:
    def change(document: Any) -> None:
        document["operating_points"] = []

    file = changed(documents.calibration_file, tmp_path, change)
    gpu = documents.instance.gpu.model_copy(update={"chunk_tokens": 4096})
    instance = documents.instance.model_copy(update={"gpu": gpu})
    found = read_uncertain_inputs(instance, documents.demand, file, None, ())
    assert any("the line holds from" in text for each in found for text in each.warnings)
