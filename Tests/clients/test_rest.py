"""Requests of every shape to every REST route, made by schemathesis from the gateway's own OpenAPI document:
whatever is sent, the answer is one that the document names, and never a defect (status 500)."""

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


@pytest.fixture(scope="module")
def base(request):
    daemon = Daemon(request.config.getoption("--apus"))
    yield f"http://127.0.0.1:{daemon.rest_port}"
    daemon.stop()


def test_every_answer_is_one_that_the_document_names(base):
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
            response = case.call(timeout=30)
            case.validate_response(response, checks=CHECKS)
            if response.status_code >= 400:
                problem = response.json()
                assert problem["status"] == response.status_code
                assert problem["request_id"]

        check()
    health = requests.get(f"{base}/health", timeout=30)
    assert health.status_code == 200 and health.json()["status"] == "healthy"
