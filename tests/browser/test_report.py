"""The report in a real browser: everything is there, nothing sticks out, all can be read."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_up_reproduction import LONG, made_up

from browser.devtools import Page, find_browser, open_page
from gnr.report import write_report
from gnr.reproduction import Reproduction
from gnr.validation.studies.reproduction.effort import QUICK
from gnr.validation.studies.reproduction.running import reproduce

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(find_browser() is None, reason="no Chromium here: run `make browser`"),
]

WIDTHS = (360, 768, 1280)

FLUID = ("figure8", "figure9", "figure10", "table1")
"""Experiments in which nothing is simulated: seconds."""

A4, MARGIN = (8.27, 11.69), 0.55
"""A sheet of paper and its margin, inches."""

FAULTS = (Path(__file__).parent / "faults.js").read_text(encoding="utf-8")

NONE: dict[str, list[Any]] = {
    "missing": [], "wide": [], "sticking out": [], "without caption": [], "without words": [],
    "hard to read": [],
}  # fmt: skip


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    browser = find_browser()
    assert browser is not None
    with open_page(browser) as found:
        yield found


@pytest.fixture(scope="module", params=["made up", "real"])
def shown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Reproduction:
    """Return what the report is about: all that may have to be shown, or what really comes out."""
    if request.param == "made up":
        return made_up()
    return reproduce(FLUID, QUICK, tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def report(shown: Reproduction, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(shown, tmp_path_factory.mktemp("report"))


def faults(page: Page) -> Any:
    return json.loads(page.evaluate(FAULTS))


def told(page: Page) -> list[dict[str, Any]]:
    """Return errors and warnings that the browser told, and what was loaded from elsewhere."""
    methods = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
    page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
    return [
        each
        for each in page.events
        if each["method"] in methods
        or (
            each["method"] == "Network.requestWillBeSent"
            and not each["params"]["request"]["url"].startswith(("file:", "data:"))
        )
    ]


def seen_images(page: Page) -> list[str]:
    """Return the classes of the images that can be seen."""
    found: list[str] = page.evaluate(
        "[...document.images].filter(each => each.offsetWidth).map(each => each.className)"
    )
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_everything_is_there_and_fits(
    page: Page, shown: Reproduction, report: Path, width: int, scheme: str
) -> None:
    page.show(report, width=width, scheme=scheme)
    assert faults(page) == NONE
    assert told(page) == []
    assert seen_images(page) == [scheme] * sum(len(each.panels) for each in shown.experiments)


def test_pictures_are_side_by_side_where_there_is_room(page: Page, report: Path) -> None:
    for width, most in ((360, 1), (1280, 2)):
        page.show(report, width=width, scheme="light")
        tops = "[...document.querySelectorAll('figure')[0].querySelectorAll('img.light')]"
        heights = page.evaluate(f"{tops}.map(each => Math.round(each.getBoundingClientRect().top))")
        assert max(heights.count(each) for each in heights) == most


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_printed_light_and_nothing_is_cut(page: Page, report: Path, scheme: str) -> None:
    """Laid out as on paper: the width between the margins of a sheet.

    What is kept together leaves room on sheets, but not half of what is printed.
    """
    page.show(report, width=round(96 * (A4[0] - 2 * MARGIN)), scheme=scheme)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.ask("Emulation.setEmulatedMedia", media="print", features=features)
    assert faults(page) == NONE
    assert set(seen_images(page)) == {"light"}
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    boxes = "[...document.querySelectorAll('.scroll')]"
    assert page.evaluate(f"{boxes}.every(each => each.scrollWidth <= each.clientWidth + 1)")
    sheets = page.evaluate("document.scrollingElement.scrollHeight") / 96 / (A4[1] - 2 * MARGIN)
    page.ask("Emulation.setEmulatedMedia", media="", features=features)
    printed = page.pdf(paperWidth=A4[0], paperHeight=A4[1])
    assert printed.startswith(b"%PDF")
    assert sheets <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 1.5 * sheets + 1


def test_a_keyboard_reaches_the_links_and_sees_where_it_is(
    page: Page, shown: Reproduction, report: Path
) -> None:
    page.show(report, width=768, scheme="light")
    key = {"key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9}
    seen = []
    for _ in range(4):
        for kind in ("keyDown", "keyUp"):
            page.ask("Input.dispatchKeyEvent", type=kind, **key)
        seen.append(page.evaluate(
            "[document.activeElement.getAttribute('href'),"
            " document.activeElement.getBoundingClientRect().top >= 0,"
            " getComputedStyle(document.activeElement).outlineStyle]"
        ))  # fmt: skip
    links = ["#main", *(f"#{each.name}" for each in shown.experiments)]
    assert seen == [[each, True, "solid"] for each in links[:4]]


def test_planted_faults_are_found(page: Page, tmp_path: Path) -> None:
    planted = (
        '<!DOCTYPE html><html lang="en"><title>planted</title><body style="margin: 0">'
        '<div style="width: 2000px">too wide</div>'
        f'<div id="narrow" style="width: 40px; white-space: nowrap">{LONG}</div>'
        '<figure><img src="data:image/png;base64,AAAA"></figure>'
        '<p style="color: #bbb">pale</p>'
        '<script>console.error("planted"); fetch("http://127.0.0.1:9/")</script></body></html>'
    )
    path = tmp_path / "planted.html"
    path.write_text(planted, encoding="utf-8")
    page.show(path, width=360, scheme="light")
    found = faults(page)
    assert all(found.values()), found
    methods = {each["method"] for each in told(page)}
    assert {"Runtime.consoleAPICalled", "Network.requestWillBeSent"} <= methods
