"""Terraform files that would undo the change, or cannot be planned."""

from collections.abc import Iterator

from lgtm_deploy.core.preflight.facts import Findings, ServiceFacts, Survey
from lgtm_deploy.core.terraform_files import LOCK_FILE, DeclaredService

_LIFECYCLE = "lifecycle { ignore_changes = [task_definition] }"


def drift(survey: Survey) -> Findings:
    """Terraform that would put a service back on the revision that it registered itself.

    A deployment from the live task definition makes a revision that Terraform does not know. Only `ignore_changes`
    keeps the next `terraform apply` from undoing it (Terraform: "The lifecycle Meta-Argument").
    """
    planned = [
        facts for facts in (*survey.services, *survey.dependents) if facts.changes and not facts.service.task_definition
    ]
    found = Findings(told=tuple(f"terraform: {each}" for each in survey.unreadable))
    for facts in planned:
        found += _drift_of(facts, survey)
    return found


def lock_files(survey: Survey) -> Findings:
    """Roots without a dependency lock file: every run would choose its own provider versions."""
    return Findings(
        told=tuple(
            f"terraform: root {folder} has no {LOCK_FILE}; this plan does not use the root"
            for folder, is_used in survey.unlocked.items()
            if not is_used
        ),
        wrong=tuple(
            f"Terraform root {folder} has no {LOCK_FILE}. Make it and commit it: terraform -chdir={folder} get "
            f"&& terraform -chdir={folder} providers lock -platform=linux_amd64 (and one -platform for each other kind "
            "of machine that runs Terraform)."
            for folder, is_used in survey.unlocked.items()
            if is_used
        ),
    )


def _drift_of(facts: ServiceFacts, survey: Survey) -> Findings:
    name = facts.service.ecs_service
    open_to_undo = [each for each in survey.declared if not each.ignores]
    sure = [each for each in open_to_undo if each.manages(name) == "yes"]
    if sure:
        return Findings(wrong=tuple(dict.fromkeys(_undone(facts, each) for each in sure)))
    if any(each.manages(name) == "yes" for each in survey.declared):
        return Findings()
    return Findings(told=tuple(dict.fromkeys(_perhaps(facts, open_to_undo))))


def _undone(facts: ServiceFacts, declared: DeclaredService) -> str:
    service = facts.service
    if declared.source:
        where = f"Set `ignore_task_definition_changes = true` in the module call at {declared.place}"
    elif declared.ignore_line:
        where = f"Add task_definition to `ignore_changes` at {declared.file}:{declared.ignore_line}"
    else:
        where = f"Add `{_LIFECYCLE}` to the block at {declared.place}"
    return (
        f"{declared.place} (Terraform root {declared.root}) manages {service.ecs_service} and its task definition: the "
        f"next `terraform apply` would undo the deployment of {service.name}. {where}, or set "
        f"`task_definition: {{terraform: {declared.root}}}` of {service.name} in the stack file."
    )


def _perhaps(facts: ServiceFacts, declared: list[DeclaredService]) -> Iterator[str]:
    for each in declared:
        if each.manages(facts.service.ecs_service) == "perhaps":
            yield (
                f"terraform: {each.place} does not ignore task_definition, and its name is not known from the files: "
                f"if it manages {facts.service.ecs_service}, the next `terraform apply` would undo this deployment; "
                f"then add `{_LIFECYCLE}`, or set `task_definition: {{terraform: {each.root}}}` of "
                f"{facts.service.name}"
            )
