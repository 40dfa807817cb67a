"""Links inside the repository lead somewhere. (Sphinx sees to the links between the pages.)"""

import re
from pathlib import Path

import pytest
from pages import ROOT

FILES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md"]
FILES += sorted((ROOT / "docs").rglob("*.md"))

LINK = re.compile(r"\[[^]\n]*(?:\n[^]\n]*)?\]\(([^)\s]+)\)")


def headings(file: Path) -> set[str]:
    """Return the anchors of a Markdown file: of its headings as GitHub makes them, and its own."""
    text = re.sub(r"^```.*?^```", "", file.read_text(encoding="utf-8"), flags=re.M | re.S)
    titles = re.findall(r"^#+ (.+)$", text, flags=re.M)
    made = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
    return made | set(re.findall(r"^\(([\w-]+)\)=$", text, flags=re.M))


def broken(file: Path) -> list[str]:
    """Return the links of a file that lead nowhere."""
    found = []
    text = re.sub(r"^```.*?^```", "", file.read_text(encoding="utf-8"), flags=re.M | re.S)
    for link in LINK.findall(text):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (file.parent / path) if path else file
        made_by_sphinx = target.parent.name == "reference" or target.name == "formulation.md"
        if not target.exists() or (
            anchor and not made_by_sphinx and anchor not in headings(target)
        ):
            found.append(link)
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(file: Path) -> None:
    assert not broken(file)


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A page\n[a](page.md#a-page) [b](other.md) [c](page.md#no) [d](http://x)\n")
    assert broken(page) == ["other.md", "page.md#no"]


def test_a_named_file_of_the_repository_is_there() -> None:
    """A path in backticks on a page, such as `tests/golden`, names something that exists."""
    folders = "docs|gnr|instances|models|proofs|tests|validation"
    for file in FILES:
        text = re.sub(r"^```.*?^```", "", file.read_text(encoding="utf-8"), flags=re.M | re.S)
        for path in re.findall(rf"`((?:{folders})/[\w./*-]+)`", text):
            assert list(ROOT.glob(path.rstrip("/"))), f"{file.name}: {path}"
