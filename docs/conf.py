"""How Sphinx builds these pages: `make docs`, every warning an error."""

import sys
from pathlib import Path

from gnr._version import __version__

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "gnr"
author = "the authors of gnr"
release = version = __version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "mathml",
    "kept_results",
    "statistical_suite",
    "command_pages",
    "document_pages",
    "formula_pages",
    "evaluation_page",
    "ledger_page",
    "python_page",
]
exclude_patterns = ["_ext"]
nitpicky = True
# Types of other packages and of our own insides, as they stand in signatures: no page is theirs.
nitpick_ignore_regex = [("py:.*", ".*")]
suppress_warnings = ["myst.header"]  # the ledger's headings are its own

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_fence_as_directive = ["math"]
myst_heading_anchors = 3

default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"gnr {release}"
html_static_path = ["_static"]
html_css_files = ["gnr.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_copyright = False
html_math_renderer = "mathml"
templates_path = []
