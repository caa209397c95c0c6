"""What the routes of one server share. Holds it, does nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request

from praxino.jobs.files import ResultFolder
from praxino.jobs.store import Store
from praxino.server.inputs import Inputs
from praxino.server.keys import Keys
from praxino.server.links import Links
from praxino.server.rates import Rates
from praxino.server.settings import ServerSettings
from praxino.server.webhooks import Webhooks


@dataclass(frozen=True)
class Services:
    """One server's parts. All of them are thread-safe; those that touch database or disk block."""

    settings: ServerSettings
    store: Store
    folder: ResultFolder
    keys: Keys
    rates: Rates
    inputs: Inputs
    links: Links
    webhooks: Webhooks
    submissions: CapacityLimiter
    """How many submissions are worked on at a time."""


def services_of(request: Request) -> Services:
    """The services of the app that got a request; a dependency."""
    return request.app.state.services


Shared = Annotated[Services, Depends(services_of)]
"""Of a route's parameter: the services."""
