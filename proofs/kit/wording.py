"""How SymPy's output is shown to readers: formulas as LaTeX, evidence as plain text."""

import re
from typing import Any

import sympy as sp

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "eta": "η",
    "theta": "θ", "kappa": "κ", "lambda": "λ", "mu": "μ", "nu": "ν", "phi": "φ", "rho": "ρ",
    "sigma": "σ", "tau": "τ", "xi": "ξ",
}  # fmt: skip

SIGNS = (("**", "^"), ("->", "→"), (">=", "≥"), ("<=", "≤"))


def formula(relation: Any) -> str:
    """Return a relation as LaTeX, stars and commas of indices in their places."""
    text = sp.latex(relation)
    text = re.sub(r"_\{(\w*?) ?star ?(\w*)\}", _starred, text)
    text = re.sub(r"\b([A-Z])star\b", r"\1^\\star", text)
    text = re.sub(r"_\{([a-z]+) ([a-z])\}", r"_{\1,\2}", text)
    return re.sub(r"^Re\b", r"\\operatorname{Re}\\lambda", text)


def _starred(index: re.Match[str]) -> str:
    inner = ",".join(part for part in index.groups() if part)
    return f"_{{{inner}}}^\\star"


def readable(line: str) -> str:
    """Return a line of evidence with Greek letters and signs in place of SymPy's words."""
    for written, shown in SIGNS:
        line = line.replace(written, shown)
    line = re.sub(r"(?<=\d)\*(?=[a-zA-Z])", " ", line)
    line = re.sub(r"\bt\*(?=[a-z])", "t ", line)
    words = "|".join(GREEK)
    line = re.sub(rf"(?<![A-Za-z])({words})hat(?![a-z])", lambda m: GREEK[m[1]] + "\u0302", line)
    return re.sub(rf"(?<![A-Za-z])({words})(?![A-Za-z])", lambda m: GREEK[m[1]], line)
