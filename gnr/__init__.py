"""gnr, gate-and-route: which requests to start, where and in what mix, to earn the most.

The functions below load their parts on first use, so that importing `gnr` costs nothing.

>>> import gnr
>>> solution = gnr.solve(gnr.load("two-class"))
>>> round(solution.revenue_rate, 4)
297.7032
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gnr._version import __version__ as __version__

if TYPE_CHECKING:
    from gnr.demand import read_demand as read_demand
    from gnr.errors import InputError as InputError
    from gnr.instance import Instance as Instance
    from gnr.measure.calibration import calibrate as calibrate
    from gnr.measure.fitting import fit as fit
    from gnr.measure.traces import read_trace as read_trace
    from gnr.models.frontiers import frontier as frontier
    from gnr.models.promise_map import frontier_map as frontier_map
    from gnr.models.steady_state import solve as solve
    from gnr.models.sweeps import sweep as sweep
    from gnr.network import build_network as build_network
    from gnr.plan import Plan as Plan
    from gnr.proofs.proving import prove as prove
    from gnr.reading import load as load
    from gnr.result import Solution as Solution
    from gnr.validation.studies.comparison import compare as compare
    from gnr.validation.studies.convergence import converge as converge
    from gnr.validation.studies.finite_plan import plan_for_size as plan_for_size
    from gnr.validation.studies.replay_cluster import Cluster as Cluster
    from gnr.validation.studies.replaying import replay as replay
    from gnr.validation.studies.reproduction.running import reproduce as reproduce
    from gnr.validation.studies.simulation import simulate as simulate
    from gnr.validation.studies.sizing import size as size

_HOMES = {
    "Cluster": "gnr.validation.studies.replay_cluster",
    "InputError": "gnr.errors",
    "Instance": "gnr.instance",
    "Plan": "gnr.plan",
    "Solution": "gnr.result",
    "build_network": "gnr.network",
    "calibrate": "gnr.measure.calibration",
    "compare": "gnr.validation.studies.comparison",
    "converge": "gnr.validation.studies.convergence",
    "fit": "gnr.measure.fitting",
    "frontier": "gnr.models.frontiers",
    "frontier_map": "gnr.models.promise_map",
    "load": "gnr.reading",
    "plan_for_size": "gnr.validation.studies.finite_plan",
    "prove": "gnr.proofs.proving",
    "read_demand": "gnr.demand",
    "read_trace": "gnr.measure.traces",
    "replay": "gnr.validation.studies.replaying",
    "reproduce": "gnr.validation.studies.reproduction.running",
    "simulate": "gnr.validation.studies.simulation",
    "size": "gnr.validation.studies.sizing",
    "solve": "gnr.models.steady_state",
    "sweep": "gnr.models.sweeps",
}

__all__ = [
    "Cluster",
    "InputError",
    "Instance",
    "Plan",
    "Solution",
    "build_network",
    "calibrate",
    "compare",
    "converge",
    "fit",
    "frontier",
    "frontier_map",
    "load",
    "plan_for_size",
    "prove",
    "read_demand",
    "read_trace",
    "replay",
    "reproduce",
    "simulate",
    "size",
    "solve",
    "sweep",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gnr' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
