"""An images request as server-sent events: pictures of what is coming, then the pictures."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import numpy as np
from anyio.to_thread import run_sync
from fastapi import Request
from fastapi.sse import format_sse_event
from PIL import Image
from pydantic import BaseModel

from praxino.errors import PraxinoError
from praxino.jobs.job import Job
from praxino.server.drawn import Drawn
from praxino.server.events import PING_SECONDS
from praxino.server.openai.errors import body_of, translated
from praxino.server.openai.image_files import encoded, files_in_order, picture_bytes
from praxino.server.openai.image_order import ImageOrder
from praxino.server.openai.image_views import CompletedView, PartialView
from praxino.server.openai.progress import share_done
from praxino.server.openai.waiting import check_success, follow
from praxino.server.problems import Problem, problem_of
from praxino.server.services import Services


@dataclass
class ImageStream:
    """The events of one job."""

    services: Services
    job: Job
    drawn: Drawn
    order: ImageOrder
    kind: str
    """image_generation or image_edit."""

    async def events(self, request: Request) -> AsyncIterator[bytes]:
        """Everything that is sent, to the end. An error is told as an event of its own."""
        try:
            async for event in self._events(request):
                yield event
        except (Problem, PraxinoError) as problem:
            body = body_of(translated(problem_of(problem)))
            yield format_sse_event(event="error", data_str=json.dumps(body))

    async def _events(self, request: Request) -> AsyncIterator[bytes]:
        count, shown, told = 0, b"", time.monotonic()
        async for job in follow(request, self.services, self.job.id):
            if job.state.final:
                check_success(job)
                for file in files_in_order(job):
                    yield _event(self._completed(await run_sync(picture_bytes, self.services, file, self.order.cut)))
                return
            preview = await run_sync(self._preview, job) if self._wants_more(job, count) else b""
            if preview not in (b"", shown):
                yield _event(await run_sync(self._partial, preview, count))
                count, shown, told = count + 1, preview, time.monotonic()
            elif time.monotonic() - told > PING_SECONDS:
                yield format_sse_event(comment="ping")
                told = time.monotonic()

    def _wants_more(self, job: Job, count: int) -> bool:
        """The first picture is sent as soon as there is one, further ones at equal shares of the work."""
        return count < self.order.num_partial_images and share_done(job) >= count / self.order.num_partial_images

    def _preview(self, job: Job) -> bytes:
        try:
            return self.services.folder.preview(job.id, job.attempts).read_bytes()
        except OSError:
            return b""

    def _partial(self, preview: bytes, index: int) -> PartialView:
        """A preview, which is small, in the size of the picture."""
        with Image.open(io.BytesIO(preview), formats=["PNG"]) as picture:
            size = (self.drawn.width, self.drawn.height)
            frame = np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BICUBIC))
        return PartialView(
            type=f"{self.kind}.partial_image",  # pyright: ignore[reportArgumentType]
            b64_json=base64.b64encode(encoded(frame, self.order.cut.format, self.order.cut.quality, None)).decode(),
            background=self.order.background,
            created_at=int(time.time()),
            output_format=self.order.cut.format,
            partial_image_index=index,
            size=self.drawn.size,
        )

    def _completed(self, picture: bytes) -> CompletedView:
        return CompletedView(
            type=f"{self.kind}.completed",  # pyright: ignore[reportArgumentType]
            b64_json=base64.b64encode(picture).decode(),
            background=self.order.background,
            created_at=int(time.time()),
            output_format=self.order.cut.format,
            size=self.drawn.size,
        )


def _event(view: BaseModel) -> bytes:
    data = view.model_dump(mode="json")
    return format_sse_event(event=data["type"], data_str=json.dumps(data))
