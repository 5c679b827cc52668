"""The paths on which Tempo, Loki, Mimir and Pyroscope read data, by version.

They come from the recordings of the real servers: each path answered 2xx to a tenant, without a prefix, on every
recorded version that it is listed for. Readiness, status, build information and pages for people are not among them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from lgtm_deploy.core.stack import Probe, Service, ServiceKind
from lgtm_deploy.core.verify.reads import kind_of
from lgtm_deploy.core.versions import numbers

Version = tuple[int, ...]

_HOUR_MILLISECONDS = 3_600_000
_QUERIER = "/querier.v1.QuerierService"
_CPU = "process_cpu:cpu:nanoseconds:cpu:nanoseconds"
_CPU_QUERY = "process_cpu%3Acpu%3Ananoseconds%3Acpu%3Ananoseconds%7B%7D"


@dataclass(frozen=True, kw_only=True)
class ReadPath:
    """A path that reads data, in versions from `since` on; empty: in all that are known.

    `posts` is the JSON that is posted, None: the path takes GET. A `timed` path gets `start` and `end` in ms besides.
    """

    path: str
    since: Version = ()
    posts: Mapping[str, object] | None = None
    timed: bool = False

    def request(self, now: float) -> Probe:
        """Return the request, over the last hour before `now` (seconds since 1970)."""
        if self.posts is None:
            return Probe(path=self.path)
        end = int(now * 1000)
        times = {"start": end - _HOUR_MILLISECONDS, "end": end} if self.timed else {}
        return Probe(path=self.path, send=json.dumps({**times, **self.posts}))


@dataclass(frozen=True, kw_only=True)
class Known:
    """The read paths of a program in the versions from `since` to before `until`."""

    since: Version
    until: Version
    paths: tuple[ReadPath, ...]

    def has(self, version: Version) -> bool:
        """Return whether the paths of that version are known."""
        return self.since <= version < self.until


def _posted(method: str, *, timed: bool = True, **fields: object) -> ReadPath:
    # Pyroscope 2.0.4 refuses queries without a time range, or with one of more than a day.
    return ReadPath(path=f"{_QUERIER}/{method}", posts=fields, timed=timed)


READ_PATHS: Mapping[ServiceKind, Known] = {
    "tempo": Known(
        since=(2, 3),
        until=(3, 1),
        paths=(
            ReadPath(path="/api/search?limit=1"),
            ReadPath(path="/api/search/tags"),
            ReadPath(path="/api/search/tag/run/values"),
            ReadPath(path="/api/v2/search/tags"),
            ReadPath(path="/api/v2/search/tag/.run/values"),
            # An unknown trace is 200 here, and 404 without /v2. 2.3.1 does not have it.
            ReadPath(path="/api/v2/traces/0123456789abcdef0123456789abcdef", since=(2, 9)),
            # 2.9.0 answers 500 without a metrics generator.
            ReadPath(path="/api/metrics/query_range?q=%7B%7D%7Crate()", since=(3, 0)),
        ),
    ),
    "loki": Known(
        since=(3, 5),
        until=(3, 6),
        paths=(
            ReadPath(path="/loki/api/v1/labels"),
            ReadPath(path="/loki/api/v1/label/job/values"),
            ReadPath(path="/loki/api/v1/series"),
            ReadPath(path="/loki/api/v1/query_range?query=%7Bjob%3D%22none%22%7D"),
            ReadPath(path="/loki/api/v1/index/stats?query=%7Bjob%3D%22x%22%7D"),
            ReadPath(path="/loki/api/v1/index/volume?query=%7Bjob%3D%22x%22%7D"),
            ReadPath(path="/loki/api/v1/detected_labels"),
        ),
    ),
    "mimir": Known(
        since=(2, 16),
        until=(2, 17),
        paths=(
            ReadPath(path="/prometheus/api/v1/labels"),
            ReadPath(path="/prometheus/api/v1/label/job/values"),
            ReadPath(path="/prometheus/api/v1/query?query=none"),
            ReadPath(path="/prometheus/api/v1/query_exemplars?query=x"),
            ReadPath(path="/prometheus/api/v1/metadata"),
            ReadPath(path="/prometheus/api/v1/rules"),
        ),
    ),
    "pyroscope": Known(
        since=(1, 13),
        until=(2, 1),
        paths=(
            _posted("LabelNames"),
            _posted("LabelValues", name="service_name"),
            _posted("Series", matchers=[], labelNames=["run", "service_name", "__profile_type__"]),
            _posted("ProfileTypes"),
            _posted("SelectMergeStacktraces", profileTypeID=_CPU, labelSelector="{}"),
            _posted("GetProfileStats", timed=False),
            ReadPath(path=f"/pyroscope/render?query={_CPU_QUERY}&from=now-1h"),
        ),
    ),
}


def read_requests(service: Service, now: float) -> tuple[Probe, ...]:
    """Return the requests for all read paths of the service's kind, whichever version has them.

    The version of the image that runs is not known, and a path that neither image has says nothing.
    """
    known = READ_PATHS.get(kind_of(service))
    return tuple(each.request(now) for each in known.paths) if known else ()


def known_paths(service: Service) -> frozenset[str]:
    """Return the paths that the service's new version answers, by the recordings; empty where it is not known."""
    known, version = READ_PATHS.get(kind_of(service)), numbers(service.version)
    if known is None or not known.has(version):
        return frozenset()
    return frozenset(each.path for each in known.paths if each.since <= version)
