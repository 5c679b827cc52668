"""Ports of sandboxes that run side by side."""

import socket
from pathlib import Path

import pytest

from lgtm_deploy.sandbox import ports
from lgtm_deploy.sandbox.home import Home


def silent(_text: str) -> None:
    return


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(path=tmp_path)


def test_a_sandbox_keeps_its_ports(home: Home) -> None:
    place = home.place("a")
    assert ports.ports_for(home, place, silent) == ports.ports_for(home, place, silent)


def test_a_port_that_somebody_took_meanwhile_is_given_up(home: Home) -> None:
    place = home.place("a")
    before = ports.ports_for(home, place, silent)
    with socket.socket() as other:
        other.bind((ports.LOOPBACK, before.gateway))
        other.listen()
        after = ports.ports_for(home, place, silent)
    assert after.gateway != before.gateway


def test_no_two_sandboxes_of_a_home_share_a_port(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "FIRST", 25_000)
    monkeypatch.setattr(ports, "LAST", 25_040)
    given = [ports.ports_for(home, home.place(f"s{number}"), silent) for number in range(6)]
    numbers = [port for each in given for port in (each.gateway, each.balancer)]
    assert len(set(numbers)) == len(numbers)


def test_every_port_has_five_digits(home: Home) -> None:
    # A golden state moves to other ports by replacing text of the same length.
    assert {len(str(ports.FIRST)), len(str(ports.LAST))} == {5}
