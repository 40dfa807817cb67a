"""``--certify``: make a certificate, have it checked, write it."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gnr.atomic import complete_file
from gnr.cli.console import note


def certified(solution: Any, overrides: Sequence[str]) -> Any:
    """Return the solution with a certificate that the independent checker accepts.

    Where the solver's numbers differ from the exact ones, a warning says so.

    Raises
    ------
    RuntimeError
        If the checker refuses the certificate.
    """
    from gnr.instance_text import to_toml
    from gnr.models.certificate import certify, disagreement
    from gnr.proofs.certificate_checker import check

    certificate = certify(solution, overrides=overrides)
    problems = check(certificate.model_dump(mode="json"), tomllib.loads(to_toml(solution.instance)))
    if problems:
        raise RuntimeError("the checker refuses the certificate: " + "; ".join(problems))
    difference = disagreement(solution, certificate)
    if difference is not None:
        solution = solution.model_copy(update={"warnings": (*solution.warnings, difference)})
    return solution.with_certificate(certificate)


def agrees(solution: Any) -> bool:
    """Tell whether a solution has the value of its certificate, if it has one."""
    if solution.certificate is None:
        return True
    from gnr.models.certificate import disagreement

    return disagreement(solution, solution.certificate) is None


def write_certificate(solution: Any, folder: Path) -> None:
    """Write the certificate, and beside it the instance file to check it against.

    That file has the overrides written in; without any it says what the instance's own file does.
    """
    from gnr.instance_text import to_toml

    note(f"wrote {solution.certificate.write(folder)}")
    path = folder / f"{solution.instance.name}.instance.toml"
    with complete_file(path) as temporary:
        temporary.write_text(to_toml(solution.instance), encoding="utf-8")
    note(f"wrote {path}")
