"""Task definitions, running or planned, that name a path that moves."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from lgtm_deploy.core.consumers import named
from lgtm_deploy.core.preflight.facts import Findings, Survey, VariableUse
from lgtm_deploy.core.stack import Service, Stack


class HasTexts(Protocol):
    """The texts of a task definition, by container."""

    @property
    def environment(self) -> Mapping[str, Mapping[str, str]]:
        """Environment variables."""

    @property
    def health_checks(self) -> Mapping[str, str]:
        """Commands of container health checks."""


def uses_in(stack: Stack, states: Mapping[str, HasTexts], services: Iterable[Service]) -> tuple[VariableUse, ...]:
    """Return where task definitions (service -> its texts) name these services on paths that do not stay.

    Of a value only the URL is kept: the rest of it may be secret.
    """
    texts: dict[str, str] = {}
    places: dict[str, tuple[str, str, str]] = {}
    for consumer, state in states.items():
        values = [
            (container, variable, value)
            for container, variables in state.environment.items()
            for variable, value in variables.items()
        ]
        values += [(container, "", command) for container, command in state.health_checks.items()]
        for container, variable, value in values:
            key = f"{len(places):06}"
            texts[key], places[key] = value, (consumer, container, variable)
    found = named(
        texts,
        services,
        {key: stack.service(consumer) for key, (consumer, _, _) in places.items()},
        environment=stack.environment.name,
        others=stack.other_environments,
    )
    return tuple(
        VariableUse(
            consumer=consumer,
            ecs_service=stack.service(consumer).ecs_service,
            container=container,
            variable=variable,
            named=each,
        )
        for each in found
        for consumer, container, variable in [places[each.file]]
    )


def variables(survey: Survey) -> Findings:
    """Return what is wrong with running task definitions once paths have moved.

    A deployment from the live task definition keeps their variables; one from Terraform takes the new ones.
    """
    planned = {facts.service.name: facts.service for facts in (*survey.services, *survey.dependents)}
    moving = {facts.service.name for facts in survey.services if facts.changes}
    found = Findings(told=tuple(f"task definitions: {each}" for each in survey.unseen))
    for use in survey.variables:
        if use.named.service not in moving or use.named.outcome == "follows":
            continue
        said = f"{_place(use)}: {use.named.why}"
        consumer = planned.get(use.consumer)
        if use.named.outcome == "unclear":
            found += Findings(told=(f"task definitions: {said}",))
        elif consumer is not None and consumer.task_definition:
            found += Findings(told=(f"task definitions: {said}; the run takes the new one from Terraform",))
        else:
            found += Findings(wrong=(f"{said}. {_advice(use, planned, survey)}",))
    return found


def planned_wrong(uses: Iterable[VariableUse], root: str) -> tuple[str, ...]:
    """Return what is wrong with task definitions that this Terraform root has planned, a sentence each."""
    return tuple(
        f"{_place(use, 'planned')}: {use.named.why}. Write {use.named.instead or 'another path'} in the files of"
        f" Terraform root '{root}'."
        for use in uses
        if use.named.outcome == "broken"
    )


def _place(use: VariableUse, which: str = "running") -> str:
    where = f"{use.variable}=" if use.variable else "a container health check on "
    return f"The {which} task definition of {use.consumer} has {where}{use.named.says} (container {use.container})"


def _advice(use: VariableUse, planned: Mapping[str, Service], survey: Survey) -> str:
    root = next((each.root for each in survey.declared if each.manages(use.ecs_service) == "yes"), "ROOT")
    write = f"Write {use.named.instead} in its Terraform files" if use.named.instead else "Correct its Terraform files"
    todo = f"{write}, and set `task_definition: {{terraform: {root}}}` of {use.consumer} in the stack file"
    if use.consumer in planned:
        return f"A copy of the live task definition keeps it. {todo}."
    return f"{use.consumer} must change with {use.named.service}. {todo}; add it to the plan's `dependents`."
