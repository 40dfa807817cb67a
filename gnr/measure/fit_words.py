"""What the instance file says of itself, and what should be known before a fit is used."""

import math
from collections.abc import Iterator, Sequence

from gnr.checks import warnings_for
from gnr.fit_result import Arrivals, FittedClass, FittedPlan, LogRead, PrefixCache
from gnr.instance import Instance
from gnr.measure.arrivals import WINDOWS_S
from gnr.measure.fit_request import DEFAULT_LIKE, FitRequest
from gnr.measure.log_blocks import FEWEST_BLOCKS
from gnr.measure.prefix_cache import MOST_BLOCKS

FEW_REQUESTS = 20
"""Requests of a class below which it is not to be trusted."""

MOST_NAMED = 5
"""Classes that a warning names."""

MANY_SET_ASIDE = 0.05
"""Share of the rows above which those set aside are warned of."""

DRIFT = 0.2
"""Change of the rate, as a share of its mean, from which a significant one is warned of."""

SURE = 0.001
"""Probability below which the tenths of a log are taken to differ."""

BURSTY = 1.5
"""Index of dispersion from which a significant one is warned of."""


def instance_texts(
    asked: FitRequest,
    base: Instance,
    read: LogRead,
    classes: Sequence[FittedClass],
    prefixes: PrefixCache | None,
    plan: FittedPlan,
) -> tuple[str, str, str]:
    """Return title, source and notes of the instance file."""
    file = printable(read.file)
    title = asked.title or f"Request classes of {file}: {len(classes)}"
    origin = f"{printable(asked.origin)}: " if asked.origin else ""
    span = "" if read.span_s is None else f" over {read.span_s:,.0f} s"
    where = f", rows with {' and '.join(map(printable, read.where))}" if read.where else ""
    source = (
        f"{origin}gnr fit of {file} (sha256 {read.sha256}): "
        f"{read.requests:,} requests{span}{where}; "
        f"k-means on log lengths, {len(classes)} classes, seed {asked.seed}. GPU and prices: "
        f"instance {base.name}, whose source says: {printable(base.source)}"
    )
    return printable(title), source, " ".join(_notes(asked, base, classes, prefixes, plan))


def printable(text: str) -> str:
    """Return a text on one line without control characters."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())


def _notes(
    asked: FitRequest,
    base: Instance,
    classes: Sequence[FittedClass],
    prefixes: PrefixCache | None,
    plan: FittedPlan,
) -> Iterator[str]:
    unchosen = " (the default)" if asked.like == DEFAULT_LIKE else ""
    yield f"Assumed: GPU, iteration times and prices are those of {base.name}{unchosen};"
    yield f"patience {asked.patience:g}/s for every class, since a log does not tell."
    if asked.gpus is not None:
        yield f"Rates are those in all over {asked.gpus:g} GPUs."
    else:
        yield (
            f"Rates are scaled so that their total is {plan.at_load:g} times what the linear "
            "program serves in full."
        )
        if plan.gpus is not None:
            yield f"That is the log on {plan.gpus:.6g} GPUs."
    if asked.rate is not None:
        yield f"The rate in all, {asked.rate:g} requests/s, was given and is not the log's."
    if asked.prefix_caching and prefixes is not None:
        yield (
            f"Prompt lengths are what an infinite prefix cache leaves of them, on average "
            f"{prefixes.effective_prompt_tokens:.6g} of {prefixes.prompt_tokens:.6g} tokens; "
            "prices are per token processed, so that cached tokens earn nothing."
        )
    lengths = ", ".join(f"{each.name} {each.output_law.ks_distance:.3f}" for each in classes)
    yield f"The model takes output lengths as exponential; KS distance to that law: {lengths}."


def warnings_of(
    asked: FitRequest,
    base: Instance,
    read: LogRead,
    classes: Sequence[FittedClass],
    arrivals: Arrivals | None,
    prefixes: PrefixCache | None,
    parts: int,
) -> Iterator[str]:
    """Yield what should be known before the numbers are used."""
    aside = read.without_output + read.without_prompt
    used = aside + read.requests
    if aside > MANY_SET_ASIDE * used:
        yield (
            f"{aside:,} of {used:,} rows ({aside / used:.0%}) are set aside because they have no "
            "output or no prompt: the rates are those of the others"
        )
    few = [each for each in classes if each.requests < FEW_REQUESTS]
    if few:
        told = ", ".join(f"{each.name} ({each.requests})" for each in few[:MOST_NAMED])
        more = f" and {len(few) - MOST_NAMED} more" if len(few) > MOST_NAMED else ""
        yield f"fewer than {FEW_REQUESTS} requests, so that means are guesses: {told}{more}"
    if read.in_order is False:
        yield "the rows are not in order of time; they are taken in order"
        if "hash_ids" in read.columns:
            yield "so it is not told what a prefix cache would save: that depends on the order"
    if parts < FEWEST_BLOCKS:
        yield f"too few requests for intervals: {read.requests:,}"
    if read.span_s is None:
        yield (
            "no arrival times were read, so that nothing is told of bursts and drift: if the log "
            "has them, say --column arrival=HEADER[:UNIT]"
        )
    if arrivals is not None:
        yield from arrival_warnings(arrivals)
    if prefixes is not None:
        yield from _of_prefixes(asked, prefixes)
    if base.slis:
        yield f"the promises of {base.name} are not taken over"
    yield from warnings_for(base)


def arrival_warnings(arrivals: Arrivals) -> Iterator[str]:
    """Yield in which ways requests came otherwise than at a steady rate, as Poisson arrivals."""
    if arrivals.resolution_s > WINDOWS_S[0]:
        yield (
            f"time stamps are {arrivals.resolution_s:g} s apart: shorter windows and the gaps "
            "between requests tell nothing"
        )
    bursts = [
        each
        for each in arrivals.dispersion
        if each.index > BURSTY and each.index > each.poisson_band.high
    ]
    if bursts:
        most = max(bursts, key=lambda each: each.index)
        yield (
            f"requests come in bursts: the counts in {most.window_s:g} s vary {most.index:.2g} "
            "times as much as Poisson counts, so that queues will be longer than simulated"
        )
    trend = arrivals.trend
    if trend is None:
        return
    sure = trend.band.low > 0 or trend.band.high < 0
    if sure and abs(trend.change) > DRIFT:
        yield (
            f"the rate drifts by {trend.change:+.0%} over the log ({trend.band.low:+.0%} to "
            f"{trend.band.high:+.0%}): one rate does not describe it"
        )
    elif trend.steady_probability < SURE and trend.spread > DRIFT:
        yield (
            f"the rate is not steady: tenths of the log differ by {trend.spread:.0%} of the mean, "
            "more than its bursts explain"
        )


def _of_prefixes(asked: FitRequest, prefixes: PrefixCache) -> Iterator[str]:
    saved = 1 - prefixes.effective_prompt_tokens / prefixes.prompt_tokens
    if not prefixes.complete:
        yield (
            f"only the first {MOST_BLOCKS:,} different blocks of prompts are remembered: later "
            "hits on others are missed, so that effective prompts are too long"
        )
    if not asked.prefix_caching and saved > 0 and not math.isclose(saved, 0.0, abs_tol=0.005):
        yield (
            f"a prefix cache would save up to {saved:.0%} of the prompt tokens; the instance has "
            "the full prompts: say --prefix-caching for the others"
        )
