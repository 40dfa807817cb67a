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
    roomier_gpus
        GPUs of those that may prefill that may hold one decode more.
    """

    prefill_gpus: int
    mixed_group_slots: int
    solo_group_slots: int
    roomier_gpus: int = 0


def partition(plan: Plan, batch_slots: int) -> Layout:
    """Return the static partition: M GPUs keep a slot for prefill, the others only decode."""
    return Layout(plan.mixed_gpus, batch_slots - 1, batch_slots)


def whole_cluster(plan: Plan, batch_slots: int) -> Layout:
    """Return the cluster without static planning: every GPU may prefill and decode (10.1(f))."""
    return Layout(plan.gpus, batch_slots, batch_slots)


def separate_groups(plan: Plan, batch_slots: int) -> Layout:
    """Return prefill-only and decode-only GPUs: disaggregated serving."""
    return Layout(plan.mixed_gpus, 0, batch_slots)


def thinned_partition(plan: Plan, batch_slots: int) -> Layout:
    """Return the static partition with the planned number of decodes on the mixed GPUs, no more.

    That is n y_m rounded to a whole number and spread evenly (Algorithm 12, step 2).
    """
    planned = round(sum(one.mixed_decode_target for one in plan.classes))
    most = min(planned, plan.mixed_gpus * (batch_slots - 1))
    each, left = divmod(most, max(plan.mixed_gpus, 1))
    return Layout(plan.mixed_gpus, each, batch_slots, roomier_gpus=left)
