"""Which policies take part in a comparison, and at which fidelity."""

import gnr
from gnr.comparison import Condition
from gnr.validation.studies.comparison import prepare_field
from gnr.validation.studies.setting import Setting


def test_all_policies_of_a_condition_have_one_fidelity() -> None:
    """Above 20,000 GPUs the pooled chain is the default, unless a policy needs single GPUs."""
    instance, grid = gnr.load("two-class"), [Condition(30_000, "exponential")]
    for names, fidelity in (
        (["gate-and-route", "sli-aware"], "pooled"),
        (["gate-and-route", "fcfs-immediate"], "per-gpu"),
    ):
        field = prepare_field(instance, names, grid, None, Setting())
        found = {
            field.at(study, at).cluster(study.plan(at.gpus)).fidelity
            for study, at in field.cells(grid)
        }
        assert found == {fidelity}
