"""What is asked of Loki."""

from lgtm_deploy.core.verify.check import Check, Place
from lgtm_deploy.core.verify.prometheus import listing
from lgtm_deploy.core.verify.tenancy import without_tenant

API = "/loki/api/v1"


def checks(place: Place) -> list[Check]:
    """Labels, and that they are not for everybody (Loki: HTTP API, "Query labels")."""
    labels = place.check("labels", place.get(f"{place.prefix}{API}/labels"), listing(place.service, "labels"))
    return [labels, *([without_tenant(labels)] if place.tenant else [])]
