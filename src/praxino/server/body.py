"""Reads request bodies: bounded in size and time, of the type that was said, and nothing but JSON or a form."""

from __future__ import annotations

import json
import time
from typing import Any

import anyio
from anyio.to_thread import run_sync
from fastapi import Request
from starlette.datastructures import FormData, Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from praxino.server.problems import Problem, problem_of

MAX_FORM_FIELDS = 100


class BodyLimits:
    """ASGI middleware: refuses bodies that are too large (413) or too slow (408), before or while they are read."""

    def __init__(self, app: ASGIApp, max_bytes: int, seconds: float) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope).get("content-length", "0")
        too_large = told.isdecimal() and int(told[:20]) > self._max_bytes
        deadline = time.monotonic() + self._seconds
        count, complete = 0, False

        async def limited() -> Message:
            nonlocal count, complete
            if too_large:
                raise self._too_large()
            if complete:
                return await receive()
            try:
                with anyio.fail_after(max(0.0, deadline - time.monotonic())):
                    message = await receive()
            except TimeoutError:
                fix = "Send it faster, or upload its pictures one by one."
                raise Problem(408, "too_slow", f"The body did not arrive within {self._seconds:g} s.", fix) from None
            count += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if count > self._max_bytes:
                raise self._too_large()
            return message

        await self._app(scope, limited, send)

    def _too_large(self) -> Problem:
        allowed = f"{self._max_bytes / (1 << 20):g} MiB"
        headers = {"Connection": "close"}
        return Problem(413, "too_large", f"The body is larger than the {allowed} allowed.", headers=headers)


async def read_json(request: Request) -> dict[str, Any]:
    """The body as a JSON object. Raises Problem (400, 408, 413, 415)."""
    _check_type(request, ("application/json",))
    return await run_sync(_parsed, await request.body())


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body, parse_constant=_refuse_constant)
        json.dumps(data, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as problem:
        raise Problem(400, "invalid_json", f"The body is not JSON: {problem}.") from problem
    if not isinstance(data, dict):
        raise Problem(400, "invalid_json", f"The body must be a JSON object, got {type(data).__name__}.")
    return data


async def read_form(request: Request) -> FormData:
    """The body as a multipart form; its files are `UploadFile`. Raises Problem (400, 408, 413, 415)."""
    _check_type(request, ("multipart/form-data",))
    try:
        return await request.form(max_files=16, max_fields=MAX_FORM_FIELDS)
    except Problem:
        raise
    except Exception as problem:
        told = problem_of(problem)
        detail = getattr(problem, "detail", "") if told.status_code == 400 else ""
        raise Problem(400, "invalid_form", f"The body is not a multipart form. {detail}".strip()) from problem


def described_body(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A body that a route reads by itself, for its documentation: `openapi_extra`."""
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


def _check_type(request: Request, allowed: tuple[str, ...]) -> None:
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent not in allowed:
        said = f"The content type is {sent[:60]!r}" if sent else "The content type is missing"
        raise Problem(415, "unsupported_media_type", f"{said}; allowed is {' or '.join(allowed)}.")
    if encoding := request.headers.get("content-encoding", ""):
        raise Problem(415, "unsupported_media_type", f"Bodies in {encoding[:40]!r} are not read; send it as it is.")


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")
