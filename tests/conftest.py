"""Before the first test: the long compilations begin beside it, on a core that is free."""

import subprocess
import sys
from pathlib import Path

import pytest

COMPILER = pytest.StashKey[subprocess.Popen[bytes]]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Start to compile the kernels, unless single tests were asked for; numba keeps the result."""
    config = session.config
    if not config.option.collectonly and config.args_source.name != "ARGS":
        script = str(Path(__file__).with_name("compile_kernels.py"))
        config.stash[COMPILER] = subprocess.Popen(
            [sys.executable, script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Wait for it."""
    compiler = session.config.stash.get(COMPILER, None)
    if compiler is not None:
        compiler.wait()
