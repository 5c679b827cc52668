"""Which Terraform state locks did a run take?"""

from collections.abc import Iterable, Mapping

from lgtm_deploy.core.event import Record, StepProgressed


def state_locks(records: Iterable[Record]) -> Mapping[str, str]:
    """The id of each state lock that the run's journal names, to the process that took it."""
    noted = (each.event.facts or {} for each in records if isinstance(each.event, StepProgressed))
    return {facts["state_lock"]: facts["process"] for facts in noted if {"state_lock", "process"} <= facts.keys()}
