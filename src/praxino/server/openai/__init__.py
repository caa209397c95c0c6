"""The OpenAI dialect, /v1: images, videos and models as OpenAI's clients ask for them.

    /v1/images/generations, /v1/images/edits    images.py: the body (image_order.py), the answer (image_views.py,
                                                image_files.py), streamed (image_stream.py)
    /v1/videos ...                              videos.py: the body (video_order.py), the object (video_views.py)
    /v1/models                                  models.py: which installed model a name means

A request becomes a `praxino.request.Request` and goes the way of every job; what it is to be in this dialect is kept in
the job's annotations. A POST that a client repeats by itself makes one job (retries.py).
"""

from __future__ import annotations

from fastapi import FastAPI

from praxino.server.openai import images, models, videos
from praxino.server.openai.errors import body_of
from praxino.server.openai.retries import remember_turns
from praxino.server.problems import word_errors

PREFIX = "/v1"


def mount(app: FastAPI) -> None:
    """Add the dialect to an app."""
    remember_turns(app)
    word_errors(app, PREFIX, body_of)
    for router in (models.router, images.router, videos.router):
        app.include_router(router)
