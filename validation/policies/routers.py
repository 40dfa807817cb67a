"""Routers: where a request decodes once its prefill is done."""

from dataclasses import dataclass
from enum import IntFlag


class Place(IntFlag):
    """A set of GPUs: by group, and by whether a prefill is in progress there now."""

    MIXED_GROUP_IDLE = 1
    MIXED_GROUP_PREFILLING = 2
    SOLO_GROUP = 4
    SAME_GPU = 16
    """The GPU and slot of the prefill."""
    MIXED_GROUP = MIXED_GROUP_IDLE | MIXED_GROUP_PREFILLING


@dataclass(frozen=True)
class Router:
    """Where finished prefills go.

    Attributes
    ----------
    buffers
        For each decode buffer the places its head of line may take, in order of preference; among
        the GPUs of a place with a free slot, one is drawn, all alike. With two buffers a finished
        prefill draws the second one with probability p_s,i (eqs. U7, U8) and waits for it alone.
    weighted
        Whether a freed slot draws its class by the weights (eq. U10, U11) rather than first come,
        first served. Classes of zero weight are then served only when nothing else waits, so that
        no slot idles beside a waiting request (10.2).
    """

    buffers: tuple[tuple[Place, ...], ...]
    weighted: bool = False

    @property
    def split(self) -> bool:
        """Whether there are two buffers."""
        return len(self.buffers) == 2


SOLO_FIRST = Router(((Place.SOLO_GROUP, Place.MIXED_GROUP),))
"""The work-conserving router, Algorithm 3."""

DRAWN_GROUP = Router(((Place.MIXED_GROUP,), (Place.SOLO_GROUP,)))
"""Each group has its buffer, Algorithm 6."""

DRAWN_GROUP_WEIGHTED = Router(DRAWN_GROUP.buffers, weighted=True)
"""The same with weights between the classes of a buffer, Algorithm 7."""

IN_PLACE = Router(((Place.SAME_GPU,),))
"""Immediate: the decode stays where its prefill ran (10.1(g))."""

FILL_PREFILLING = Router(((Place.MIXED_GROUP_PREFILLING, Place.SAME_GPU),))
"""To a free slot beside another prefill, else in place, Algorithm 10."""

IDLE_FIRST = Router(((Place.MIXED_GROUP_IDLE, Place.MIXED_GROUP_PREFILLING),))
"""Anywhere in an unplanned cluster, GPUs without a prefill first (Algorithm 8, GF-WSP)."""
