"""Every name and number that a report takes for granted is explained on it, and only those."""

import json
import re

from made_up_reproduction import claim, experiment, made_up

from gnr.report.page import page_of
from gnr.report.terms import Term, all_terms, terms_in
from gnr.validation.studies.reproduction.ablation import POLICIES
from gnr.validation.studies.reproduction.effort import QUICK
from gnr.validation.studies.reproduction.outline import judged, read_claims
from gnr.validation.studies.reproduction.registry import REBUILDS

NUMBERED = r"\([PDU]\d+\)|\(10[a-l]\)|10\.\d\(\w\)"
"""Equations of the paper and of this project, and its decisions."""

GREEK = ("alpha", "beta", "gamma", "kappa", "tau", "eta")


def told() -> str:
    """Return what the claims say, and the quantities of the experiments that run nothing."""
    unrun = [name for name in REBUILDS if not REBUILDS[name].parts(QUICK)]
    found = [judged(name, REBUILDS[name].measured({}, QUICK)) for name in unrun]
    return json.dumps(read_claims()) + "".join(each.model_dump_json() for each in found)


def test_equations_symbols_and_policies_are_explained() -> None:
    names = {name for each in all_terms() for name in each.names}
    text = told()
    assert set(re.findall(NUMBERED, text)) <= names
    assert {each for each in GREEK if Term((each,), "").occurs_in(text)} <= names
    assert set(POLICIES.values()) <= names


def test_no_name_is_explained_twice() -> None:
    names = [name for each in all_terms() for name in each.names]
    assert len(set(names)) == len(names)


def test_names_are_found_as_words_of_their_own() -> None:
    def found(text: str) -> list[str]:
        return [each.names[0] for each in all_terms() if each.occurs_in(text)]

    assert found("FG-SP, (P40) and R2 with B = 16") == ["B", "(P40)", "FG-SP", "R2"]
    assert found("Bad GG-SPs at P40 in R25") == []


def test_what_explains_a_term_is_explained_too() -> None:
    found = terms_in("GI-WSP")
    told = " ".join(each.says for each in found)
    assert {"FI-WSP", "GI-WSP"} <= {each.names[0] for each in found}
    assert [each for each in all_terms() if each.occurs_in(told) and each not in found] == []


def test_a_page_explains_what_stands_on_it() -> None:
    some = claim("alpha", "confirmed").model_copy(update={"says": "GI-WSP beats FI-WSP."})
    page = page_of(made_up().model_copy(update={"experiments": (experiment("a", (), some),)}))
    assert page.index("Terms and names") < page.index("<dt>FI-WSP</dt>")
    assert "<dt>GI-WSP</dt>" in page
    assert "<dt>FG-SP</dt>" not in page
