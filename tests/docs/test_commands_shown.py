"""Every command on the pages runs as it is printed, and prints what the page shows."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pages import PAGES, ROOT, Block, blocks, shown
from PIL import Image

from gnr.cli.app import run
from gnr.validation.policies import POLICIES, POOLED

OF_DEVELOPERS = {"add-a-claim.md", "add-a-policy.md", "add-an-sli.md"}
"""Pages that change the sources: `test_how_tos.py` follows them in a copy."""

READ = [page for page in PAGES if page.name not in OF_DEVELOPERS and "_build" not in page.parts]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like the checkout to whoever types the commands, with results apart."""
    for entry in ROOT.iterdir():
        if entry.name not in ("plans", "build", ".venv"):
            (tmp_path / entry.name).symlink_to(entry)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", "")
    return tmp_path


Capture = Callable[[str], str]


@pytest.fixture
def printed(capfd: pytest.CaptureFixture[str]) -> Capture:
    """Run a command and return what it prints: first what goes to stderr, then the rest."""

    def of(command: str) -> str:
        words = shlex.split(command.replace("\\\n", " "), comments=True)
        capfd.readouterr()
        if words[0] == "gnr" and not set(words) & {"|", ">", "&&", "||", ";"}:
            run(words[1:])
        else:
            subprocess.run(["bash", "-c", command], check=False)
        out, err = capfd.readouterr()
        return err + out

    return of


def unlike(kept: Path, made: Path) -> bool:
    """Return whether a picture on a page is not the one that its commands make.

    With ``GNR_WRITE_PICTURES`` set it is made so, in fewer colours. Fonts may differ by a shade.
    """
    if "GNR_WRITE_PICTURES" in os.environ:
        kept.parent.mkdir(exist_ok=True)
        Image.open(made).convert("RGB").quantize(128).save(kept, optimize=True)
    one, other = (np.asarray(Image.open(each).convert("L"), float) for each in (kept, made))
    return one.shape != other.shape or float(abs(one - other).mean()) > 3.0


def follow(page: Path, taken: list[Block], printed: Capture) -> list[str]:
    """Run the blocks of a page in order; return what did not come as it is shown."""
    names: dict[str, object] = {}
    wrong = []
    for block in taken:
        if block.language == "python":
            code = compile("\n" * block.line + block.body, str(page), "exec")
            exec(code, names)
        elif block.language == "console":
            for command, expected in block.commands():
                came = printed(command)
                if not shown(expected, came):
                    wrong.append(f"{page.name}:{block.line}: $ {command}\n{came}")
        elif block.picture:
            shown_there, made = block.picture
            if unlike(page.parent / shown_there, Path(made)):
                wrong.append(f"{page.name}:{block.line}: {shown_there} is not as {made} is now")
        elif block.caption:
            Path(block.caption).write_text(block.body, encoding="utf-8")
    return wrong


@pytest.mark.parametrize("page", READ, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_a_page(page: Path, checkout: Path, printed: Capture) -> None:
    """What takes long, and what comes after it on the page, is left to the long test."""
    taken = [block for block in blocks(page) if block.runs]
    first_long = next((k for k, block in enumerate(taken) if block.long), len(taken))
    wrong = follow(page, taken[:first_long], printed)
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.long
@pytest.mark.parametrize(
    "page",
    [page for page in READ if any(block.long for block in blocks(page))],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_all_commands_of_a_page(page: Path, checkout: Path, printed: Capture) -> None:
    wrong = follow(page, [block for block in blocks(page) if block.runs], printed)
    assert not wrong, "\n\n".join(wrong)


def test_every_block_is_of_a_known_kind() -> None:
    """A command in a block of another kind would never be run."""
    for page in PAGES:
        for block in blocks(page):
            directive = block.language.startswith("{")
            known = {"console", "python", "toml", "csv", "json", "text", "diff", "math", "bibtex"}
            assert directive or block.language in known, f"{page}:{block.line}: {block.language}"
            assert block.language == "console" or "\n$ " not in "\n" + block.body


def test_the_table_of_policies_has_them_all() -> None:
    text = (ROOT / "docs" / "how-to" / "choose-a-policy.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([\w-]+)` \|.*\| (yes|no) \|$", text, re.M))
    assert {name: answer == "yes" for name, answer in rows.items()} == {
        name: name in POOLED for name in POLICIES
    }


@pytest.mark.parametrize(
    ("expected", "came", "right"),
    [
        ("one\ntwo", "one\ntwo\n", True),
        ("one\n...\nthree", "one\ntwo\nthree\n", True),
        ("...\nthree", "three\n", True),
        ("took ... s", "took 3.1 s\n", True),
        ("one  ", "one\n", True),
        ("one", "one\ntwo\n", False),
        ("1.25 GPUs", "1.26 GPUs\n", False),
        ("one\n...", "two\n", False),
    ],
)
def test_what_counts_as_shown(expected: str, came: str, right: bool) -> None:
    assert shown(expected, came) == right
