"""Every check of an instance file refuses what it should, for the reason it should."""

from pathlib import Path

import pytest

from gnr.checks import CHECKS
from gnr.errors import InputError
from gnr.reading import FILE_CHECKS, load

CORPUS = Path(__file__).parents[1] / "data" / "invalid"
FILES = sorted(CORPUS.glob("*.toml"))
NEEDS_NO_FILE = {"unknown-instance", "file-missing", "file-unreadable"}


def checked_by(file: Path) -> str:
    """Return the check a file of the corpus is named after: ``<check>--<detail>.toml``."""
    return file.stem.split("--")[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_file_trips_the_check_it_is_named_after_and_no_other(file: Path) -> None:
    with pytest.raises(InputError) as refusal:
        load(file)
    problems = refusal.value.problems
    assert {problem.check for problem in problems} == {checked_by(file)}
    for problem in problems:
        assert problem.file == str(file)
        assert problem.message


def test_every_check_has_a_file() -> None:
    assert {*CHECKS, *FILE_CHECKS} - NEEDS_NO_FILE == {checked_by(file) for file in FILES}


def test_missing_file_unknown_name_and_folder_are_told_apart(tmp_path: Path) -> None:
    cases = {
        "file-missing": tmp_path / "none.toml",
        "file-unreadable": tmp_path,
        "unknown-instance": "two-clas",
    }
    for check, source in cases.items():
        with pytest.raises(InputError) as refusal:
            load(source)
        assert [problem.check for problem in refusal.value.problems] == [check]


def test_unknown_name_gets_a_near_miss_hint() -> None:
    with pytest.raises(InputError, match="did you mean two-class"):
        load("two-clas")


def test_all_faults_are_told_at_once_schema_and_relations_together(tmp_path: Path) -> None:
    text = (CORPUS / "duplicate-class-name.toml").read_text()
    text = text.replace("batch_slots = 16", 'batch_slots = "16"').replace("0.5", "inf")
    file = tmp_path / "many.toml"
    file.write_text(text)
    with pytest.raises(InputError) as refusal:
        load(file)
    assert sorted((p.check, p.path) for p in refusal.value.problems) == [
        ("duplicate-class-name", "classes[1].name"),
        ("not-finite", "classes[0].arrival_rate"),
        ("not-finite", "classes[1].arrival_rate"),
        ("wrong-type", "gpu.batch_slots"),
    ]


def test_a_message_names_file_place_value_unit_and_remedy() -> None:
    file = CORPUS / "not-finite--inf.toml"
    with pytest.raises(InputError) as refusal:
        load(file)
    assert str(refusal.value) == (
        f"{file}: classes[0].arrival_rate: must be finite, got inf (requests/s per GPU); "
        "for example arrival_rate = 0.5"
    )
