"""Whether the server lives and can work: /healthz and /readyz."""

from __future__ import annotations

from fastapi import APIRouter

from praxino.server.problems import Problem
from praxino.server.services import Shared
from praxino.server.views import ErrorView, HealthView

router = APIRouter(tags=["health"])


@router.get("/healthz")
def is_alive() -> HealthView:
    """The process lives."""
    return HealthView(status="ok")


@router.get("/readyz", responses={503: {"model": ErrorView, "description": "Not now"}})
def is_ready(services: Shared) -> HealthView:
    """Jobs can be accepted: the database answers, and the results folder is there."""
    services.store.store_id()
    if not services.folder.is_ours():
        raise Problem(503, "unavailable", "The results folder is not there.")
    return HealthView(status="ok")
