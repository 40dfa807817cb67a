"""The pages as the tests read them: every block of code, in order, and what it is for.

A block of the language ``console`` holds commands after ``$ `` and below each what it prints, a
line ``...`` for any lines left out and ``...`` within a line for what differs from run to run.
``{code-block}`` with a ``:caption:`` is a file, ``diff`` a change to files, ``python`` code that
runs after what stood before it on the page. A comment before a block says what is special:
``<!-- long -->`` that it takes long, ``<!-- not run: WHY -->`` that no test can run it,
``<!-- made as FILE -->`` what the commands before it wrote, where the block shows a picture.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_BLOCK = re.compile(
    r"(?:<!-- (?P<remark>[^\n]*?) -->\n)?"
    r"^(?P<indent> *)(?P<fence>```+)(?P<language>[^\n`]*)\n(?P<body>.*?)^(?P=indent)(?P=fence)$",
    re.M | re.S,
)


@dataclass(frozen=True)
class Block:
    """One block of code of a page."""

    language: str
    body: str
    line: int
    caption: str = ""
    remark: str = ""

    @property
    def long(self) -> bool:
        return self.remark == "long"

    @property
    def runs(self) -> bool:
        return not self.remark.startswith("not run: ")

    @property
    def picture(self) -> tuple[str, str] | None:
        """The picture that the block shows, from the page's folder, and the file it is made as."""
        if not self.remark.startswith("made as "):
            return None
        return self.language.removeprefix("{figure}").strip(), self.remark[len("made as ") :]

    def commands(self) -> Iterator[tuple[str, str]]:
        """Yield each command of a console block, and what it is to print."""
        parts = re.split(r"^\$ ", self.body, flags=re.M)
        assert not parts[0].strip(), f"line {self.line}: output without a command"
        for part in parts[1:]:
            lines = part.split("\n")
            last = next(k for k, line in enumerate(lines) if not line.endswith("\\"))
            yield "\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :]).rstrip("\n")


def blocks(page: Path) -> list[Block]:
    """Return the blocks of code of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [_block(found, text) for found in _BLOCK.finditer(text)]


def _block(found: re.Match[str], text: str) -> Block:
    indent = len(found["indent"])
    body = "".join(line[indent:] + "\n" for line in found["body"].splitlines())
    language = found["language"].strip().removeprefix("{code-block}").strip()
    caption = re.match(r":caption: (.*)\n+", body)
    if caption:
        body = body[caption.end() :]
    line = text[: found.start("language")].count("\n") + 1
    return Block(language, body, line, caption[1] if caption else "", found["remark"] or "")


def shown(expected: str, printed: str) -> bool:
    """Return whether what was printed is what a page shows of it."""
    pattern = ""
    for line in expected.splitlines():
        if line.strip() == "...":
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += "[^\n]*".join(map(re.escape, line.rstrip().split("..."))) + "\n"
    plain = "".join(line.rstrip() + "\n" for line in printed.splitlines())
    return re.fullmatch(pattern, plain) is not None
