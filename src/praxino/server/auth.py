"""Who asks, and whether they may. On a loopback address everybody on the machine may, until the first key is made."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from praxino.jobs.job import MAX_PRIORITY, Limits
from praxino.server.keys import SCOPES, Key, KeyLimits
from praxino.server.problems import Problem
from praxino.server.services import Services, Shared

_bearer = HTTPBearer(auto_error=False, description="An API key: praxino keys create")

DAY_SECONDS = 86_400


@dataclass(frozen=True)
class Caller:
    """Who sent a request."""

    owner: str
    """Whose jobs these are; "" on a server without keys."""
    scopes: tuple[str, ...]
    limits: KeyLimits
    key_id: str = ""

    def job_limits(self, now: float) -> Limits:
        """What the queue holds this caller to.

        Args:
            now: seconds since 1970.
        """
        return Limits(self.limits.max_queued, self.limits.credits_per_day, now // DAY_SECONDS * DAY_SECONDS)


LOCAL = Caller("", SCOPES, KeyLimits(max_priority=MAX_PRIORITY))
"""Whoever is on the machine of a server without keys."""


def require(scope: str) -> Callable[..., Caller]:
    """A dependency that gives the caller of a route: `caller: Annotated[Caller, Depends(require("write"))]`.

    Raises:
        Problem: 401 no key or an unknown one, 403 it lacks the scope or the page is a stranger's, 429 too often.
    """

    def check(
        request: Request,
        services: Shared,
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    ) -> Caller:
        return identify(request, services, credentials.credentials if credentials else None, scope)

    return check


Reader = Annotated[Caller, Depends(require("read"))]
"""Of a route's parameter: a caller who may see."""
Writer = Annotated[Caller, Depends(require("write"))]
"""Of a route's parameter: a caller who may submit and cancel."""


def identify(request: Request, services: Services, secret: str | None, scope: str) -> Caller:
    """The caller of a request with a key's secret, or none. Raises as `require`."""
    if not services.keys.exist():
        check_is_local(request, services.settings.host)
        return LOCAL
    if secret is None:
        raise _unknown("This server wants an API key.", "Send it as: Authorization: Bearer prx_...")
    key = services.keys.find(secret)
    if key is None:
        raise _unknown("This API key is unknown, or was revoked.", "Make another one: praxino keys create NAME")
    if scope not in key.scopes:
        raise Problem(403, "forbidden", f"This key's scopes are {', '.join(key.scopes)}; this needs {scope}.")
    _check_rate(services, key)
    return Caller(key.owner, key.scopes, key.limits, key.id)


def check_is_local(request: Request, host: str) -> None:
    """Refuse pages of other sites, which a browser on this machine may be showing (CSRF, DNS rebinding).

    Raises:
        Problem: the request names another host than this machine, or comes from a page of another host.
    """
    origin = request.headers.get("origin")
    named = [f"//{request.headers.get('host', '')}", *([] if origin is None else [origin])]
    for name in map(_host_of, named):
        if name != host and not is_loopback(name):
            message = f"A server without API keys answers this machine only, not {name[:100]!r}."
            raise Problem(403, "forbidden", message, "Make a key: praxino keys create NAME")


def is_loopback(host: str) -> bool:
    """Whether a name or address means this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _host_of(url: str) -> str:
    """The host in a URL; "" when there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _check_rate(services: Services, key: Key) -> None:
    per_minute = key.limits.requests_per_minute
    if per_minute is not None and (wait := services.rates.take(key.id, per_minute)) > 0:
        headers = {"Retry-After": str(math.ceil(wait))}
        raise Problem(429, "rate_limited", f"This key may ask {per_minute} times a minute.", headers=headers)


def _unknown(message: str, fix: str) -> Problem:
    return Problem(401, "unauthorized", message, fix, {"WWW-Authenticate": "Bearer"})
