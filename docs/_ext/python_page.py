"""What the page of the Python names leaves out: the fields of documents, which have their own."""

from typing import Any

from pydantic import BaseModel
from sphinx.application import Sphinx


def _is_document(one: Any) -> bool:
    return isinstance(one, type) and issubclass(one, BaseModel)


def _without_fields(
    app: Sphinx, what: str, name: str, one: Any, *rest: Any
) -> tuple[str, str] | None:
    """Show documents by their name alone: their fields are in the reference of the files."""
    return ("", "") if _is_document(one) else None


def _methods_alone(
    app: Sphinx, what: str, name: str, one: Any, skip: bool, *rest: Any
) -> bool | None:
    """Leave out what is no function of a document, and what pydantic adds."""
    return True if what == "class" and not callable(one) and not isinstance(one, property) else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Hear what autodoc is about to show."""
    app.connect("autodoc-process-signature", _without_fields)
    app.connect("autodoc-skip-member", _methods_alone)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
