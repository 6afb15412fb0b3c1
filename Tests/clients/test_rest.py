"""Requests of every shape to every REST route, made by schemathesis from the gateway's own OpenAPI document:
whatever is sent, the answer is one that the document names, and never a defect (status 500). They come with a
token of the role admin, since what is refused before it is read tests nothing."""

import subprocess

import pytest
import requests
import schemathesis
from conftest import Daemon
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]

# Has no end to wait for; the tests in Swift follow it.
STREAM = "/api/events/blocks"


# Two accounts of the devnet.
ALICE = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
BOB = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@pytest.fixture(scope="module")
def node(request, tmp_path_factory):
    """A devnet with some transfers and a list of flagged addresses."""
    labels = tmp_path_factory.mktemp("labels") / "labels.csv"
    labels.write_text(f"address,label\n{BOB},mixer\n")
    daemon = Daemon(request.config.getoption("--apus"), "--set", f"analytics.labels={labels}")
    for amount in range(1, 4):
        order = {"from": ALICE, "to": BOB, "amount": str(amount)}
        requests.post(
            f"http://127.0.0.1:{daemon.rest_port}/api/transaction", json=order, timeout=30
        ).raise_for_status()
    yield daemon
    daemon.stop()


@pytest.fixture(scope="module")
def base(node):
    return f"http://127.0.0.1:{node.rest_port}"


@pytest.fixture(scope="module")
def admin(request, node):
    """The headers of a service that may do everything."""
    token = subprocess.run(
        [request.config.getoption("--apus"), "jwt", "new", "--key", f"{node.datadir}/gateway.key",
         "--service", "tests", "--role", "admin"],
        check=True, capture_output=True, text=True).stdout.strip()
    return {"Authorization": f"Bearer {token}"}


def test_the_routes_of_admins_answer(base, admin):
    for path in ["/api/analytics/export/blocks", "/api/analytics/risk/evaluation"]:
        assert requests.get(base + path, timeout=30).status_code == 401
        assert requests.get(base + path, headers=admin, timeout=30).status_code in (200, 409)
    table = requests.get(f"{base}/api/analytics/export/transactions", headers=admin, timeout=30)
    assert len(table.text.splitlines()) == 4


def test_every_answer_is_one_that_the_document_names(base, admin):
    schema = schemathesis.openapi.from_url(f"{base}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 20
    for operation in operations:
        if operation.path == STREAM:
            continue

        @given(case=operation.as_strategy())
        @settings(
            max_examples=40, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck))
        def check(case):
            response = case.call(timeout=30, headers=admin)
            assert response.status_code not in (401, 403)
            case.validate_response(response, checks=CHECKS)
            if response.status_code >= 400:
                problem = response.json()
                assert problem["status"] == response.status_code
                assert problem["request_id"]

        check()
    health = requests.get(f"{base}/health", headers=admin, timeout=30)
    assert health.status_code == 200 and health.json()["status"] == "healthy"
