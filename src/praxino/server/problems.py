"""What goes wrong, as HTTP says it: a status, and {"error": {"code", "message", "fix"?}}.

A dialect that words its errors otherwise registers a format for its paths with `word_errors`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from praxino.errors import ModelError, PraxinoError, UserError
from praxino.jobs.job import CostSpent, KeyReused, QueueFull, StoreUnavailable, UnknownJob, WrongState
from praxino.request import flag, options

QUEUE_FULL_RETRY_SECONDS = 15
UNAVAILABLE_RETRY_SECONDS = 5
MAX_MESSAGE_CHARACTERS = 1000

ErrorFormat = Callable[["Problem"], Mapping[str, Any]]
"""A problem as the JSON body of an answer."""


class Problem(HTTPException):
    """An answer that is an error. `code` is for programs, `message` for people; `fix` says what would help."""

    def __init__(
        self, status: int, code: str, message: str, fix: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message, headers)
        self.code = code
        self.message = message[:MAX_MESSAGE_CHARACTERS]
        self.fix = fix

    def body(self) -> dict[str, Any]:
        """The native format."""
        fix = {"fix": self.fix} if self.fix else {}
        return {"error": {"code": self.code, "message": self.message, **fix}}


def problem_of(problem: Exception) -> Problem:
    """What an error of any room means to a client."""
    if isinstance(problem, Problem):
        return problem
    if isinstance(problem, RequestValidationError):
        return Problem(422, "invalid_request", _validation_message(problem))
    if isinstance(problem, HTTPException):
        phrase = HTTPStatus(problem.status_code).phrase
        return Problem(problem.status_code, _code(phrase), f"{phrase}.", headers=problem.headers)
    if isinstance(problem, PraxinoError):
        return _of_praxino(problem)
    return Problem(500, "internal_error", "The server met an error nobody foresaw; its log has the details.")


def _of_praxino(problem: PraxinoError) -> Problem:
    said = in_fields(str(problem))
    if isinstance(problem, UnknownJob):
        return Problem(404, "not_found", said.partition(";")[0] + ".")
    if isinstance(problem, KeyReused):
        return Problem(422, "idempotency_key_reused", said)
    if isinstance(problem, QueueFull):
        return Problem(429, "queue_full", said, headers=_retry_after(QUEUE_FULL_RETRY_SECONDS))
    if isinstance(problem, CostSpent):
        return Problem(429, "credits_spent", said, headers=_retry_after(seconds_to_midnight()))
    if isinstance(problem, WrongState):
        return Problem(409, "wrong_state", said)
    if isinstance(problem, StoreUnavailable):
        message = "The database cannot be reached at the moment; send the same request again."
        return Problem(503, "unavailable", message, headers=_retry_after(UNAVAILABLE_RETRY_SECONDS))
    if isinstance(problem, UserError):
        return Problem(422, "invalid_request", said)
    status, code = (500, "model_error") if isinstance(problem, ModelError) else (500, "job_error")
    return Problem(status, code, said)


def seconds_to_midnight() -> int:
    """Until the next day begins in UTC, when credits are reset."""
    now = datetime.now(UTC)
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(1, round((midnight - now).total_seconds()))


def in_fields(message: str) -> str:
    """A message that names the command's flags, with the names of a Request's fields instead."""
    fields = {flag(name): name for name in options()}
    return re.sub(r"(?<![\w-])--[a-z][a-z-]*", lambda found: fields.get(found[0], found[0]), message)


def word_errors(app: FastAPI, prefix: str, format: ErrorFormat) -> None:
    """Have errors of paths that begin with `prefix` told in a format of their own."""
    app.state.error_formats[prefix] = format


def handle_problems(app: FastAPI) -> None:
    """Have every error of an app answered as this module says."""
    app.state.error_formats = {}

    async def answer(request: Request, error: Exception) -> JSONResponse:
        problem = problem_of(error)
        prefixes = [prefix for prefix in app.state.error_formats if request.url.path.startswith(prefix)]
        format = app.state.error_formats[max(prefixes, key=len)] if prefixes else Problem.body
        return JSONResponse(format(problem), problem.status_code, problem.headers)

    for kind in (HTTPException, RequestValidationError, PraxinoError, Exception):
        app.add_exception_handler(kind, answer)


def _retry_after(seconds: int) -> dict[str, str]:
    return {"Retry-After": str(seconds)}


def _code(phrase: str) -> str:
    return re.sub(r"\W+", "_", phrase.lower()).strip("_")


def _validation_message(problem: RequestValidationError) -> str:
    told = [f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}" for error in problem.errors()]
    return "; ".join(told)
