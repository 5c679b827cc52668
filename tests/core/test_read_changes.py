"""What becomes of the paths that read data, judged by what the real servers answered."""

import json
from dataclasses import asdict, replace

import pytest

from lgtm_deploy.core.contract import Contract, Reply, Trial
from lgtm_deploy.core.handover import cause_under_prefix
from lgtm_deploy.core.read_changes import lost_reads, read_summary, shown_reads
from lgtm_deploy.core.stack import Health, Paths, Probe, Service
from lgtm_deploy.core.trial import losses, questions, table
from lgtm_deploy.core.values import typed
from tests.core.recordings import reply_of
from tests.stacks import make_service

# No paths, probes or expectations: as little as a stack file can say.
TEMPO = make_service(name="tempo", version="2.9.0", prefix="/tempo", health=Health(path="/ready"))
PYROSCOPE = make_service(name="pyroscope", version="2.0.4", prefix="/pyroscope", health=Health(path="/pyroscope/ready"))


def trial(service: Service, name: str) -> Trial:
    """The recorded server, asked all that an image is asked."""
    asked = questions(service, "/ready", (), "arn:group", now=1_796_000_000.0)
    return Trial(
        replies=tuple(reply_of(name, probe) for probe in (*asked.paths, *asked.expects)),
        reads=tuple(reply_of(name, probe) for probe in asked.reads),
    )


def change(service: Service, before: str, after: str) -> Contract:
    return Contract(
        old_path="/ready", new_path=service.health.path, old=trial(service, before), new=trial(service, after)
    )


def told(service: Service, contract: Contract) -> str:
    return "; ".join(lost_reads(service, contract))


def cause(service: Service, contract: Contract) -> str:
    return cause_under_prefix(service, (*contract.new.replies, *contract.new.reads))


def test_tempo_2_3_1_under_the_path_prefix_loses_its_reads_although_its_health_check_is_green() -> None:
    service = replace(TEMPO, version="2.3.1", health=Health(path="/tempo/ready"))
    contract = change(service, "tempo-2.3.1-plain", "tempo-2.3.1-path-prefix")

    assert told(service, contract).startswith(
        "GET /api/search answers 200 now, and the new image answers 500 (upstream: (404) 404 page not found) at "
        "/tempo/api/search; "
    )
    assert cause(service, contract).startswith("Tempo's parts do not find each other under this prefix")
    assert "`http_api_prefix: /tempo`" in cause(service, contract)


def test_a_moved_path_with_an_error_of_the_server_is_lost() -> None:
    service = replace(TEMPO, version="2.3.1", paths=Paths(moves=("/api/search",)))
    asked = questions(service, "/ready", (), "arn:group", now=1_796_000_000.0)
    assert "/tempo/api/search" in [probe.path for probe in asked.paths]
    contract = change(service, "tempo-2.3.1-plain", "tempo-2.3.1-path-prefix")

    assert losses(service, contract, ()) == (
        "the stack file says that /api/search moves to /tempo/api/search, on which the new image answers 500 "
        "(upstream: (404) 404 page not found)",
    )


@pytest.mark.parametrize("version", ["2.9.0", "3.0.3"])
def test_tempo_from_2_4_on_serves_nothing_under_the_path_prefix(version: str) -> None:
    service = replace(TEMPO, version=version)
    contract = change(service, f"tempo-{version}-plain", f"tempo-{version}-path-prefix")

    assert "GET /api/search answers 200 now, and the new image answers 404 (404 page not found)" in told(
        service, contract
    )
    assert cause(service, contract) == (
        f"Tempo {version} serves no route but /tempo/metrics: no release from 1.5 on can read with "
        "`server.http_path_prefix`. Set the top-level `http_api_prefix: /tempo` instead, and leave the health check on "
        "/ready."
    )


@pytest.mark.parametrize("version", ["2.3.1", "2.9.0", "3.0.3"])
@pytest.mark.parametrize("health", ["/ready", "/tempo/ready"])
def test_tempo_under_the_path_prefix_is_explained_wherever_its_health_is_checked(version: str, health: str) -> None:
    service = replace(TEMPO, version=version, health=Health(path=health))
    name = f"tempo-{version}-path-prefix"
    checks = [reply_of(name, Probe(path=path)) for path in dict.fromkeys(("/ready", health))]
    is_ready = any(reply.succeeds for reply in checks)

    reads = trial(service, name).reads if is_ready else ()
    found = cause_under_prefix(service, (*checks, *reads))

    assert is_ready is ((version, health) == ("2.3.1", "/tempo/ready"))
    assert "no release from 1.5 on can read with `server.http_path_prefix`" in found
    assert "`http_api_prefix: /tempo`" in found


@pytest.mark.parametrize(
    ("service", "before", "after", "summary"),
    [
        (TEMPO, "tempo-2.9.0-plain", "tempo-2.9.0-plain", "6 read paths of Tempo 2.9.0: 6 answer as before"),
        (TEMPO, "tempo-2.9.0-plain", "tempo-2.9.0-api-prefix", "6 read paths of Tempo 2.9.0: 6 answer under /tempo"),
        (
            TEMPO,
            "tempo-2.3.1-plain",
            "tempo-2.9.0-api-prefix",
            "6 read paths of Tempo 2.9.0: 5 answer under /tempo, 1 new",
        ),
        (
            PYROSCOPE,
            "pyroscope-2.0.4-plain",
            "pyroscope-2.0.4-path-prefix",
            "7 read paths of Pyroscope 2.0.4: 7 answer under /pyroscope",
        ),
        (
            replace(PYROSCOPE, paths=Paths(drops=("/pyroscope/render",))),
            "pyroscope-1.13.5-plain",
            "pyroscope-2.0.4-plain",
            "7 read paths of Pyroscope 2.0.4: 7 answer as before",
        ),
    ],
)
def test_a_correct_change_needs_nothing_of_the_stack_file(
    service: Service, before: str, after: str, summary: str
) -> None:
    contract = change(service, before, after)

    assert lost_reads(service, contract) == ()
    assert cause(service, contract) == ""
    assert read_summary(service, contract) == (summary,)
    assert shown_reads(service, contract) == ()


def test_a_declared_drop_is_no_loss_and_is_shown() -> None:
    service = replace(TEMPO, prefix="", paths=Paths(drops=("/api/search",)))
    contract = change(service, "tempo-2.9.0-plain", "tempo-2.9.0-path-prefix")
    contract = replace(
        contract,
        new=replace(
            contract.new,
            reads=tuple(
                old if not old.path.startswith("/api/search") else new
                for old, new in zip(contract.old.reads, contract.new.reads, strict=True)
            ),
        ),
    )

    assert lost_reads(service, contract) == ()
    assert "3 answer as before, 3 dropped" in read_summary(service, contract)[0]
    assert "/api/search/tags" in shown_reads(service, contract)


def test_pyroscope_1_13_5_under_the_prefix_hangs_and_is_refused_by_its_reads() -> None:
    service = replace(PYROSCOPE, version="1.13.5")
    contract = change(service, "pyroscope-1.13.5-plain", "pyroscope-1.13.5-path-prefix")

    assert told(service, contract).startswith(
        "POST /querier.v1.QuerierService/LabelNames answers 200 now, and the new image does not answer within 3"
    )
    assert "Pyroscope 1.13.5 asks itself without the prefix" in cause(service, contract)
    assert "Use 2.0.4" in cause(service, contract)


def test_ingest_is_asked_by_post_and_is_there_under_the_prefix() -> None:
    service = replace(PYROSCOPE, paths=Paths(moves=("/ingest", "/querier.v1.QuerierService/LabelNames")))
    asked = {probe.path: probe.verb for probe in questions(service, "/ready", (), "arn:g", now=0.0).paths}
    contract = change(service, "pyroscope-2.0.4-plain", "pyroscope-2.0.4-path-prefix")

    assert asked == {"/ingest": "POST", "/pyroscope/ingest": "POST"}
    assert contract.new.on("/pyroscope/ingest").status == 400
    assert losses(service, contract, ()) == ()


def with_answer(contract: Contract, path: str, status: int) -> Contract:
    """The same, but the new image answers so on one path."""
    reads = tuple(
        replace(reply, status=status, body="x") if reply.path.partition("?")[0] == path else reply
        for reply in contract.new.reads
    )
    return replace(contract, new=replace(contract.new, reads=reads))


@pytest.mark.parametrize(
    ("status", "lost"),
    [(500, "answers 500 (x)"), (503, "answers 503 (x)"), (404, "answers 404 (x)"), (405, "answers 405"), (401, "")],
)
def test_one_read_path_is_enough(status: int, lost: str) -> None:
    service = replace(TEMPO, prefix="")
    contract = with_answer(change(service, "tempo-2.9.0-plain", "tempo-2.9.0-plain"), "/api/v2/search/tags", status)

    found = lost_reads(service, contract)

    assert bool(found) is bool(lost)
    assert all(lost in each for each in found)
    assert shown_reads(service, contract) == ("/api/v2/search/tags",)
    assert ("1 lost" if lost else "1 changed") in read_summary(service, contract)[0]


def test_what_was_under_the_prefix_already_must_stay_there() -> None:
    contract = change(TEMPO, "tempo-2.9.0-api-prefix", "tempo-2.9.0-plain")

    assert told(TEMPO, contract).startswith("GET /tempo/api/search answers 200 now, and the new image answers 404")


def test_what_the_stack_file_says_stays_must_not_move() -> None:
    service = replace(TEMPO, paths=Paths(keeps=("/api/search",)))
    contract = change(service, "tempo-2.9.0-plain", "tempo-2.9.0-api-prefix")

    assert told(service, contract).startswith("GET /api/search answers 200 now, and the new image answers 404")


def test_what_fails_on_both_images_is_no_loss() -> None:
    contract = change(TEMPO, "tempo-2.3.1-path-prefix", "tempo-2.3.1-path-prefix")

    assert lost_reads(TEMPO, contract) == ()
    assert "fail on both" in read_summary(TEMPO, contract)[0]


@pytest.mark.parametrize(("version", "refused"), [("2.3.1", True), ("9.9.9", False)])
def test_without_an_image_to_compare_with_the_recordings_tell_what_a_version_answers(
    version: str, refused: bool
) -> None:
    service = replace(TEMPO, version=version)
    contract = replace(change(service, "tempo-2.3.1-plain", "tempo-2.3.1-path-prefix"), old=Trial())

    assert ("GET /api/search: the new image answers 500" in told(service, contract)) is refused


@pytest.mark.parametrize("version", ["2.9.0", "3.0.3"])
@pytest.mark.parametrize("status", [404, 405])
def test_without_an_image_to_compare_with_a_listed_path_that_is_not_there_is_lost(version: str, status: int) -> None:
    service = replace(TEMPO, version=version)
    requests = questions(service, "/ready", (), "arn:group", now=0.0).reads
    silent = Trial(reads=tuple(Reply(path=each.path, status=status, body="x") for each in requests))
    contract = Contract(old_path="/ready", new_path="/ready", new=silent)

    assert f"GET /api/search: the new image answers {status} (x)" in told(service, contract)
    drops = replace(service, paths=Paths(drops=("/api",)))
    assert lost_reads(drops, contract) == ()
    assert "dropped" in read_summary(drops, contract)[0]


def test_without_an_image_to_compare_with_paths_fail_and_not_on_both() -> None:
    contract = replace(change(TEMPO, "tempo-2.9.0-plain", "tempo-2.9.0-plain"), old=Trial())
    contract = replace(
        contract, new=replace(contract.new, reads=tuple(replace(reply, status=401) for reply in contract.new.reads))
    )

    assert lost_reads(TEMPO, contract) == ()
    assert read_summary(TEMPO, contract) == ("6 read paths of Tempo 2.9.0: 6 fail",)


@pytest.mark.parametrize(
    ("service", "name"), [(TEMPO, "tempo-2.9.0-api-prefix"), (PYROSCOPE, "pyroscope-2.0.4-path-prefix")]
)
def test_without_an_image_to_compare_with_a_correct_image_is_not_refused(service: Service, name: str) -> None:
    contract = replace(change(service, name, name), old=Trial())

    assert lost_reads(service, contract) == ()


def test_a_kind_or_version_that_the_list_does_not_know_is_told_in_one_line() -> None:
    grafana, newer = make_service(name="grafana", version="12.1.0"), replace(TEMPO, version="9.9.9")

    assert read_summary(grafana, Contract(old_path="/a", new_path="/a")) == (
        "no read paths are known for grafana: only declared paths were asked",
    )
    assert read_summary(newer, change(newer, "tempo-3.0.3-plain", "tempo-3.0.3-plain"))[1:] == (
        "Tempo 9.9.9 is not in the list of read paths: those of other versions were asked",
    )


def test_the_table_shows_what_is_declared_or_lost_and_counts_the_rest() -> None:
    service = replace(TEMPO, prefix="", paths=Paths(moves=(), keeps=("/api/search/tags",)))
    contract = with_answer(change(service, "tempo-2.9.0-plain", "tempo-2.9.0-plain"), "/api/v2/search/tags", 500)
    contract = replace(contract, new=replace(contract.new, replies=(Reply(path="/ready", status=200, healthy=True),)))

    lines = table(service, contract)

    assert [line.split()[0] for line in lines[1:-1]] == ["/ready", "/api/search/tags", "/api/v2/search/tags"]
    assert lines[-1] == "6 read paths of Tempo 2.9.0: 5 answer as before, 1 lost"
    assert all(len(line) <= 76 for line in lines)


def test_a_journaled_result_is_read_back_whole_and_one_of_an_earlier_release_too() -> None:
    contract = change(TEMPO, "tempo-2.9.0-plain", "tempo-2.9.0-api-prefix")
    written = json.loads(json.dumps(asdict(contract)))

    assert typed(Contract, written) == contract

    for image in (written["new"], written["old"]):
        del image["reads"]
        image["replies"] = [{"path": "/ready", "status": 200, "body": "ready", "healthy": True, "late": 0.0}]
    assert typed(Contract, written).new == Trial(
        replies=(Reply(path="/ready", status=200, body="ready", healthy=True),),
    )
