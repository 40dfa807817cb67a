"""Figures of open data that stand in for the paper's; the project keeps them, not the data.

``python -m gnr.measure.open_data FOLDER > validation/studies/reproduction/open_data.json`` makes
them anew from a folder with the files named below.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gnr.arrays import Floats
from gnr.measure.block_bootstrap import BlockMarginals, Redraws, sums_by_block
from gnr.measure.iteration_times import read_iteration_times
from gnr.measure.length_grid import upper_ends
from gnr.measure.length_laws import KL_BINS, Marginal, describe, divergence
from gnr.measure.line_fit import Line, fit_line, ordinary_line
from gnr.measure.request_logs import open_log
from gnr.measure.table_heads import read_head
from gnr.validation.studies.reproduction.effort import SEED
from gnr.validation.studies.reproduction.open_figures import (
    ChunkLine,
    Estimate,
    IterationCurve,
    OpenData,
    PromptThird,
    Source,
    TraceFigures,
)
from gnr.validation.studies.reproduction.outline import confidence
from gnr.validation.studies.reproduction.printed import CHUNK
from gnr.validation.studies.reproduction.quantities import RESAMPLES

BLOCK = 100
"""Consecutive requests that are drawn together."""

DECODES, CONTEXT = 15, 1024
"""The batch of the curves: with the chunk it fills the 16 slots of the base instance."""

CELLS = 10
"""Groups of equal size by prompt, and within each by output: a hundred cells."""

COARSE_BINS = 10
"""Bins of a second divergence: whether a verdict hangs on their number."""

SHARES = (*np.arange(0.98, 0.01, -0.02), 0.01, 0.005, 0.002, 0.001)
"""Shares of requests whose outputs are longer, for the picture of the law."""

TIMES = "profiling/derived_tau_mix.csv"

VIDUR = "linear layers: microsoft/vidur @ 7d47513; "
AICONFIGURATOR = "ai-dynamo/aiconfigurator @ 095f58a, A100-SXM4-80GB, vLLM 0.14.0"


@dataclass(frozen=True)
class Profile:
    """A curve in the table of iteration times: its words, and the values of two columns."""

    model: str
    timings: str
    where: tuple[str, str]
    origin: str
    licence: str


PROFILES = {
    f"{size}_{name}": Profile(words, timings, (f"model={model}", f"linear={name}"), origin, licence)
    for size, words, model in (
        ("8b", "Llama-3-8B on one A100", "Llama-3-8B"),
        ("34b", "CodeLlama-34B on two A100", "CodeLlama-34B"),
    )
    for name, timings, origin, licence in (
        ("vidur", "Vidur", f"{VIDUR}attention: {AICONFIGURATOR}", "MIT; Apache-2.0"),
        ("aic", "aiconfigurator", AICONFIGURATOR, "Apache-2.0"),
    )
}

LOGS = {
    "azure": (
        "Azure conversations",
        "traces/azure2023_conv.csv",
        "Azure/AzurePublicDataset @ b469a11, AzureLLMInferenceTrace_conv.csv (Patel et al., "
        "Splitwise, ISCA 2024)",
        "CC-BY-4.0",
    ),
    "mooncake": (
        "Mooncake conversations",
        "traces/mooncake_conversation.csv",
        "kvcache-ai/Mooncake @ 3b5a594, FAST25-release, conversation_trace.jsonl",
        "Apache-2.0",
    ),
    "arxiv": (
        "arXiv summaries",
        "traces/arxiv_summarization_lengths.csv",
        "microsoft/vidur @ 7d47513, arxiv_summarization_stats_llama2_tokenizer_filtered_v2.csv",
        "MIT",
    ),
}
"""Label, file, origin and licence by name."""


def make_open_data(folder: Path, resamples: int = RESAMPLES) -> OpenData:
    """Return the figures of the files in a folder.

    Raises
    ------
    InputError
        If a file is not there or cannot be read.
    """
    redraws = Redraws(BLOCK, resamples, SEED, confidence())
    return OpenData(
        confidence=redraws.confidence,
        resamples=resamples,
        block_requests=BLOCK,
        seed=SEED,
        curves={name: curve_of(folder, profile) for name, profile in PROFILES.items()},
        traces={name: _trace(folder, redraws, *words) for name, words in LOGS.items()},
    )


def curve_of(folder: Path, profile: Profile) -> IterationCurve:
    """Return one curve of the table of iteration times."""
    within = (f"decodes={DECODES}:{DECODES}", f"context={CONTEXT}:{CONTEXT}", "prefix=0:0")
    read = read_iteration_times([folder / TIMES], (), profile.where, within)
    order = np.argsort(read.times.chunk)
    chunk, seconds = read.times.chunk[order], read.times.seconds[order]
    planned = chunk >= CHUNK
    (digest,) = read.digests.values()
    return IterationCurve(
        model=profile.model,
        timings=profile.timings,
        source=Source(file=TIMES, sha256=digest, origin=profile.origin, licence=profile.licence),
        decodes=DECODES,
        context_tokens=CONTEXT,
        chunk_tokens=_short(chunk),
        seconds=_short(seconds),
        line=_line(ordinary_line(chunk, seconds)),
        planning_line=_line(fit_line(chunk[planned], seconds[planned])),
    )


def _line(line: Line) -> ChunkLine:
    base, slope, r_squared, error = _short(
        [line.base, line.per_chunk_token, line.r_squared or 0.0, line.worst[0]]
    )
    return ChunkLine(base=base, per_chunk_token=slope, r_squared=r_squared, max_error=error)


def _trace(
    folder: Path, redraws: Redraws, label: str, file: str, origin: str, licence: str
) -> TraceFigures:
    log = open_log(read_head(folder / file))
    lengths = [np.stack([each.prompt, each.output], axis=1) for each in log.requests()]
    prompt, output = np.concatenate(lengths).T
    source = Source(file=file, sha256=str(log.table.sha256), origin=origin, licence=licence)
    return figures_of(prompt, output, redraws, label, source)


def figures_of(
    prompt: Floats, output: Floats, redraws: Redraws, label: str, source: Source
) -> TraceFigures:
    """Return the figures of a log; lengths in tokens, shape ``(requests,)``, in its order."""
    times = redraws.times(len(prompt))
    law = _law(BlockMarginals(output, np.full(len(output), True), BLOCK), times, redraws)
    cells = _cells(prompt, output)
    longer = np.quantile(output, 1 - np.array(SHARES), method="inverted_cdf")
    at = np.unique(longer)
    return TraceFigures(
        label=label,
        source=source,
        requests=len(prompt),
        **_ratios(prompt, output, times, redraws),
        **law,
        thirds=_thirds(prompt, output, times, redraws),
        cell_prompts=_short(cells[:, 0]),
        cell_outputs=_short(cells[:, 1]),
        longer_than=_short(at),
        shares=_short([float((output > each).mean()) for each in at]),
    )


def _ratios(prompt: Floats, output: Floats, times: Floats, redraws: Redraws) -> dict[str, Estimate]:
    """Return means and their ratio, and the share of requests with the longer output."""
    one = np.ones(len(prompt))
    columns = np.stack([one, prompt, output, output > prompt], axis=1)
    blocks = sums_by_block(columns, redraws.requests)
    found = {}
    for name, above, below in (
        ("prompt_mean", 1, 0),
        ("output_mean", 2, 0),
        ("output_over_prompt", 2, 1),
        ("output_longer", 3, 0),
    ):
        total, drawn = columns.sum(axis=0), times @ blocks
        value = float(total[above] / total[below])
        found[name] = _estimate(value, drawn[:, above] / drawn[:, below], redraws)
    return found


def _law(lengths: BlockMarginals, times: Floats, redraws: Redraws) -> dict[str, Estimate]:
    """Return what tells the law of lengths from the exponential, by name."""
    drawn = [_law_figures(each) for each in lengths.drawn(times)]
    whole = lengths.whole()
    biases = {"divergence": _bias(whole, KL_BINS), "coarse_divergence": _bias(whole, COARSE_BINS)}
    return {
        name: _estimate(
            value, np.array([each[name] for each in drawn]), redraws, biases.get(name, 0.0)
        )
        for name, value in _law_figures(whole).items()
    }


def _law_figures(lengths: Marginal) -> dict[str, float]:
    law = describe(lengths)
    beyond = lengths.requests[upper_ends() > 3 * law.mean].sum() / lengths.requests.sum()
    return {
        "divergence": _divergence(lengths, KL_BINS),
        "coarse_divergence": _divergence(lengths, COARSE_BINS),
        "ks_distance": law.ks_distance,
        "squared_cv": law.squared_cv,
        "beyond_three_means": float(beyond),
    }


def _divergence(lengths: Marginal, bins: int) -> float:
    found = divergence(lengths, bins)
    assert found is not None, "a log of thousands"
    return found


def _bias(lengths: Marginal, bins: int) -> float:
    """Return what sampling adds to the plain estimate of a divergence, to the first order."""
    return float((bins - 1) / (2 * lengths.requests.sum()))


def _thirds(
    prompt: Floats, output: Floats, times: Floats, redraws: Redraws
) -> tuple[PromptThird, PromptThird, PromptThird]:
    """Return the requests with short, middle and long prompts."""
    ends = np.quantile(prompt, (1 / 3, 2 / 3, 1), method="inverted_cdf")
    third = np.searchsorted(ends, prompt)
    short, middle, long = (
        _prompt_third(float(ends[k]), BlockMarginals(output, third == k, BLOCK), times, redraws)
        for k in range(3)
    )
    return short, middle, long


def _prompt_third(
    longest_prompt: float, lengths: BlockMarginals, times: Floats, redraws: Redraws
) -> PromptThird:
    whole = lengths.whole()
    drawn = np.array([_divergence(each, KL_BINS) for each in lengths.drawn(times)])
    return PromptThird(
        longest_prompt=longest_prompt,
        requests=int(whole.requests.sum()),
        divergence=_estimate(_divergence(whole, KL_BINS), drawn, redraws, _bias(whole, KL_BINS)),
    )


def _cells(prompt: Floats, output: Floats) -> Floats:
    """Return medians of prompt and output in cells of equal size, shape ``(cells, 2)``."""
    found = []
    for some in np.array_split(np.lexsort((output, prompt)), CELLS):
        by_output = some[np.argsort(output[some], kind="stable")]
        found += [
            (np.median(prompt[each]), np.median(output[each]))
            for each in np.array_split(by_output, CELLS)
        ]
    return np.array(found)


def _estimate(value: float, drawn: Floats, redraws: Redraws, bias: float = 0.0) -> Estimate:
    low, high = redraws.interval(drawn, bias)
    value, low, high = _short([value, max(low, 0.0), high])
    return Estimate(value=value, low=low, high=high)


def _short(values: Sequence[float] | Floats) -> tuple[float, ...]:
    """Return values with six digits: enough, and the same on every machine."""
    return tuple(float(f"{each:.6g}") for each in values)


def main() -> None:
    """Print the figures of a folder as the document that is kept."""
    parser = argparse.ArgumentParser(prog="python -m gnr.measure.open_data")
    parser.add_argument("folder", type=Path, help="where the files of the open data are")
    print(make_open_data(parser.parse_args().folder).model_dump_json(indent=1))


if __name__ == "__main__":
    main()
