"""Errors as OpenAI's API words them: {"error": {"message", "type", "param", "code"}}, with its statuses."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from praxino.server.dialects import route_class
from praxino.server.problems import Problem

_CODES = {
    "unauthorized": "invalid_api_key",
    "rate_limited": "rate_limit_exceeded",
    "queue_full": "rate_limit_exceeded",
    "credits_spent": "insufficient_quota",
}
_TYPES = {403: "permission_error", 429: "rate_limit_error"}
NO_RETRY = {"x-should-retry": "false"}
"""OpenAI's clients send a request again after 409 and 5xx unless they are told not to."""


class Refusal(Problem):
    """Something about one parameter of a request."""

    def __init__(self, param: str, message: str, code: str = "invalid_value", status: int = 400) -> None:
        super().__init__(status, code, message)
        self.param = param


def translated(problem: Problem) -> Problem:
    """A native problem with OpenAI's status and code."""
    if isinstance(problem, Refusal):
        return problem
    status = 400 if problem.status_code == 422 else problem.status_code
    headers = {**NO_RETRY, **(problem.headers or {})} if status == 409 else problem.headers
    return Problem(status, _CODES.get(problem.code, problem.code), problem.message, problem.fix, headers)


def body_of(problem: Problem) -> dict[str, Any]:
    """The JSON body of an answer."""
    message = f"{problem.message} {problem.fix}".strip()
    kind = "server_error" if problem.status_code >= 500 else _TYPES.get(problem.status_code, "invalid_request_error")
    param = problem.param if isinstance(problem, Refusal) else None
    return {"error": {"message": message, "type": kind, "param": param, "code": problem.code}}


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorView(BaseModel):
    """Every answer that is an error."""

    error: ErrorDetail


ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorView, "description": "An error"}
    for status in (400, 401, 403, 404, 408, 409, 413, 415, 429, 500, 503)
}
"""Of every route, for its documentation."""
OpenAIRoute = route_class(translated)
