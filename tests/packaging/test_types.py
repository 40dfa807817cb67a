"""Type checking reaches every mapped folder: a planted error in each is found."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from packaging_tools import ROOT, make_view, package_folders


@pytest.mark.long
def test_a_type_error_planted_in_each_folder_is_found(tmp_path: Path) -> None:
    make_view(tmp_path)
    for package in package_folders():
        planted = tmp_path / package.replace(".", "/") / "planted.py"
        planted.write_text('"""A module with a type error."""\n\nnumber: int = "text"\n')
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "setup.cfg"), "-p", "gnr"],
        cwd=tmp_path,
        env={"MYPYPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    found = set(
        re.findall(r"^(\S+)/planted\.py:3: error: Incompatible types", checked.stdout, re.M)
    )
    assert found == {package.replace(".", "/") for package in package_folders()}
