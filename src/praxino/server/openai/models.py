"""/v1/models, and which installed model a client's `model` means."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from praxino.server.auth import Reader
from praxino.server.installed import DEFAULT_MODEL, find_installed, installed_models
from praxino.server.openai.errors import ERRORS, OpenAIRoute, Refusal
from praxino.weights import catalog

LINKED = ("dall-e-2", "dall-e-3")
"""Hosted models whose answers are links unless `response_format` says otherwise."""
HOSTED = (
    *LINKED,
    "chatgpt-image-latest",
    "gpt-image-1",
    "gpt-image-1-mini",
    "gpt-image-1.5",
    "gpt-image-2",
    "gpt-image-2-2026-04-21",
    "gpt-image-2.5-flare",
    "gpt-image-2.5-flare-2026-09-08",
    "gpt-image-2.5-sunburst",
    "gpt-image-2.5-sunburst-2026-09-08",
    "gpt-image-2.6-flare",
    "gpt-image-2.6-sunburst",
    "sora-2",
    "sora-2-2025-10-06",
    "sora-2-2025-12-08",
    "sora-2-pro",
    "sora-2-pro-2025-10-06",
)
"""Models that only OpenAI has (openai-python 3.54, types/image_model.py and types/video_model.py). Unless one is
installed under such a name, they stand for the default model; answers name the one that drew."""

router = APIRouter(prefix="/v1", tags=["openai"], route_class=OpenAIRoute, responses=ERRORS)


class ModelView(BaseModel):
    """A model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    """When it came to this machine, in seconds since 1970."""
    owned_by: str


class ModelsView(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[ModelView]


def choose_model(name: str) -> catalog.Entry:
    """The installed model that a request means; the default one for "" and for OpenAI's own names. Blocking.

    Raises:
        Refusal: there is none.
        UserError: the name stands for several.
    """
    entry = find_installed(name or DEFAULT_MODEL)
    if entry is None and name in HOSTED:
        entry = find_installed(DEFAULT_MODEL)
    if entry is None:
        known = ", ".join(entry.name for entry in installed_models())
        message = f"The model '{name[:100]}' is not on this server; installed are {known}."
        raise Refusal("model", message, "model_not_found", 404)
    return entry


@router.get("/models")
def list_models(caller: Reader) -> ModelsView:
    """The models that a request may name."""
    return ModelsView(data=[_view(entry) for entry in installed_models()])


@router.get("/models/{name:path}")
def get_model(name: str, caller: Reader) -> ModelView:
    """One model; OpenAI's own names give the one that they stand for."""
    return _view(choose_model(name))


def _view(entry: catalog.Entry) -> ModelView:
    owner = entry.variant.source.partition("/")[0] or "praxino"
    return ModelView(id=entry.name, created=int(entry.require_path().stat().st_mtime), owned_by=owner)
