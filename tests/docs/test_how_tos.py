"""The pages that say how to add something are followed, step by step, in a copy of the sources."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pages import blocks, shown

from packaging_tools import ROOT

HOW_TOS = ("add-an-sli", "add-a-policy", "add-a-claim")
MAPPED = ("instances", "models", "proofs", "validation")
"""Folders that setup.cfg maps into the package."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the sources, compiled kernels included, and let `gnr` and `python` mean the copy."""
    left_out = shutil.ignore_patterns(".git", ".venv", "build", "plans", "*.egg-info", ".*_cache")
    shutil.copytree(ROOT, tmp_path / "copy", ignore=left_out)
    for folder in MAPPED:
        (tmp_path / "copy" / "gnr" / folder).symlink_to(tmp_path / "copy" / folder)
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, words in {"gnr": "-m gnr ", "python": ""}.items():
        (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n')
        (commands / name).chmod(0o755)
    return tmp_path / "copy"


@pytest.mark.long
@pytest.mark.parametrize("name", HOW_TOS)
def test_a_how_to_works_as_it_is_written(name: str, copy: Path) -> None:
    path = f"{copy.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(copy)}
    taken = blocks(ROOT / "docs" / "how-to" / f"{name}.md")
    assert {block.language for block in taken} == {"python", "diff", "console"} - (
        {"python"} if name == "add-a-claim" else set()
    )
    for block in taken:
        place = f"{name}.md:{block.line}"
        if block.language == "python":
            (copy / block.caption).write_text(block.body, encoding="utf-8")
        elif block.language == "diff":
            subprocess.run(["git", "apply", "-"], cwd=copy, input=block.body, text=True, check=True)
        else:
            for command, expected in block.commands():
                done = subprocess.run(
                    ["bash", "-c", command], cwd=copy, env=environment, capture_output=True,
                    text=True, check=False,
                )  # fmt: skip
                came = done.stderr + done.stdout
                assert done.returncode == 0, f"{place}: $ {command}\n{came}"
                assert shown(expected, came), f"{place}: $ {command}\n{came}"
