import pytest

from dynascope_workbench.access import refusal


@pytest.mark.parametrize("host", ["localhost:5006", "127.0.0.1:80", "[::1]:5006", "LOCALHOST", "127.0.0.1"])
def test_this_machine_may_come_in(host):
    assert refusal({"Host": host}) is None


STRANGERS = ["evil.example", "evil.example:5006", "10.0.0.7:5006", "localhost.evil.example", "[fe80::1]:80", ""]


@pytest.mark.parametrize("host", STRANGERS)
def test_others_are_refused(host):
    assert "serves only its own machine" in refusal({"host": host})


def test_others_may_be_named(monkeypatch):
    monkeypatch.setenv("DYNASCOPE_ALLOWED_HOSTS", "lab.example, other")
    assert refusal({"Host": "lab.example:443"}) is None
    assert refusal({"Host": "evil.example"}) is not None


def test_no_request_is_no_refusal():
    assert refusal({}) is None
