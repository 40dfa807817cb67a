"""The reference of the instance file and of the JSON documents, made from their schemas."""

from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from gnr.schemas import DOCUMENTS, schema_of
from plain_words import words

Schema = dict[str, Any]


def of_type(value: Schema) -> str:
    """Return the type of a schema's property in a few words."""
    if "$ref" in value:
        return name_of(value)
    if "const" in value:
        return repr(value["const"])
    if "enum" in value:
        return "one of " + ", ".join(str(each) for each in value["enum"])
    for key in ("anyOf", "oneOf"):
        if key in value:
            return " or ".join(of_type(each) for each in value[key])
    if "prefixItems" in value:
        return "list of " + ", ".join(of_type(each) for each in value["prefixItems"])
    if value.get("type") == "array":
        return "list of " + of_type(value.get("items", {}))
    if value.get("type") == "object" and isinstance(value.get("additionalProperties"), dict):
        return "table of " + of_type(value["additionalProperties"])
    return str(value.get("type", "any"))


def name_of(value: Schema) -> str:
    """Return the name of the definition that a property refers to."""
    return str(value["$ref"]).rsplit("/", 1)[1]


def limits(value: Schema) -> str:
    """Return the range of a property, or nothing."""
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return ", ".join(f"{sign} {value[key]:g}" for key, sign in signs.items() if key in value)


def about(schema: Schema) -> nodes.paragraph:
    """Return what a schema says of itself, its first paragraph."""
    return nodes.paragraph("", "", *words(schema.get("description", "").split("\n\n")[0]))


def fields_of(directive: SphinxDirective, schema: Schema, files: bool) -> nodes.definition_list:
    """Return the fields of an object; in `files` it is said which may be absent."""
    fields = nodes.definition_list()
    for name, value in schema.get("properties", {}).items():
        item = nodes.definition_list_item()
        directive.set_source_info(item)
        item += nodes.term("", "", nodes.literal(text=name))
        said = [of_type(value), limits(value)]
        if files and name not in schema.get("required", []):
            said = [said[0].removesuffix(" or null"), said[1], "optional"]
        item += nodes.classifier("", ", ".join(each for each in said if each))
        item += nodes.definition("", nodes.paragraph("", "", *words(value.get("description", ""))))
        fields += item
    return fields


def tables(schema: Schema, parts: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield heading and schema of every table of a TOML file, in the order of the file."""
    for name, value in schema.get("properties", {}).items():
        alternatives = [value, value.get("items", {}), *value.get("anyOf", [])]
        for each in alternatives:
            if "$ref" in each and parts[name_of(each)].get("properties"):
                place = f"{path}{name}"
                heading = f"[[{place}]]" if value.get("type") == "array" else f"[{place}]"
                yield heading, parts[name_of(each)]
                yield from tables(parts[name_of(each)], parts, f"{place}.")


class InstanceFile(SphinxDirective):
    """``instance-file``: the keys of every table, with types, ranges and meanings."""

    def run(self) -> list[nodes.Node]:
        """Return what stands there."""
        schema = schema_of("instance")
        found: list[nodes.Node] = [fields_of(self, schema, files=True)]
        for heading, one in tables(schema, schema["$defs"]):
            found += [
                nodes.rubric("", "", nodes.literal(text=heading)),
                about(one),
                fields_of(self, one, files=True),
            ]
        return found


class Documents(SphinxDirective):
    """``documents``: a section for every JSON document, and one for every part that they share."""

    def run(self) -> list[nodes.Node]:
        """Return what stands there."""
        schemas = {name: schema_of(name) for name in DOCUMENTS if name != "instance"}
        made = [self._section(f"json-{name}", name, one) for name, one in schemas.items()]
        parts: Schema = {}
        for document, schema in schemas.items():
            for name, part in schema.get("$defs", {}).items():
                if parts.setdefault(name, part) != part:
                    parts[f"{name} in {document}"] = part
        return made + [
            self._section(f"part-{name}", name, parts[name])
            for name in sorted(parts)
            if parts[name].get("properties")
        ]

    def _section(self, target: str, name: str, schema: Schema) -> nodes.section:
        section = nodes.section(ids=[nodes.make_id(target)], names=[target])
        self.state.document.note_explicit_target(section)
        section += nodes.title("", "", nodes.literal(text=name))
        section += [about(schema), fields_of(self, schema, files=False)]
        return section


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives."""
    app.add_directive("instance-file", InstanceFile)
    app.add_directive("documents", Documents)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
