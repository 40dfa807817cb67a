"""The report: one page that holds everything, is well-formed, and takes texts as texts."""

import base64
import re
from collections import Counter
from functools import cache
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

from made_up_reproduction import MARKUP, claim, experiment, made_up

from gnr.report import write_report
from gnr.report.page import page_of
from gnr.reproduction import Condition, Reproduction
from gnr.reproduction_words import (
    bound_text,
    caution_text,
    command_of,
    description_of,
    interval_text,
    name_of,
    value_text,
)

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Outline(HTMLParser):
    """What a page is made of; an end tag that ends something else is an error."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text.append(data)

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


@cache
def page() -> str:
    return page_of(made_up())


@cache
def outline() -> Outline:
    return Outline(page())


def words() -> str:
    return " ".join(" ".join(outline().text).split())


def test_the_page_is_well_formed_and_its_links_lead_somewhere() -> None:
    found = outline()
    assert page().startswith("<!DOCTYPE html>\n")
    assert not found.open
    assert found.all("html") == [{"lang": "en"}]
    assert len(found.all("title")) == len(found.all("h1")) == len(found.all("main")) == 1
    ids = Counter(each["id"] for _, each in found.tags if "id" in each)
    assert set(ids.values()) == {1}
    links = {each["href"] for each in found.all("a")}
    assert {each[1:] for each in links if each} <= set(ids)
    labels = {each["aria-labelledby"] for _, each in found.tags if "aria-labelledby" in each}
    assert labels <= set(ids)


def test_headings_leave_out_no_level() -> None:
    levels = [int(tag[1]) for tag, _ in outline().tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_every_claim_is_there_with_its_bounds_and_every_quantity_with_its_interval() -> None:
    text = words()
    for each in made_up().experiments:
        assert f"{name_of(each.name)}: {each.title}" in text
        for one in each.quantities:
            assert " ".join(one.words.split()) in text
            assert f"{value_text(one)} {interval_text(one)}" in text
        for one in each.claims:
            assert one.says in text
            assert f"{one.source}" in text
            assert f"Why these bounds: {one.reason}" in text
            for condition in one.conditions:
                assert bound_text(condition, each.quantity(condition.quantity)) in text
        assert all(choice in text for choice in each.choices)
        assert all(warning in text for warning in each.warnings)
    assert command_of(made_up()) in text


def test_claims_that_fail_are_told_before_all_experiments_with_their_numbers() -> None:
    text = words()
    begin = text.index("Where the paper's claims fail")
    failing = text[begin : text.index("What could not be settled", begin)]
    told = [failing.index(f"that {name} is so") for name in ("gamma", "eta", "epsilon")]
    assert told == sorted(told)
    assert "that delta is so" not in failing
    assert failing.count("3.863 % (3.801 to 3.926); required: at most 1 %") == 3
    assert "at most 5 %" not in failing, "bounds that are kept are told with the claim"
    assert "data not public on what is public: ✗ not confirmed" in failing


def test_a_claim_that_rests_on_a_value_without_interval_says_so() -> None:
    bound = Condition(quantity="unrepeated", direction="at_least", bound=0.99, met="yes")
    bare = claim("alpha", "confirmed").model_copy(update={"conditions": (bound,)})
    new = (experiment("figure3", (), bare),)
    text = Outline(page_of(made_up().model_copy(update={"experiments": new}))).text
    assert caution_text(bare, new[0]) in text
    assert "so the value alone decides" not in words()


def test_where_single_claims_have_a_limit_the_verdict_tells_both() -> None:
    mixed = experiment(
        "figure12", (), claim("eta", "partly"), claim("theta", "confirmed", "data not public")
    )
    assert mixed.verdicts == ("partly", "data not public")
    text = Outline(page_of(made_up().model_copy(update={"experiments": (mixed,)}))).text
    told = " ".join(" ".join(text).split())
    assert told.count("◐ partly some claims: ∅ data not public") == 2, "overview and section"


def test_where_nothing_fails_the_page_says_so() -> None:
    good = experiment("figure2", (), claim("alpha", "confirmed"))
    text = page_of(made_up().model_copy(update={"experiments": (good,)}))
    assert "No claim fails." in text
    assert "What could not be settled" not in text


def test_texts_are_taken_as_texts() -> None:
    assert MARKUP not in page()
    assert not outline().all("script")
    assert unescape(page()).count(MARKUP) == 2 * len(made_up().experiments)


def test_nothing_is_loaded_from_elsewhere() -> None:
    found = outline()
    addresses = [each[key] for _, each in found.tags for key in ("src", "srcset", "href", "data")
                 if key in each]  # fmt: skip
    assert all(each is not None and each.startswith(("data:", "#")) for each in addresses)
    assert not re.search(r"https?:|url\(|@import", page())


def test_every_picture_is_inside_twice_with_words_and_every_figure_has_a_caption() -> None:
    found = outline()
    panels = [panel for each in made_up().experiments for panel in each.panels]
    images = found.all("img")
    assert [each["class"] for each in images] == ["light", "dark"] * len(panels)
    assert [each["alt"] for each in images[::2]] == [description_of(each) for each in panels]
    for each in images:
        kind, _, data = str(each["src"]).partition(",")
        assert kind == "data:image/svg+xml;base64"
        assert base64.b64decode(data).startswith(b"<?xml")
    assert len(found.all("figure")) == len(found.all("figcaption")) == 3
    assert "Lines of figure7 should near the dashed one." in words()


def test_a_picture_without_intervals_is_not_said_to_have_them() -> None:
    def told(panels: tuple[Any, ...]) -> bool:
        some = experiment("figure2", panels, claim("alpha", "confirmed"))
        text = page_of(made_up().model_copy(update={"experiments": (some,)}))
        return "shaded bands are 99.8 % intervals" in text

    first, *_, scatter = (panel for each in made_up().experiments for panel in each.panels)
    exact = scatter.model_copy(update={"series": scatter.series[:1]})  # type: ignore[union-attr]
    assert told((first, exact))
    assert not told((exact,))


def test_backticks_become_code() -> None:
    some = claim("alpha", "confirmed").model_copy(update={"reason": "As `gnr <x>` asks."})
    new = (experiment("figure2", (), some),)
    text = page_of(made_up().model_copy(update={"experiments": new}))
    assert "As <code>gnr &lt;x&gt;</code> asks." in text


def test_the_same_reproduction_gives_the_same_bytes(tmp_path: Path) -> None:
    again = Reproduction.model_validate_json(made_up().to_json())
    path = write_report(again, tmp_path / "new")
    assert path == tmp_path / "new" / "report.html"
    assert path.read_text(encoding="utf-8") == page()
    assert path.stat().st_size < 1e6
