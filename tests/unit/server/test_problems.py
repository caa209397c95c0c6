from datetime import UTC, datetime

import pytest
from starlette.exceptions import HTTPException

from praxino.errors import JobError, ModelError, UserError
from praxino.jobs.job import CostSpent, KeyReused, QueueFull, StoreUnavailable, UnknownJob, WrongState
from praxino.server import problems
from praxino.server.problems import Problem, in_fields, problem_of


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UserError("no"), 422, "invalid_request"),
        (UnknownJob("there is no job 'x'; see: praxino jobs list"), 404, "not_found"),
        (KeyReused("no"), 422, "idempotency_key_reused"),
        (QueueFull("no"), 429, "queue_full"),
        (CostSpent("no"), 429, "credits_spent"),
        (WrongState("no"), 409, "wrong_state"),
        (StoreUnavailable("no"), 503, "unavailable"),
        (ModelError("no"), 500, "model_error"),
        (JobError("no"), 500, "job_error"),
        (HTTPException(405), 405, "method_not_allowed"),
        (ZeroDivisionError("secret"), 500, "internal_error"),
        (Problem(418, "teapot", "short and stout"), 418, "teapot"),
    ],
)
def test_what_errors_mean(error, status, code):
    problem = problem_of(error)
    assert (problem.status_code, problem.code) == (status, code)
    assert "secret" not in problem.message
    assert "praxino jobs" not in problem.message
    assert ("Retry-After" in (problem.headers or {})) == (status in (429, 503))


def test_a_body_has_what_and_how_to_help():
    assert Problem(400, "odd", "That is odd.").body() == {"error": {"code": "odd", "message": "That is odd."}}
    assert Problem(400, "odd", "That is odd.", "Do not.").body()["error"]["fix"] == "Do not."


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("--steps is 5000", "steps is 5000"),
        ("--negative and --keyframe exclude", "negative_prompt and keyframes exclude"),
        ("lower --fps or write a .webp", "lower fps or write a .webp"),
        ("--no-such-flag stays", "--no-such-flag stays"),
        ("a--steps b", "a--steps b"),
    ],
)
def test_flags_are_told_as_fields(message, said):
    assert in_fields(message) == said


def test_midnight(monkeypatch):
    class Clock(datetime):
        @classmethod
        def now(cls, zone=None):
            return datetime(2026, 2, 28, 23, 59, 30, tzinfo=UTC)

    monkeypatch.setattr(problems, "datetime", Clock)
    assert problems.seconds_to_midnight() == 30
