"""Grafana's stand-in: health, the login page that answers for others, annotations, data sources."""

from __future__ import annotations

from pathlib import Path

import pytest

ADMIN = ("admin", "secret")


@pytest.fixture
def grafana(start, port, tmp_path: Path):
    sources = tmp_path / "provisioning" / "datasources"
    sources.mkdir(parents=True)
    source = f"""
datasources:
  - {{name: Itself, uid: itself, type: unknown, url: "http://127.0.0.1:{port}/api/health",
      jsonData: {{httpHeaderName1: X-Scope-OrgID}}, secureJsonData: {{httpHeaderValue1: $LGTM_TENANT}}}}
  - {{name: Nowhere, uid: nowhere, type: tempo, url: "http://nowhere.invalid:3200/tempo"}}
"""
    (sources / "sources.yaml").write_text(source)
    settings = {
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_SECURITY_ADMIN_PASSWORD": "secret",
        "GF_PATHS_PROVISIONING": str(tmp_path / "provisioning"),
        "GF_PATHS_CONFIG": str(tmp_path / "none.ini"),
        "LGTM_TENANT": "demo",
    }
    return start("grafana", "12.1.0", **settings)


def test_health_tells_database_and_version(grafana) -> None:
    health = grafana.get("/api/health").json()
    assert (health["database"], health["version"]) == ("ok", "12.1.0")


def test_an_unknown_path_leads_to_a_login_page_that_is_200(grafana) -> None:
    for path in ("/ready", "/tempo/api/echo", "/"):
        answer = grafana.get(path)
        assert (answer.status_code, answer.headers["location"]) == (302, "/login")
        followed = grafana.get(path, follow_redirects=True)
        assert followed.status_code == 200
        assert "<title>Grafana</title>" in followed.text


def test_an_annotation_is_written_read_and_removed(grafana) -> None:
    made = grafana.post("/api/annotations", json={"text": "verify", "tags": ["run:7"]}, auth=ADMIN).json()
    found = grafana.get("/api/annotations", params={"tags": "run:7"}, auth=ADMIN).json()
    assert [(one["id"], one["text"]) for one in found] == [(made["id"], "verify")]
    assert grafana.get("/api/annotations", params={"tags": "run:8"}, auth=ADMIN).json() == []
    assert grafana.client.delete(f"/api/annotations/{made['id']}", auth=ADMIN).status_code == 200
    assert grafana.get(f"/api/annotations/{made['id']}", auth=ADMIN).status_code == 404


def test_the_api_needs_credentials(grafana) -> None:
    assert grafana.get("/api/annotations").status_code == 401
    assert grafana.get("/api/datasources", auth=("admin", "wrong")).status_code == 401


def test_a_data_source_tells_whether_it_answers(grafana) -> None:
    assert [one["uid"] for one in grafana.get("/api/datasources", auth=ADMIN).json()] == ["itself", "nowhere"]
    assert "secureJsonData" not in grafana.get("/api/datasources/uid/itself", auth=ADMIN).text
    broken = grafana.get("/api/datasources/uid/nowhere/health", auth=ADMIN)
    assert (broken.status_code, broken.json()["status"]) == (400, "ERROR")
    assert "nowhere.invalid" in broken.json()["message"]
