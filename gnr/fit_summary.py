"""The terminal summary of `gnr fit`."""

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from gnr.fit_result import Arrivals, Band, Banded, Dispersion, Fit, LengthLaw, LogRead
from gnr.measure.fit_request import DEFAULT_LIKE
from gnr.summary_table import narrow_table

UNITS_OF_TIME = ("s", "ms", "us", "ns")


def summarize_fit(result: Fit) -> Any:
    """Return the summary of a fit as a rich renderable."""
    parts: list[Any] = [Text(_heading(result), style="bold")]
    parts += [Text(line) for line in read_sentences(result.log)]
    parts += [_class_table(result), *_cached_table(result), _law_table(result)]
    parts.append(Text(_choice_sentence(result)))
    if result.arrivals is not None:
        parts += [Text(line) for line in arrival_sentences(result.arrivals)]
    parts += [Text(line) for line in prefix_sentences(result)]
    parts += [Text(line) for line in plan_sentences(result)]
    parts.append(Text(_interval_sentence(result)))
    return Group(*parts)


def _heading(result: Fit) -> str:
    count = len(result.classes)
    what = "1 class" if count == 1 else f"{count} classes"
    return f"{result.name}: {what} from {result.log.requests:,} requests of {result.log.file}"


def read_sentences(log: LogRead) -> Iterator[str]:
    """Yield what was read: columns, units, span, rows left out."""
    found = []
    for name, column in log.columns.items():
        unit = f" in {column.unit}" if column.unit else ""
        if name == "arrival" and not column.assumed and column.unit == "s":
            unit = ""
        assumed = " (assumed)" if column.assumed and column.unit in UNITS_OF_TIME else ""
        found.append(f"{name} from {column.header}{unit}{assumed}")
    span = ""
    if log.span_s is not None:
        span = f" It spans {duration(log.span_s)}, {log.requests / log.span_s:.4g} requests/s." * (
            log.span_s > 0
        )
    yield f"Read {', '.join(found)}.{span}"
    left = [
        f"{count:,} {words}"
        for count, words in (
            (log.filtered_out, f"without {' and '.join(log.where)}"),
            (log.without_output, "without output"),
            (log.without_prompt, "without prompt"),
        )
        if count
    ]
    if left:
        yield f"Of {log.rows:,} rows, left out: {', '.join(left)}."


def duration(seconds: float) -> str:
    """Return a time as people say it."""
    for size, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.4g} s"


def _class_table(result: Fit) -> Table:
    rates = result.total_rate is not None
    columns = ["share", "prompt", "output", *["requests/s"] * rates, "/s per GPU", "served"]
    table = narrow_table("classes, with 95 % intervals", "class", columns)
    for each in result.classes:
        cells = [
            _percent(each.share),
            _figure(each.prompt_tokens),
            _figure(each.output_tokens),
            *([_figure(each.requests_per_second)] if each.requests_per_second else []),
            f"{each.arrival_rate.value:.4g}",
            f"{each.served.value:.0%}" + _between(each.served.band, "{:.0%}"),
        ]
        table.add_row(each.name, *cells)
    return table


def _cached_table(result: Fit) -> list[Table]:
    """Return prompts without what a prefix cache saves, where the log tells."""
    if result.prefix_cache is None:
        return []
    table = narrow_table("prompts less cached prefixes", "class", ["prompt", "effective prompt"])
    for each in result.classes:
        if each.effective_prompt_tokens is not None:
            table.add_row(each.name, _figure(each.prompt_tokens),
                          _figure(each.effective_prompt_tokens))  # fmt: skip
    return [table]


def _law_table(result: Fit) -> Table:
    columns = ["mean", "scv", "KS", "by chance", "KL", "p50", "p95", "p99"]
    table = narrow_table("lengths, and how far they are from exponential", "", columns)
    for name, law in (("all prompts", result.prompt_law), ("all outputs", result.output_law)):
        table.add_row(name, *_law_cells(law))
    for each in result.classes:
        table.add_row(f"{each.name} prompts", *_law_cells(each.prompt_law))
        table.add_row(f"{each.name} outputs", *_law_cells(each.output_law))
    return table


def _law_cells(law: LengthLaw) -> list[str]:
    divergence = "–" if law.kl_divergence is None else f"{law.kl_divergence:.3f}"
    numbers = [f"{law.quantiles[p]:,.0f}" for p in ("p50", "p95", "p99")]
    return [
        f"{law.mean:,.4g}" if law.mean < 1000 else f"{law.mean:,.0f}", f"{law.squared_cv:.2f}",
        f"{law.ks_distance:.3f}", f"{law.ks_by_chance:.3f}", divergence, *numbers,
    ]  # fmt: skip


def _choice_sentence(result: Fit) -> str:
    explained = ", ".join(f"{each.classes}: {each.explained:.1%}" for each in result.class_numbers)
    return (
        f"{len(result.classes)} classes: {result.chosen_by}. Share of the variance of the log "
        f"lengths that so many classes explain: {explained}."
    )


def dispersion_words(each: Dispersion) -> str:
    """Return an index of dispersion with the band of Poisson counts."""
    band = each.poisson_band
    return f"{each.index:.3g} in {each.window_s:g} s (Poisson {band.low:.2f} to {band.high:.2f})"


def arrival_sentences(arrivals: Arrivals) -> Iterator[str]:
    """Yield how requests came."""
    if arrivals.dispersion:
        told = ", ".join(map(dispersion_words, arrivals.dispersion))
        yield f"Arrivals: variance of counts over their mean {told}."
    if arrivals.interarrival_cv is not None and arrivals.interarrival_poisson_band is not None:
        band = arrivals.interarrival_poisson_band
        yield (
            f"Gaps between them vary by {arrivals.interarrival_cv:.3f} of their mean (Poisson "
            f"{band.low:.3f} to {band.high:.3f})."
        )
    elif arrivals.resolution_s > 1e-3:
        yield f"Time stamps are {arrivals.resolution_s:g} s apart, too coarse for the gaps."
    if arrivals.trend is not None:
        trend = arrivals.trend
        rates = [part.rate for part in arrivals.parts]
        yield (
            f"The rate changes by {trend.change:+.0%} over the log ({trend.band.low:+.0%} to "
            f"{trend.band.high:+.0%}); its tenths are between {min(rates):.3g} and "
            f"{max(rates):.3g} requests/s."
        )


def prefix_sentences(result: Fit) -> Iterator[str]:
    """Yield what a prefix cache would save."""
    cache = result.prefix_cache
    if cache is None:
        return
    hit = "" if cache.blocks_hit is None else f"{cache.blocks_hit:.1%} of the blocks of "
    hit += f"{cache.block_tokens:g} tokens were there before: " if hit else ""
    taken = "has these" if result.prefix_caching else "has the full prompts"
    yield (
        f"Prefix cache: {hit}of {cache.prompt_tokens:,.0f} prompt tokens "
        f"{cache.effective_prompt_tokens:,.0f} are left on average; the instance {taken}."
    )


def plan_sentences(result: Fit) -> Iterator[str]:
    """Yield where hardware and prices come from, the load, and the best plan."""
    plan = result.plan
    patience = result.instance.classes[0].patience_rate
    named = result.provenance.options.get("like", DEFAULT_LIKE)
    default = " (the default; --like names another)" * (named == DEFAULT_LIKE)
    yield (
        f"GPU and prices are those of {plan.hardware_from}{default}; patience {patience:g}/s is "
        "assumed, since a log does not tell."
    )
    if plan.hardware_title:
        yield f"{plan.hardware_from} is: {plan.hardware_title}."
    yield (
        f"One GPU serves {_figure(plan.capacity)} requests/s of this mix in full (prefill load "
        f"{plan.prefill_load:.3g}, decode load {plan.decode_load:.3g} in the instance)."
    )
    if plan.gpus_needed is not None and plan.gpus is not None:
        yield (
            f"At load {plan.at_load:g} it takes {_figure(plan.gpus_needed)} GPUs; the instance has "
            f"the log on {plan.gpus:.4g}."
        )
    yield (
        f"The best plan earns {_figure(plan.revenue_rate)} money/s per GPU, with "
        f"{_percent(plan.mixed_share)} of the GPUs prefilling."
    )
    unsure = [
        f"{each.name} in {each.admitted_share:.0%}"
        for each in result.classes
        if each.admitted_share is not None and 0 < each.admitted_share < 1
    ]
    if unsure:
        yield f"Which classes it admits is not sure: of the resamples, {', '.join(unsure)}."


def _interval_sentence(result: Fit) -> str:
    if not result.resampling.resamples:
        return "Too few requests for intervals."
    made = f"{result.resampling.resamples} resamples of {result.resampling.blocks} parts"
    return f"Intervals ({made}) are {result.resampling.meaning}."


def _figure(value: Banded) -> str:
    return (
        f"{value.value:,.4g}" + _between(value.band, "{:,.3g}")
        if value.value < 1000
        else (f"{value.value:,.0f}" + _between(value.band, "{:,.0f}"))
    )


def _percent(value: Banded) -> str:
    return f"{value.value:.1%}" + _between(value.band, "{:.0%}")


def _between(band: Band | None, form: str) -> str:
    """Return an interval in brackets; nothing where both ends are written alike."""
    if band is None:
        return ""
    low, high = form.format(band.low), form.format(band.high)
    return "" if low == high else f" ({low}–{high})"
