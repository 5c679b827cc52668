"""CI workflows of the repository that deploy the services of the plan, too."""

import re
from collections.abc import Iterable, Iterator, Mapping

from lgtm_deploy.core.code_lines import code_lines
from lgtm_deploy.core.preflight.facts import Findings, Survey, Workflow
from lgtm_deploy.core.stack import Service

# The AWS CLI's command, its option, and AWS's action for GitHub.
_DEPLOYS = re.compile(r"aws\s+ecs\s+update-service|amazon-ecs-deploy-task-definition|force-new-deployment")


def workflows_in(files: Mapping[str, str], services: Iterable[Service], cluster: str) -> tuple[Workflow, ...]:
    """Return the lines of these workflow files (path -> text) that deploy ECS services.

    A file counts when it names one of the services, or the cluster, or takes both from elsewhere.
    """
    return tuple(
        found for file, text in sorted(files.items()) for found in _in_file(file, text, list(services), cluster)
    )


def workflows(survey: Survey) -> Findings:
    """Return who else deploys: nobody keeps a workflow from deploying in the middle of a run, or after it."""
    return Findings(
        told=tuple(
            f"workflows: {each.place} deploys {' and '.join(each.services) or 'services of this cluster'} as well "
            f"({each.says}): pause it for the run, and let it deploy what is committed by then"
            for each in survey.workflows
        )
    )


def _in_file(file: str, text: str, services: list[Service], cluster: str) -> Iterator[Workflow]:
    code = [(number, line) for number, line in code_lines(file, text)]
    named = tuple(
        service.name
        for service in services
        if any(_names(line, word) for _, line in code for word in (service.ecs_service, service.name))
    )
    if not named and not any(_names(line, cluster) for _, line in code):
        return
    last = -2
    for number, line in code:
        if found := _DEPLOYS.search(line):
            # A command that goes on in the next lines is one.
            if number > last + 1:
                yield Workflow(place=f"{file}:{number}", says=" ".join(found[0].split()), services=named)
            last = number
        elif last == number - 1 and line.rstrip().endswith("\\"):
            last = number


def _names(line: str, word: str) -> bool:
    return bool(word) and re.search(rf"(?<![A-Za-z0-9_-]){re.escape(word)}(?![A-Za-z0-9_])", line) is not None
