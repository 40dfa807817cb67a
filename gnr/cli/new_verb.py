"""``gnr new``: a commented template to start from."""

import os
import shlex
import textwrap
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gnr.cli.console import ExitCode, note
from gnr.errors import InputError, Problem

if TYPE_CHECKING:
    from gnr.slis.indicator import Indicator

TEMPLATE = """\
# A cluster of equal GPUs, its workload and its prices. Check it with `gnr check`, solve it
# with `gnr solve`. Every number is a mean; times are in seconds.
schema_version = 1
name = "{name}"
title = "One line that says what this is"
source = "Where the numbers come from"
notes = ""

[gpu]
batch_slots = 32                  # requests one GPU can hold, the one in prefill included
chunk_tokens = 512                # prompt tokens processed per iteration
# replica_gpus = 8                # GPUs that serve as one, if "a GPU" here is a replica of several

[gpu.iteration_time]              # seconds; measure these on your own engine
base = 0.0115                     # mixed iteration, extrapolated to an empty chunk
per_chunk_token = 7.4e-5          # added per prompt token of the chunk
decode_only = 0.0163              # iteration of a GPU that only decodes

# [gpu.cost]                      # for sizing, as replica_gpus; no plan depends on either
# per_hour = 2.5                  # money per hour of one physical GPU

[prices]                          # money per token
scheme = "bundled"                # "bundled": paid when a request finishes; "separate": by phase
prompt_token = 0.05e-6
output_token = 0.25e-6

# One table per class of requests that are alike in length and patience.
[[classes]]
name = "chat"
prompt_tokens = 330               # mean prompt length
output_tokens = 110               # mean output length
arrival_rate = 1.8                # requests per second and per GPU
patience_rate = 0.05              # 1/s at which a waiting request leaves; 0 = never

[[classes]]
name = "summaries"
prompt_tokens = 2650
output_tokens = 80
arrival_rate = 1.0
patience_rate = 0.05

# Promises are optional; without them revenue is maximised freely. One table for each; the kinds
# are listed below. Remove the first # of each line of a table to make it count.
# [[slis]]
# kind = "token_tpot"             # what is promised
# at_most = 0.03                  # exactly one of at_most, at_least, penalty_weight
# class = "chat"                  # for kinds about a class; absent: the whole cluster
# name = "speed"                  # key in results; absent: the kind, or kind:class
#
# Times are in seconds. A promised wait or time to the first token can be met by starting prompts
# whose answers then wait: promise the end as well (mean_end_to_end, abandonment_fraction), or
# that nobody waits to decode (empty_decode_buffer at most 0).
#
{kinds}
"""


def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")],
) -> int:
    """Write a commented instance file to start from."""
    plain = unicodedata.normalize("NFKD", file.stem.lower()).encode("ascii", "ignore").decode()
    name = "".join(c if c.isalnum() else "-" for c in plain)
    slug = "-".join(part for part in name.split("-") if part) or "my-cluster"
    from gnr.reading import is_path

    try:
        with file.open("x", encoding="utf-8") as stream:
            stream.write(TEMPLATE.format(name=slug, kinds=_kinds()))
    except FileExistsError as error:
        raise _refusal(file, "exists already", "choose another name") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _refusal(file, f"cannot be written: {reason}", "choose another place") from error
    # A bare name without .toml would be taken for a shipped instance.
    path = str(file) if is_path(str(file)) else f".{os.sep}{file}"
    note(f"wrote {file}; next: gnr check {shlex.quote(path)}")
    return ExitCode.DONE


def _kinds() -> str:
    """Return a comment with a line or two on every kind of promise."""
    from gnr.slis import INDICATORS

    def wrap(each: "Indicator") -> str:
        about = " or ".join("a class" if scope == "class" else "all" for scope in each.scopes)
        bounds = " or ".join(each.directions)
        text = f"{each.kind:<22}{each.title}; {each.unit}, {bounds}, of {about}"
        return textwrap.fill(
            text, 99, initial_indent="# ", subsequent_indent="# " + 22 * " ",
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip

    return "\n".join(map(wrap, INDICATORS.values()))


def _refusal(file: Path, message: str, remedy: str) -> InputError:
    return InputError([Problem("new-file", str(file), "", message, remedy)])
