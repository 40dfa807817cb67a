"""The page of the commands, made from the commands themselves."""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from typer import Context
from typer.main import get_command

from gnr.cli.app import app as commands
from plain_words import words


class Commands(SphinxDirective):
    """``commands``: a section for every verb, with its usage, arguments and options."""

    def run(self) -> list[nodes.Node]:
        """Return what stands there."""
        group = get_command(commands)
        return [self._section(name, verb) for name, verb in group.commands.items()]

    def _section(self, name: str, verb: object) -> nodes.section:
        context = Context(verb, info_name=f"gnr {name}")
        section = nodes.section(ids=[f"gnr-{name}"], names=[f"gnr-{name}"])
        self.state.document.note_explicit_target(section)
        section += nodes.title("", "", nodes.literal(text=f"gnr {name}"))
        section += nodes.paragraph("", "", *words(verb.help))
        usage = verb.get_usage(context).removeprefix("Usage: ")
        section += nodes.literal_block(text=" ".join(usage.split()), language="text")
        records = [each.get_help_record(context) for each in verb.params]
        section += [self._options([each for each in records if each])]
        return section

    def _options(self, records: list[tuple[str, str]]) -> nodes.definition_list:
        options = nodes.definition_list()
        for left, right in records:
            item = nodes.definition_list_item()
            self.set_source_info(item)
            item += nodes.term("", "", nodes.literal(text=left))
            item += nodes.definition("", nodes.paragraph("", "", *words(right)))
            options += item
        return options


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
