"""Everything that preflight has to say of a survey."""

from lgtm_deploy.core.preflight import coupling, storage, terraform, variables, workflows
from lgtm_deploy.core.preflight.facts import Findings, Survey
from lgtm_deploy.core.preflight.images import pinned_tag, way_back
from lgtm_deploy.core.preflight.permissions import allowed
from lgtm_deploy.core.preflight.tasks import reachable, watchable
from lgtm_deploy.core.stack import Environment


def findings(environment: Environment, survey: Survey) -> Findings:
    """All that is wrong, each thing once, and what is worth reading beside it."""
    planned = (*survey.services, *survey.dependents)
    missing = [said for facts in planned for said in facts.missing]
    found = Findings(wrong=(*missing, *survey.missing))
    if not found.wrong:
        names = ", ".join(facts.service.name for facts in planned)
        found += Findings(told=(f"there: repository, base image, service and target group of {names}",))
    for facts in planned:
        found += pinned_tag(facts) + way_back(facts) + watchable(facts)
    found += reachable(environment, survey.services, survey.shadow_obstacle)
    found += allowed(survey)
    for judge in (
        terraform.drift,
        terraform.lock_files,
        coupling.target_groups,
        coupling.still_checked,
        coupling.rules,
        coupling.files,
        variables.variables,
        coupling.outside,
        storage.written_before,
        workflows.workflows,
    ):
        found += judge(survey)
    return Findings(wrong=tuple(dict.fromkeys(found.wrong)), told=tuple(dict.fromkeys(found.told)))
