"""What is asked of Loki."""

from lgtm_deploy.core.verify.check import Check, Place
from lgtm_deploy.core.verify.prometheus import listing
from lgtm_deploy.core.verify.tenancy import without_tenant

API = "/loki/api/v1"


def checks(place: Place) -> list[Check]:
    """Labels, and that they are not for everybody (Loki: HTTP API, "Query labels")."""
    labels = Check(
        service=place.service,
        name="labels",
        question=place.get(f"{place.prefix}{API}/labels"),
        judge=listing(place.service, "labels"),
    )
    return [labels, *([without_tenant(labels)] if place.tenant else [])]
