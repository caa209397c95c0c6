"""What the API's dialects share: routes whose errors are told in a dialect's own words, and statuses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from praxino.errors import PraxinoError
from praxino.server.problems import Problem, problem_of

Translation = Callable[[Problem], Problem]
"""A problem of the native API as a dialect has it: another status or code, more headers."""


def route_class(translate: Translation) -> type[APIRoute]:
    """Routes that translate every foreseen problem. Its body is worded by `praxino.server.problems.word_errors`."""

    class TranslatingRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            return _translating(super().get_route_handler(), translate)

    return TranslatingRoute


def _translating(
    handle: Callable[[Request], Awaitable[Response]], translate: Translation
) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def answer(request: Request) -> Response:
        try:
            return await handle(request)
        except (HTTPException, RequestValidationError, PraxinoError) as problem:
            raise translate(problem_of(problem)) from problem

    return answer
