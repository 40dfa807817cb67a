"""The published JSON Schemas are those of the models, and real files satisfy them."""

import tomllib
from pathlib import Path

import jsonschema
import pytest

from gnr.errors import InputError
from gnr.reading import load, shipped_instances
from gnr.schemas import DOCUMENTS, read_schema, schema_of

CORPUS = Path(__file__).parents[1] / "data" / "invalid"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_shipped_schema_is_fresh(name: str) -> None:
    assert read_schema(name) == schema_of(name), "run `make schemas`"


@pytest.mark.parametrize("name", shipped_instances())
def test_shipped_instances_satisfy_the_schema_and_bear_their_file_name(name: str) -> None:
    data = tomllib.loads(shipped_instances()[name].read_text())
    jsonschema.validate(data, read_schema("instance"))
    assert load(name).name == name


@pytest.mark.parametrize(
    "check", ["missing-key", "unknown-key", "out-of-range", "not-a-choice", "sli-unknown-kind"]
)
def test_schema_refuses_what_the_program_refuses(check: str) -> None:
    for file in CORPUS.glob(f"{check}--*.toml"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(tomllib.loads(file.read_text()), read_schema("instance"))
        with pytest.raises(InputError):
            load(file)


def test_every_number_has_a_unit_and_an_example() -> None:
    schema = read_schema("instance")
    for table in ("Gpu", "GpuCost", "IterationTime", "Prices", "RequestClass"):
        for key, field in schema["$defs"][table]["properties"].items():
            if field.get("type") in ("number", "integer"):
                assert field["unit"], key
                assert field["example"], key
