"""Options that the simulating verbs share, and how their text is read."""

from typing import Annotated

import typer

from gnr.errors import InputError, Problem

PolicyOption = Annotated[
    str | None,
    typer.Option(
        "--policy",
        help="gate-and-route, price-index-in-place, ... (a wrong name lists them all); by default "
        "the paper's for the instance's pricing, under promises sli-aware-general, which keeps "
        "the planned split.",
    ),
]
MixedGpusOption = Annotated[
    int | None,
    typer.Option(
        "--mixed-gpus",
        metavar="M",
        help="GPUs of the cluster that may prefill, as gnr size finds them; default: as planned.",
    ),
]
AccountOption = Annotated[
    str | None,
    typer.Option("--account", help="Count revenue bundled or separate; default: as priced."),
]
ReplicationsOption = Annotated[
    int, typer.Option("--replications", help="Independent runs, half from an empty cluster.")
]
WarmupOption = Annotated[
    float | None, typer.Option("--warmup", help="Simulated seconds thrown away; default: 8 times "
                               "the slowest time constant.")
]  # fmt: skip
HorizonOption = Annotated[
    float | None, typer.Option("--horizon", help="Simulated seconds measured in each run.")
]
PrecisionOption = Annotated[
    str | None,
    typer.Option(
        "--precision",
        help="Add runs until the revenue is known to within this share of the LP value, as in "
        "0.5%; exit 3 if that is not reached.",
    ),
]
MostOption = Annotated[
    int, typer.Option("--most-replications", help="Where --precision stops adding runs.")
]
SeedOption = Annotated[int, typer.Option("--seed", help="Seed of the random numbers.")]
EngineOption = Annotated[str, typer.Option("--engine", help="compiled, numpy or cupy.")]
FidelityOption = Annotated[
    str | None,
    typer.Option(
        "--fidelity",
        help="per-gpu: every GPU with its batch; pooled: the chain of counts of the theory.",
    ),
]
LengthsOption = Annotated[
    str,
    typer.Option(
        "--lengths",
        help="exponential, deterministic, lognormal:CV, or a CSV file with the columns "
        "class,prompt_tokens,output_tokens; the means stay those of the instance.",
    ),
]


def read_share(option: str, text: str | None) -> float | None:
    """Return ``0.5%`` or ``0.005`` as a number.

    Raises
    ------
    InputError
        If it is neither.
    """
    if text is None:
        return None
    try:
        number = float(text.strip().removesuffix("%"))
    except ValueError as error:
        raise InputError(
            [Problem("share", option, "", f"must be a share, got {text!r}", "write 0.5% or 0.005")]
        ) from error
    return number / 100 if text.strip().endswith("%") else number


def read_sizes(option: str, text: str) -> list[int]:
    """Return ``5,20,50`` as integers.

    Raises
    ------
    InputError
        If a part is no integer.
    """
    try:
        return [int(part.strip().replace("_", "")) for part in text.split(",") if part.strip()]
    except ValueError as error:
        raise InputError(
            [
                Problem(
                    "sizes", option, "", f"must be whole numbers of GPUs, got {text!r}", "say 5,20"
                )
            ]
        ) from error


def read_names(text: str) -> list[str]:
    """Return ``a,b,c`` as names."""
    return [part.strip() for part in text.split(",") if part.strip()]


def read_policies(text: str) -> str | list[str]:
    """Return ``all`` as it is and ``a,b,c`` as names."""
    return "all" if text.strip() == "all" else read_names(text)
