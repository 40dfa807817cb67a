r"""Solutions of :math:`z'=a-bz`: what starts somewhere and relaxes to :math:`a/b`."""

from typing import Any

import sympy as sp

from gnr.proofs.kit.claim import Finding, all_of
from gnr.proofs.kit.exact import equal
from gnr.proofs.kit.symbols import TIME


def relaxation(net: Any, variable: Any, start: Any) -> Any:
    """Return the path of `variable` whose drift `net` is linear in it, from `start` at 0."""
    speed = -sp.diff(net, variable)
    rest = sp.cancel(net.xreplace({variable: sp.Integer(0)}) / speed)
    return rest + (start - rest) * sp.exp(-speed * TIME)


def solves(path: Any, net: Any, variable: Any, start: Any, says: str) -> Finding:
    """Return whether a path has the drift `net` and the given start, by substitution."""
    return all_of(
        equal(sp.diff(path, TIME), net.xreplace({variable: path}), says),
        equal(path.xreplace({TIME: sp.Integer(0)}), start, "from its start"),
    )
