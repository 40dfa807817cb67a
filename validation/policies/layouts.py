"""Layouts: which GPUs may prefill and how many decodes a GPU may hold (Algorithm 1, step 3)."""

from dataclasses import dataclass

from gnr.plan import Plan


@dataclass(frozen=True)
class Layout:
    """The cluster as a policy sees it.

    Attributes
    ----------
    prefill_gpus
        GPUs that may prefill, one request at a time: the mixed group.
    mixed_group_slots, solo_group_slots
        Most decodes of a GPU that may prefill, and of one that may not. With its prefill a GPU
        never holds more than B requests.
    """

    prefill_gpus: int
    mixed_group_slots: int
    solo_group_slots: int


def partition(plan: Plan, batch_slots: int) -> Layout:
    """Return the static partition: M GPUs keep a slot for prefill, the others only decode."""
    return Layout(plan.mixed_gpus, batch_slots - 1, batch_slots)


def whole_cluster(plan: Plan, batch_slots: int) -> Layout:
    """Return the cluster without static planning: every GPU may prefill and decode (10.1(f))."""
    return Layout(plan.gpus, batch_slots, batch_slots)


def separate_groups(plan: Plan, batch_slots: int) -> Layout:
    """Return prefill-only and decode-only GPUs: disaggregated serving."""
    return Layout(plan.mixed_gpus, 0, batch_slots)
