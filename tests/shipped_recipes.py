"""The commands that made the shipped instances of measured input; they need the data folder.

Run by ``tests/agree/test_shipped_instances.py``; with ``GNR_WRITE_INSTANCES=1`` it writes them.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROFILES = ROOT / "tests" / "data" / "shipped"

TIMES = ("profiling/derived_tau_mix.csv", "profiling/derived_tau_solo.csv")
A100 = ("--where", "model=Llama-3-8B", "--where", "linear=vidur", "--overhead", "0.001")
"""Operator timings of one A100, and the millisecond per step that they lack."""

LOGS = {
    "azure-2023-conversation": (
        "azure/azure-2023-conversation.toml",
        "traces/azure2023_conv.csv",
        "a100-llama-3-8b",
        ("--classes", "3", "--names", "short-prompt,long-answer,long-prompt",
         "--title", "Azure conversation trace of 2023, Llama-3-8B on A100",
         "--origin", "Azure LLM inference trace 2023, conversation (Azure/AzurePublicDataset, "
         "CC-BY-4.0; Patel et al., Splitwise, ISCA 2024)"),
        ("--decodes", "31", "--context", "1024", "--chunks", "256:4096"),
    ),
    "mooncake-conversation": (
        "mooncake/mooncake-conversation.toml",
        "traces/mooncake_conversation.csv",
        "a100-llama-3-8b-long",
        ("--classes", "3", "--names", "long-prompt,short-prompt,short-answer",
         "--title", "Mooncake conversation trace, Llama-3-8B on A100",
         "--origin", "Mooncake conversation trace (kvcache-ai/Mooncake, FAST25-release, "
         "Apache-2.0)"),
        (),
    ),
    "arxiv-summarization": (
        "arxiv/arxiv-summarization.toml",
        "traces/arxiv_summarization_lengths.csv",
        "a100-llama-3-8b",
        ("--classes", "3", "--names", "long-summary,short-summary,short-article",
         "--title", "Summaries of arXiv articles, Llama-3-8B on A100",
         "--origin", "arXiv summarization lengths (microsoft/vidur, processed traces, MIT)"),
        (),
    ),
}  # fmt: skip
"""Name: file, log, profile that it begins with, options of fit, batch at which it is calibrated.

Without a batch the instance is calibrated at the batch of its own plan.
"""


def make(name: str, data: Path, folder: Path, run: Callable[[Sequence[str]], int]) -> Path:
    """Run the commands of one instance and return the file that they wrote."""
    _, log, profile, options, batch = LOGS[name]
    template, times = PROFILES / f"{profile}.toml", [str(data / each) for each in TIMES]
    fit = ("fit", str(data / log), "--name", name, "--load", "1.1", *options)
    if not batch:  # classes first, since their plan sets the batch
        first = folder / "first"
        assert run([*fit, "--like", str(template), "--out", str(first)]) == 0
        source = first / f"{name}.toml"
        plain = source.read_text().replace(f'name = "{name}"', f'name = "{profile}"')
        template = folder / "template.toml"
        template.write_text(_with_source(plain, PROFILES / f"{profile}.toml"))
    calibrated = folder / "calibrated"
    calibrate = ("calibrate", *times, *A100, *batch, "--for", str(template))
    assert run([*calibrate, "--out", str(calibrated)]) == 0
    like = calibrated / f"{profile}.calibrated.toml"
    assert run([*fit, "--like", str(like), "--out", str(folder)]) == 0
    return folder / f"{name}.toml"


def _with_source(text: str, profile: Path) -> str:
    """Return an instance whose source is that of the profile: where GPU and prices are from."""
    source = next(line for line in profile.read_text().splitlines() if line.startswith("source"))
    lines = [source if line.startswith("source") else line for line in text.splitlines()]
    return "\n".join(lines) + "\n"
