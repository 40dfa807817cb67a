"""`gnr fit`: from a request log to classes, an instance, and how far to trust them."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gnr.errors import InputError, Problem
from gnr.fit_result import (
    ClassNumber,
    Fit,
    FittedClass,
    LogColumn,
    LogRead,
    PrefixCache,
    Resampling,
)
from gnr.instance import Instance
from gnr.measure.arrivals import describe_arrivals
from gnr.measure.clustering import MOST_AUTOMATIC, Clusters, chosen_number, cluster
from gnr.measure.fit_request import FitRequest, name_of, read_classes
from gnr.measure.fit_words import instance_texts, printable, warnings_of
from gnr.measure.length_grid import Cells
from gnr.measure.length_laws import describe, output_marginal, prompt_marginal, quantiles
from gnr.measure.listed_lengths import lengths_csv
from gnr.measure.log_blocks import (
    FEWEST_BLOCKS,
    RESAMPLES,
    ClassSums,
    number_of_blocks,
    resample,
)
from gnr.measure.log_passes import FirstPass, first_pass, second_pass
from gnr.measure.planned_bands import Sampled, plan_log
from gnr.measure.request_logs import TICKS, RequestLog, no_rows, open_log
from gnr.measure.row_filters import read_conditions
from gnr.measure.table_heads import read_head
from gnr.provenance import record
from gnr.reading import load as load_instance

MEANING = (
    "the sampling of this log only: parts of it are drawn again and again, with the classes held "
    "fixed; another day may differ by more"
)
"""What the intervals say."""


def fit(
    log: str | Path,
    classes: int | str = "auto",
    *,
    name: str | None = None,
    columns: Iterable[str] = (),
    where: Iterable[str] = (),
    gpus: float | None = None,
    load: float | None = None,
    rate: float | None = None,
    like: str | Path = FitRequest.like,
    patience: float = FitRequest.patience,
    prefix_caching: bool = False,
    block_tokens: float = FitRequest.block_tokens,
    seed: int = 0,
    names: Sequence[str] = (),
    title: str | None = None,
    origin: str = "",
    progress: Callable[[float], None] = lambda done: None,
    options: Mapping[str, Any] | None = None,
) -> Fit:
    """Return classes of the requests in a log, the instance made of them, and what to trust.

    Parameters
    ----------
    log
        CSV or JSON lines, gzipped or not; it is read twice.
    classes
        Number of classes, or ``"auto"``: the smallest from which one more explains less than 5 %
        more of the variance of the log lengths.
    name
        Name of the instance; by default from the file's name.
    columns
        Texts ``NAME=HEADER[:UNIT]``, NAME one of arrival, prompt, output, cached, hash_ids.
    where
        Texts ``COLUMN=VALUE``; only rows that meet all of them are used.
    gpus, load
        Rates per GPU are those of the log over so many GPUs, or such that their total is `load`
        times what can be served in full; by default a load of 1.1.
    rate
        Requests/s in all, in the place of the log's own.
    like
        Instance whose GPU and prices are taken.
    patience
        Patience rate of all classes, 1/s.
    prefix_caching
        Whether the instance has the effective prompt lengths.
    block_tokens
        Tokens of a block of the prefix cache.
    seed
        Seed of the clustering and of the resamples.
    names
        Names of the classes, the one with most requests first; by default by their mean lengths.
    title
        Title of the instance.
    origin
        Where the log comes from and its licence; begins the source of the instance.
    progress
        Told how many MB of the file are read, both passes together.
    options
        Further options to write into the provenance.

    Raises
    ------
    InputError
        If an option or a line of the log cannot be used.
    """
    started = time.perf_counter()
    number = read_classes(classes) if isinstance(classes, str) else classes
    asked = FitRequest(
        classes=number,
        gpus=gpus,
        load=load,
        rate=rate,
        like=str(like),
        patience=patience,
        prefix_caching=prefix_caching,
        block_tokens=block_tokens,
        seed=seed,
        names=tuple(names),
        title=title,
        origin=origin,
    )
    asked.check()
    path = Path(log)
    named = name_of(path, name)
    base = load_instance(like)
    head = read_head(path)
    conditions = read_conditions(where)
    requests = open_log(head, columns, conditions, block_tokens)
    if not requests.has_times:
        message = f"no column is known to tell arrival; the table has {', '.join(head.names)}"
        if error := asked.without_rate(path, message):
            raise error
    if prefix_caching and not (requests.has_cached or requests.has_blocks):
        raise _no_prefixes(path)
    size = path.stat().st_size
    first = first_pass(requests, block_tokens, lambda done: progress(done / 1e6))
    _refuse_nothing(requests, first)
    if requests.has_times and not first.times.span:
        message = f"its {first.requests:,} requests came at the same time"
        if error := asked.without_rate(path, message):
            raise error
    if prefix_caching and not _tells_prefixes(requests, first):
        raise _no_prefixes(path, "its rows are not in order of time")
    fitted = _Fitting(asked, named, base, requests, first)
    return fitted.result(lambda done: progress((size + done) / 1e6), started, dict(options or {}))


@dataclass
class _Fitting:
    """A log after its first pass."""

    asked: FitRequest
    name: str
    base: Instance
    log: RequestLog
    first: FirstPass

    def result(
        self, told: Callable[[int], None], started: float, options: Mapping[str, Any]
    ) -> Fit:
        """Return the whole result."""
        cells, places = self.first.grid.cells()
        clusters, explained = self._clusters(cells)
        labels, count = _ranked(cells, clusters.labels)
        timed = self.log.has_times and self.first.times.span > 0
        parts = number_of_blocks(self.first.requests)
        sums, windows = second_pass(
            self.log,
            self.first,
            self.first.grid.table_of(places, labels),
            (parts, count),
            self.asked.block_tokens,
            told,
        )
        whole = sums.total()
        wrong = list(self.asked.wrong_names(count))
        if wrong:
            raise InputError(wrong)
        names = list(self.asked.names) or _names(whole)
        drawn = resample(sums, self.asked.seed) if parts >= FEWEST_BLOCKS else None
        tells = _tells_prefixes(self.log, self.first)
        own = self.first.requests / (self.first.times.span / TICKS) if timed else None
        planned = plan_log(self.asked, self.base, Sampled(names, whole, drawn, parts, own, tells))
        marginals = [
            (prompt_marginal(cells, chosen), output_marginal(cells, chosen))
            for chosen in (np.flatnonzero(labels == k) for k in range(count))
        ]
        everybody = np.arange(len(labels))
        overall = prompt_marginal(cells, everybody), output_marginal(cells, everybody)
        fitted = tuple(
            FittedClass(
                name=names[k],
                requests=int(whole.requests[k]),
                prompt_law=describe(marginals[k][0]),
                output_law=describe(marginals[k][1]),
                **planned.by_class[k],
            )
            for k in range(count)
        )
        arrivals = None
        if windows is not None:
            arrivals = describe_arrivals(self.first.times, windows, sums.requests.sum(axis=1))
        prefixes = self._prefixes(whole)
        read = self._read()
        title, source, notes = instance_texts(
            self.asked, self.base, read, fitted, prefixes, planned.plan
        )
        instance = planned.instance.model_copy(
            update={"name": self.name, "title": title, "source": source, "notes": notes}
        )
        at = np.linspace(0.002, 0.998, 250)
        return Fit(
            name=self.name,
            log=read,
            classes=fitted,
            prompt_law=describe(overall[0]),
            output_law=describe(overall[1]),
            class_numbers=tuple(
                ClassNumber(classes=k, explained=value) for k, value in explained.items()
            ),
            chosen_by=_chosen_by(self.asked),
            arrivals=arrivals,
            prefix_cache=prefixes,
            prefix_caching=self.asked.prefix_caching,
            total_rate=planned.total,
            plan=planned.plan,
            resampling=Resampling(
                blocks=parts,
                along="time" if timed else "rows",
                resamples=0 if drawn is None else RESAMPLES,
                meaning=MEANING,
            ),
            instance=instance,
            warnings=(
                *self.log.doubts(),
                *warnings_of(self.asked, self.base, read, fitted, arrivals, prefixes, parts),
            ),
            provenance=record(
                instance.sha256(), started, {"log": read.file} | dict(options), self.asked.seed
            ),
            pictured={
                "points": np.exp(cells.points),
                "requests": cells.requests,
                "labels": labels,
                "probabilities": at,
                "prompt_quantiles": [quantiles(p, at) for p, _ in marginals],
                "output_quantiles": [quantiles(o, at) for _, o in marginals],
            },
            lengths_csv=lengths_csv(names, np.exp(cells.points), cells.requests, labels),
        )

    def _clusters(self, cells: Cells) -> tuple[Clusters, dict[int, float]]:
        """Return the classes of the cells, and what each number of classes explains."""
        points, weights = cells.points, cells.requests
        wanted, seed = self.asked.classes, self.asked.seed
        if wanted is not None and wanted > len(points):
            message = f"there are only {len(points):,} different lengths for {wanted} classes"
            raise InputError(
                [Problem("too-many-classes", str(self.log.table.path), "", message,
                         f"--classes {len(points)} or fewer")]
            )  # fmt: skip
        most = min(MOST_AUTOMATIC + 1, len(points))
        found = {k: cluster(points, weights, k, seed) for k in range(1, most + 1)}
        scatter = found[1].scatter
        explained = {
            k: max(1 - each.scatter / scatter, 0.0) if scatter > 0 else 0.0
            for k, each in found.items()
        }
        number = chosen_number(explained) if wanted is None else wanted
        if number not in found:
            found[number] = cluster(points, weights, number, seed)
            explained[number] = max(1 - found[number].scatter / scatter, 0.0)
        return found[number], explained

    def _prefixes(self, whole: ClassSums) -> PrefixCache | None:
        """Return what a prefix cache saves, if the log tells."""
        if not _tells_prefixes(self.log, self.first):
            return None
        requests, seen = whole.requests.sum(), self.first.seen
        column = self.log.table.columns.get("cached")
        told = column is None or column.unit == "blocks"
        share = self.first.hits / self.first.blocks if told and self.first.blocks else None
        return PrefixCache(
            told_by="column" if seen is None else "blocks",
            block_tokens=self.asked.block_tokens,
            blocks_hit=share,
            prompt_tokens=float(whole.prompt.sum() / requests),
            effective_prompt_tokens=float((whole.prompt - whole.cached).sum() / requests),
            complete=seen is None or seen.complete,
        )

    def _read(self) -> LogRead:
        table, first = self.log.table, self.first
        used = first.requests + first.without_output + first.without_prompt
        texts = {table.columns[name].header for name in table.instants & set(table.columns)}
        return LogRead(
            file=printable(table.path.name),
            sha256=table.sha256 or "",
            columns={
                name: LogColumn(
                    header=column.header,
                    unit=column.unit,
                    assumed=column.assumed
                    and bool(column.unit)
                    and not (column.header in texts and table.kinds[column.header].is_time),
                )
                for name, column in table.columns.items()
            },
            where=tuple(str(each) for each in table.conditions),
            rows=table.rows_read,
            filtered_out=table.rows_read - used,
            without_output=first.without_output,
            without_prompt=first.without_prompt,
            requests=first.requests,
            span_s=first.times.span / TICKS if self.log.has_times else None,
            in_order=first.times.in_order if self.log.has_times else None,
        )


def _ranked(cells: Cells, labels: Any) -> tuple[Any, int]:
    """Return the classes numbered by their requests, most first, and how many there are."""
    requests = np.bincount(labels, weights=cells.requests)
    order = np.argsort(-requests, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[labels], int((requests > 0).sum())


def _names(whole: ClassSums) -> list[str]:
    """Return names by mean prompt and output, made different where they are alike."""
    names: list[str] = []
    for prompt, output, requests in zip(whole.prompt, whole.output, whole.requests, strict=True):
        name = f"p{prompt / requests:.0f}-d{output / requests:.0f}"
        alike = sum(each == name or each.startswith(f"{name}-") for each in names)
        names.append(f"{name}-{alike + 1}" if alike else name)
    return names


def _chosen_by(asked: FitRequest) -> str:
    if asked.classes is not None:
        return "asked for"
    return (
        "the smallest number from which one more class explains less than 5 % more of the variance "
        "of the log lengths"
    )


def _tells_prefixes(log: RequestLog, first: FirstPass) -> bool:
    """Tell whether it is known what of a prompt was cached: blocks only in order of time."""
    return log.has_cached or (log.has_blocks and first.times.in_order)


def _no_prefixes(path: Path, why: str = "does not tell what of a prompt was cached") -> InputError:
    remedy = "leave out --prefix-caching, or name the column: --column cached=HEADER[:blocks]"
    return InputError([Problem("no-prefixes", str(path), "", why, remedy)])


def _refuse_nothing(log: RequestLog, first: FirstPass) -> None:
    """Raise where no request is left."""
    if first.requests:
        return
    path, aside = log.table.path, first.without_output + first.without_prompt
    if aside:
        raise no_rows(path, f"none of its {aside:,} rows has both a prompt and an output")
    if log.table.conditions:
        told = " and ".join(str(each) for each in log.table.conditions)
        raise no_rows(path, f"none of its {log.table.rows_read:,} rows has {told}")
    raise no_rows(path, "has no rows")
