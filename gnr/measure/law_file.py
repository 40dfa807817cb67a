"""Read the law of the iteration time that `gnr calibrate --out` wrote."""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gnr.batch_law import BatchLaw
from gnr.errors import InputError, Problem

REMEDY = "name the .calibration.json that `gnr calibrate --out DIR` writes"


def read_law(file: str | Path) -> tuple[BatchLaw, dict[str, tuple[float, float]]]:
    """Return the law in a file and the ranges that it was measured at.

    Raises
    ------
    InputError
        If the file cannot be read or is no calibration.
    """
    path = Path(file)
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        law = BatchLaw.model_validate(document["law"])
        measured = {
            str(name): (float(low), float(high))
            for name, (low, high) in document["measured"].items()
        }
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}") from error
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(str(part) for part in ("law", *fault["loc"]))
        raise _refused(path, f"{place}: {fault['msg']}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _refused(path, "is not the result of a calibration") from error
    return law, measured


def _refused(path: Path, message: str) -> InputError:
    return InputError([Problem("law-file", str(path), "", message, REMEDY)])
