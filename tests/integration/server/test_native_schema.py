"""Requests made up from the OpenAPI schema: no answer is a server's error, and every answer is as documented."""

import contextlib
import itertools

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.testclient import TestClient

from praxino.jobs.job import WorkerInfo
from praxino.server.app import create_app

OWN = "^/(api/v1|healthz|readyz|metrics)"
EXAMPLES = 20
"""Of each route and mode: a few seconds in all."""
SLOW = {"/api/v1/uploads": 4}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture
def documented(settings, store, folder):
    app = create_app(settings, store, folder)
    with TestClient(app):
        yield schemathesis.openapi.from_asgi("/openapi.json", app).include(path_regex=OWN)


@pytest.fixture
def done(documented, store, folder):
    """Jobs that have succeeded: nothing that is sent about them makes them wait again."""
    client = TestClient(documented.app, base_url="http://127.0.0.1")
    store.start_worker(WorkerInfo("w", "cpu", "here", 1))
    jobs = []
    for _ in range(2):
        assert client.post("/api/v1/jobs", json={"request": {"prompt": "a"}}).status_code == 201
        lease = store.claim("w").lease
        jobs.append(store.complete(lease, folder.write(lease, lambda place: (place / "a.gif").write_bytes(b"GIF89a"))))
    return jobs


class Asking:
    """Sends requests of one route, and checks the answers."""

    def __init__(self, real):
        self.real = real
        self.turns = itertools.count()
        self.statuses = set()

    def __call__(self, case):
        turn = next(self.turns)
        case.headers = {**(case.headers or {}), "Host": "127.0.0.1"}
        for name in set(case.path_parameters or ()) & set(self.real) if turn % 2 else ():
            case.path_parameters[name] = self.real[name][turn // 2 % len(self.real[name])]
        answer = case.call()
        self.statuses.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_answers_are_as_documented(documented, done, mode):
    """Ids are made up in one half of the requests, and real in the other."""
    real = {"job_id": [job.id for job in done], "name": [job.result[0].name for job in done]}
    statuses = {}
    for found in documented.get_all_operations():
        operation, asking = found.ok(), Asking(real)
        cases = operation.as_strategy(generation_mode=mode)
        bounded = hypothesis.settings(
            max_examples=SLOW.get(operation.path, EXAMPLES),
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        with contextlib.suppress(Unsatisfiable):
            bounded(_given(cases, asking))()
        statuses[f"{operation.method.upper()} {operation.path}"] = asking.statuses
    assert {201, 422} <= statuses["POST /api/v1/jobs"]
    assert {200, 404} <= statuses["GET /api/v1/jobs/{job_id}"]
    assert {200, 404} <= statuses["GET /api/v1/jobs/{job_id}/events"]
    assert {200, 404} <= statuses["GET /api/v1/jobs/{job_id}/result"]
    assert {404, 409} <= statuses["POST /api/v1/jobs/{job_id}/retry"]
    assert 200 in statuses["GET /api/v1/files/{name}"]


def _given(cases, asking):
    @given(case=cases)
    def check(case):
        asking(case)

    return check
