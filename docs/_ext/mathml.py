"""Formulas as MathML, made while the pages are built: browsers show them without a network."""

import re
import unicodedata
from html import unescape

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

LETTERS = {"script": "SCRIPT", "double-struck": "DOUBLE-STRUCK", "bold": "BOLD"}
"""Variants that browsers take as letters of their own only."""


def mathml(latex: str, display: str) -> str:
    """Return the formula in MathML.

    Raises
    ------
    ValueError
        If a command is not known, and would be shown as it is typed.
    """
    known = latex.replace(r"\arg", r"\operatorname{arg}")
    text = convert(known, display=display)
    text = re.sub(r'<mi mathvariant="([a-z-]+)">(\w)</mi>', _letter, text)
    text = re.sub(r"<mi>(&#x0?2[17]\w\w;)</mi>", _relation, text)  # arrows, with room around them
    text = re.sub(r"\\([_{}#%&])", r"\1", text)
    if "\\" in text:
        raise ValueError(f"cannot show {latex!r}: {text[text.index(chr(92)) :][:20]!r}")
    return text


def _letter(found: re.Match[str]) -> str:
    variant, letter = found.groups()
    if variant not in LETTERS:
        return found.group()
    case = "CAPITAL" if letter.isupper() else "SMALL"
    for name in (
        f"MATHEMATICAL {LETTERS[variant]} {case} {letter}",
        f"{LETTERS[variant]} {case} {letter}",
    ):
        try:
            return f"<mi>{unicodedata.lookup(name.upper())}</mi>"
        except KeyError:
            continue
    return found.group()


def _relation(found: re.Match[str]) -> str:
    sign = unescape(found.group(1))
    return f"<mo>{sign}</mo>" if unicodedata.category(sign) == "Sm" else found.group()


def _inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def _block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="formula"))
    self.body.append(mathml(node.astext(), "block"))
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the renderer."""
    app.add_html_math_renderer(
        "mathml", inline_renderers=(_inline, None), block_renderers=(_block, None)
    )
    return {"parallel_read_safe": True, "parallel_write_safe": True}
