"""What is asked of Mimir."""

from lgtm_deploy.core.verify.check import Check, Place
from lgtm_deploy.core.verify.prometheus import listing
from lgtm_deploy.core.verify.tenancy import without_tenant

API = "/prometheus/api/v1"


def checks(place: Place) -> list[Check]:
    """Labels and metric names, and that they are not for everybody (Mimir: HTTP API reference, "Querier")."""
    api = place.prefix + API
    labels = place.check("labels", place.get(f"{api}/labels"), listing(place.service, "labels"))
    metrics = place.check("metric names", place.get(f"{api}/label/__name__/values"), listing(place.service, "metrics"))
    return [labels, metrics, *([without_tenant(labels)] if place.tenant else [])]
