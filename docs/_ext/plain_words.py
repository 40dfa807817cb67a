"""Text of docstrings and schemas as nodes: options and what stands in backticks are code."""

import re

from docutils import nodes


def words(text: str) -> list[nodes.Node]:
    """Return text in one paragraph's worth of nodes; ``:math:`` keeps its formula."""
    made: list[nodes.Node] = []
    parts = re.split(r"(:math:`[^`]+`|`+[^`]+`+|--[a-z][a-z-]*)", " ".join(text.split()))
    for part in parts:
        if part.startswith(":math:"):
            latex = part[7:-1]
            made.append(nodes.math(latex, latex))
        elif part.startswith(("`", "--")):
            made.append(nodes.literal(text=part.strip("`")))
        elif part:
            made.append(nodes.Text(part))
    return made
