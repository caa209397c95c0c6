"""The pictures of an answer, cut out of a job's files. Blocking; knows no HTTP request."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from praxino import media
from praxino.jobs.job import Job, ResultFile
from praxino.media.image import encode_jpeg, encode_png, encode_webp
from praxino.media.picture import open_picture, rgb
from praxino.server.openai.image_order import Cut, Format
from praxino.server.problems import Problem
from praxino.server.results import finished_files
from praxino.server.services import Services

CONTENT_TYPES: dict[Format, str] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
}


def files_in_order(job: Job) -> list[ResultFile]:
    """The files of a job in the order of its samples: name.png, or name-1.png to name-10.png. Raises Problem 409."""
    return sorted(finished_files(job), key=lambda file: (len(file.name), file.name))


def picture_bytes(services: Services, file: ResultFile, cut: Cut) -> bytes:
    """A picture of the answer, with its recipe inside. Raises Problem 404 when the file is gone."""
    try:
        path = services.folder.path(file)
        if cut.frame == "file":
            return path.read_bytes()
        return encoded(_frame(path, last=cut.frame == "last"), cut.format, cut.quality, media.read_metadata(path))
    except OSError:
        raise Problem(404, "not_found", "The file of this result is gone.") from None


def encoded(frame: np.ndarray, format: Format, quality: int, metadata: str | None) -> bytes:
    """One frame, (H, W, 3 or 4) uint8, as a still picture."""
    match format:
        case "jpeg":
            return encode_jpeg(frame[None], quality, metadata)
        case "webp":
            return encode_webp(frame[None], 1, 0, quality, metadata)
        case _:
            return encode_png(frame[None], 1, 0, metadata)


def _frame(path: Path, last: bool) -> np.ndarray:
    with open_picture(path) as image:
        image.seek(getattr(image, "n_frames", 1) - 1 if last else 0)
        return np.asarray(image.convert("RGBA")) if image.has_transparency_data else rgb(image)
