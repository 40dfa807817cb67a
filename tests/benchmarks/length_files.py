"""Lengths drawn from real traces as the CSV files that `--lengths` reads; data are not kept here.

Each request of the Azure conversation trace goes to the class whose mean is nearest in logarithms
of both lengths. The two classes of the base instance take the shapes of the Azure requests with
long answers and of the arXiv summaries; `gnr` scales every list to the means of its class.

    python tests/benchmarks/length_files.py DATA_FOLDER OUTPUT_FOLDER
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from gnr.reading import load

Lengths = np.ndarray[tuple[int, int], np.dtype[np.float64]]

LONG_ANSWER = "long-answer"


def read(path: Path, prompt: str, output: str) -> Lengths:
    """Return prompt and output lengths, tokens, shape ``(requests, 2)``; both positive."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(float(row[prompt]), float(row[output])) for row in csv.DictReader(file)]
    lengths = np.array(rows)
    return lengths[(lengths > 0).all(axis=1)]


def by_class(lengths: Lengths, instance: str) -> dict[str, Lengths]:
    """Return the requests nearest to each class of a shipped instance."""
    classes = load(instance).classes
    means = np.log([[each.prompt_tokens, each.output_tokens] for each in classes])
    nearest = ((np.log(lengths)[:, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    return {each.name: lengths[nearest == i] for i, each in enumerate(classes)}


def write(path: Path, lists: dict[str, Lengths]) -> None:
    """Write the lists in the columns of `--lengths`."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("class", "prompt_tokens", "output_tokens"))
        for name, lengths in lists.items():
            table.writerows((name, *row) for row in lengths)
    for name, squared in described(lists):
        print(f"{path.name}: {name}: {squared}")


def described(lists: dict[str, Lengths]) -> Iterator[tuple[str, str]]:
    """Yield size and coefficients of variation of each list."""
    for name, lengths in lists.items():
        prompt, output = lengths.std(axis=0) / lengths.mean(axis=0)
        yield name, f"{len(lengths)} requests, cv of prompts {prompt:.2f}, of outputs {output:.2f}"


def main(data: Path, folder: Path) -> None:
    azure = read(data / "traces/azure2023_conv.csv", "ContextTokens", "GeneratedTokens")
    arxiv = read(
        data / "traces/arxiv_summarization_lengths.csv", "num_prefill_tokens", "num_decode_tokens"
    )
    conversation = by_class(azure, "azure-2023-conversation")
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "azure-trace.csv", conversation)
    shapes = {"decode-heavy": conversation[LONG_ANSWER], "prefill-heavy": arxiv}
    write(folder / "traces-by-shape.csv", shapes)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
