"""Data that the image that runs has written, and that the new one does not find."""

import re

from lgtm_deploy.core.preflight.facts import Findings, ServiceFacts, Survey
from lgtm_deploy.core.verify.reads import kind_of
from lgtm_deploy.core.versions import numbers

# Pyroscope: "Version 2.0 release notes" (v2 storage) and "Migrate from v1 to v2 storage".
_NEW_STORAGE = (2, 0)
_VERSION = re.compile(r"v?\d+\.\d+")


def written_before(survey: Survey) -> Findings:
    """Return what becomes of profiles where Pyroscope gets another storage with its version.

    The version that runs is read from the tags of its image. Without one that is a version nothing is said.
    """
    return Findings(
        told=tuple(
            f"data: {facts.service.name} runs {before} and will run {facts.service.version}, with another storage. "
            "Under `architecture_storage: v2` profiles from before the change are not found. A rollback finds them "
            "again, and loses those written since. lgtm-deploy has proved neither"
            for facts in (*survey.services, *survey.dependents)
            if facts.changes and kind_of(facts.service) == "pyroscope"
            for before in [_runs(facts)]
            if before and numbers(before) < _NEW_STORAGE <= numbers(facts.service.version)
        )
    )


def _runs(facts: ServiceFacts) -> str:
    tag = "" if "@" in facts.reference else facts.reference.rpartition(":")[2]
    tags = (tag, *((facts.image.tags or ()) if facts.image else ()))
    return next((each for each in tags if _VERSION.match(each)), "")
