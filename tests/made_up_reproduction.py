"""A made-up reproduction with everything that a report may have to show."""

import math
import sys

from gnr.provenance import Provenance
from gnr.reproduction import (
    AS_MET,
    Bars,
    Claim,
    Condition,
    Experiment,
    Finding,
    HeatMap,
    Limit,
    Lines,
    Met,
    Panel,
    Quantity,
    Reference,
    Reproduction,
    Scatter,
    Series,
    verdict_of,
)

MARKUP = '<script>alert("&")</script>'
"""Text that must come out as it is."""

LONG = "gate-and-route-with-backpressure-and-a-name-longer-than-a-telephone-is-wide"

LARGEST = sys.float_info.max
"""End of an interval that has none."""

SIZES = (5.0, 20.0, 50.0, 200.0, 500.0, 2000.0, 8000.0)


def series(label: str, x: tuple[float, ...], *, height: float, half: float | None) -> Series:
    y = tuple(height * (1 - 1 / math.sqrt(2 + each)) for each in x)
    low = None if half is None else tuple(each - half for each in y)
    high = None if half is None else tuple(each + half for each in y)
    return Series(label=label, x=x, y=y, low=low, high=high)


def lines() -> Lines:
    return Lines(
        title="Revenue of growing clusters",
        x_label="GPUs in the cluster, n",
        y_label="money/s per GPU",
        series=tuple(series(f"policy {k}", SIZES, height=300 - 20 * k, half=4) for k in range(3)),
        references=(Reference(label="optimum R*", y=310), Reference(label="another", y=282)),
        x_log=True,
    )


def gaps() -> Lines:
    """Return a panel with points that its logarithmic axis cannot show."""
    down = Series(
        label="gap", x=SIZES, y=(9, 4, 2, 1, 0.4, 0.01, -0.1), low=(8, 3, 1, 0.5, 0.1, -0.2, -0.3),
        high=(10, 5, 3, 1.5, 0.7, 0.2, 0.1),
    )  # fmt: skip
    return Lines(title="Gap to the optimum", x_label="n", y_label="% of R*", series=(down,),
                 references=(Reference(label="1 %", y=1.0),), x_log=True, y_log=True)  # fmt: skip


def curves() -> Lines:
    x = tuple(0.1 * k for k in range(60))
    names = ("$a$", LONG)
    return Lines(
        title=f"Two curves under a title that needs two lines, {LONG}",
        x_label="time, s",
        y_label="requests per GPU, a label that is longer than its axis is high",
        series=tuple(series(each, x, height=k, half=0.1) for k, each in enumerate(names, 1)),
        references=tuple(Reference(label=f"plan {k}", y=0.9 + 0.002 * k) for k in range(4)),
        marks=False,
    )  # fmt: skip


def bars() -> Bars:
    places = (0.0, 1.0, 2.0)
    return Bars(
        title="Who waits",
        y_label="requests per GPU",
        categories=("decode-heavy", LONG, "c"),
        series=(
            Series(label="for prefill", x=places, y=(12.3, 0.0, -4), low=(11, 0, -5),
                   high=(14, 0, -3)),
            Series(label="for a decode slot", x=places, y=(1.0, 2.0, 1234.5)),
        ),
        references=(Reference(label="the plan", y=10.0),),
    )  # fmt: skip


def heat_map(*, signed: bool) -> HeatMap:
    x, y = (1.0, 10.0, 100.0, 1000.0), (0.1, 0.2, 0.5)
    z = tuple(tuple(a * math.log10(b) - 0.5 * signed for b in x) for a in y)
    return HeatMap(title="Gain", x_label="price ratio", y_label="share", z_label="% of R*",
                   x=x, y=y, z=((None, *z[0][1:]), *z[1:]), x_log=True)  # fmt: skip


def scatter() -> Scatter:
    few = Series(label="class means", x=(1000, 3000), y=(200, 700), low=(150, 600), high=(260, 810))
    many = Series(
        label="requests",
        x=tuple(100.0 * 1.01**k for k in range(500)),
        y=tuple(50.0 * 1.008**k * (1.5 + math.sin(k)) for k in range(500)),
    )
    return Scatter(title="Lengths", x_label="prompt, tokens", y_label="output, tokens",
                   series=(many, few), x_log=True, y_log=True)  # fmt: skip


PANELS: dict[str, Panel] = {
    "lines": lines(),
    "gaps": gaps(),
    "curves": curves(),
    "bars": bars(),
    "map": heat_map(signed=False),
    "signed map": heat_map(signed=True),
    "scatter": scatter(),
}

BOUNDS: dict[Met, float] = {"yes": 5.0, "undecided": 3.86, "no": 1.0}
"""Upper bounds of the gap that are kept, may be kept and are not kept."""

GAP = Quantity(name="gap", words="gap to the optimum, 500 GPUs", kind="estimated", value=3.8631,
               low=3.8012, high=3.9251, unit="%")  # fmt: skip

QUANTITIES = (
    GAP,
    Quantity(name="exact", words=f"share {MARKUP}", kind="exact", value=297.70317, low=297.70317,
             high=297.70317, unit="money/s per GPU"),
    Quantity(name="printed", words="mean input", kind="printed", value=1139, low=1139, high=1139,
             unit="tokens"),
    Quantity(name="unrepeated", words="R2", kind="unrepeated", value=0.998858, low=0.998858,
             high=0.998858, unit=""),
    Quantity(name="unbounded", words=f"exponent of {LONG}", kind="estimated", value=-0.5,
             low=-LARGEST, high=LARGEST, unit=""),
)  # fmt: skip


def claim(name: str, finding: Finding, limit: Limit | None = None) -> Claim:
    """Return a claim about the gap whose finding is the one asked for."""
    conditions = tuple(
        Condition(quantity="gap", direction="at_most", bound=BOUNDS[met], met=met)
        for met in AS_MET[finding]
    )
    return Claim(
        name=name,
        says=f"The paper says that {name} is so.",
        source="section 6.2, Figure 4",
        reason="A hundredth can be seen in a plot.",
        conditions=conditions,
        finding=finding,
        limit=limit,
    )


def experiment(
    name: str, panels: tuple[Panel, ...], *claims: Claim, warnings: tuple[str, ...] = ()
) -> Experiment:
    return Experiment(
        name=name,
        title=f"What {name} shows",
        choices=("The base instance stands in.", f"Text as it is: {MARKUP}"),
        quantities=QUANTITIES,
        claims=claims,
        caption=f"Lines of {name} should near the dashed one.",
        panels=panels,
        verdict=verdict_of(claims),
        warnings=warnings,
    )


def made_up() -> Reproduction:
    everything = tuple(PANELS.values())
    return Reproduction(
        effort="quick",
        confidence=0.998,
        joint=0.95,
        experiments=(
            experiment(
                "figure2", everything[:3], claim("alpha", "confirmed"), claim("beta", "confirmed")
            ),
            experiment(
                "figure4", everything[3:5], claim("gamma", "not confirmed"),
                claim("delta", "confirmed"), claim("epsilon", "partly"),
                warnings=("the cluster had not settled",),
            ),
            experiment("figure7", everything[5:], claim("zeta", "undecided")),
            experiment("figure11", (), claim("eta", "not confirmed", "data not public")),
            experiment("table2", (), claim("theta", "confirmed", "not specified enough")),
        ),
        warnings=("a part was damaged and computed again",),
        provenance=Provenance(
            version="0.1.0", commit="0123456789abcdef", instance_sha256=None,
            options={"experiments": ["figure2", "figure4"], "replications": 16, "word": LONG},
            seed=2602, versions={"python": "3.11.2", "cupy": None}, machine="a machine, Linux",
            gpu=None, wall_time_s=123.4, peak_memory_mib=512.0,
        ),
    )  # fmt: skip
