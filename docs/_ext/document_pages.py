"""The reference of the instance file and of the JSON documents, made from their schemas."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from gnr.schemas import DOCUMENTS, schema_of
from plain_words import words


def of_type(value: dict[str, Any]) -> str:
    """Return the type of a schema's property in a few words."""
    if "$ref" in value:
        return str(value["$ref"]).rsplit("/", 1)[1]
    if "const" in value:
        return repr(value["const"])
    if "enum" in value:
        return "one of " + ", ".join(f"{each}" for each in value["enum"])
    for key in ("anyOf", "oneOf"):
        if key in value:
            return " or ".join(of_type(each) for each in value[key])
    if value.get("type") == "array":
        return "list of " + of_type(value.get("items", {}))
    if value.get("type") == "object" and isinstance(value.get("additionalProperties"), dict):
        return "table of " + of_type(value["additionalProperties"])
    return str(value.get("type", "any"))


def limits(value: dict[str, Any]) -> str:
    """Return the range of a property, or nothing."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return ", ".join(f"{sign} {value[key]:g}" for key, sign in signs.items() if key in value)


class Document(SphinxDirective):
    """``document:: NAME``: a table of every object in a document, with types and meanings."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return what stands there."""
        schema = schema_of(self.arguments[0])
        found: list[nodes.Node] = [*self._object(schema)]
        for name, one in schema.get("$defs", {}).items():
            if one.get("properties"):
                found += [nodes.rubric(text=name), *self._object(one)]
        return found

    def _object(self, schema: dict[str, Any]) -> list[nodes.Node]:
        fields = nodes.definition_list()
        for name, value in schema.get("properties", {}).items():
            item = nodes.definition_list_item()
            self.set_source_info(item)
            item += nodes.term("", "", nodes.literal(text=name))
            said = [of_type(value), limits(value)]
            if name not in schema.get("required", []):
                said.append("optional")
            item += nodes.classifier("", ", ".join(each for each in said if each))
            meaning = words(value.get("description", ""))
            item += nodes.definition("", nodes.paragraph("", "", *meaning))
            fields += item
        about = schema.get("description", "").split("\n\n")[0]
        return [nodes.paragraph("", "", *words(about)), fields]


class Documents(SphinxDirective):
    """``documents``: one section for every JSON document but the instance."""

    def run(self) -> list[nodes.Node]:
        """Return what stands there."""
        made = []
        for name in DOCUMENTS:
            if name == "instance":
                continue
            section = nodes.section(ids=[f"json-{name}"], names=[f"json-{name}"])
            self.state.document.note_explicit_target(section)
            section += nodes.title("", "", nodes.literal(text=f"{name}.json"))
            schema = schema_of(name)
            about = schema.get("description", "").split("\n\n")[0]
            section += nodes.paragraph("", "", *words(about))
            made.append(section)
        return made


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives."""
    app.add_directive("document", Document)
    app.add_directive("documents", Documents)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
