"""Reads pictures and clips into arrays. Knows no recipe, and nothing of what they are read for."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from praxino.errors import UserError
from praxino.media.files import head_of
from praxino.media.looks import is_video
from praxino.media.picture import open_picture, rgb

MAX_FRAMES = 1000
MAX_KEPT_FRAMES = 10_000
"""Of a clip that is in the new file as it was."""
MAX_CLIP_BYTES = 4 << 30
"""Of decoded pixels."""
STILL_FPS = 1.0
_SHORTEST_MS = 11
_ROUNDING_MS = 5
_BROWSERS_MS = 100
"""Browsers show a frame that asks for less than `_SHORTEST_MS` for this long."""
_FRAME = re.compile(r"(.+)#frame=(\d{1,6})", re.DOTALL)


def read_picture(path: str | Path) -> NDArray[np.uint8]:
    """A picture, upright and over white, as (1, H, W, 3) uint8 RGB; of an animation, the first frame.

    A name may end in "#frame=N": that frame, counted from 0, of an animation or a video.

    Raises:
        UserError: the file is missing, not a picture, damaged, cut short or too large, or it has no such frame.
    """
    named = _FRAME.fullmatch(str(path))
    if named and not Path(path).exists():
        return _read_frame(Path(named[1]), int(named[2]))
    path = Path(path)
    head = head_of(path)
    if is_video(head):
        raise UserError(
            f"{path} is a video, and a picture is wanted; take one of its frames: {path}#frame=0, or use --video."
        )
    with open_picture(path) as image:
        return rgb(image)[None]


def _read_frame(path: Path, number: int) -> NDArray[np.uint8]:
    if is_video(head_of(path)):
        from praxino.media.video import read_video_frame

        return read_video_frame(path, number)[None]
    with open_picture(path) as image:
        count = getattr(image, "n_frames", 1)
        if number >= count:
            raise UserError(f"{path} has no frame {number}; its frames are 0 to {count - 1}.")
        image.seek(number)
        return rgb(image)[None]


def is_clip(path: str | Path) -> bool:
    """Whether a file is a video, or a picture of several frames.

    Raises:
        UserError: the file is missing, neither picture nor clip, or damaged.
    """
    path = Path(path)
    if is_video(head_of(path)):
        return True
    with open_picture(path) as image:
        return getattr(image, "n_frames", 1) > 1


def read_clip(path: str | Path, max_frames: int = MAX_FRAMES) -> tuple[NDArray[np.uint8], float]:
    """A video or an animated picture.

    Frames of an animation that are shown longer than its shortest one are repeated, so that all last equally long.

    Returns:
        (F, H, W, 3) uint8 RGB, and frames per second (`STILL_FPS` for a still picture).

    Raises:
        UserError: the file is missing, no clip, damaged, cut short, or has more frames or pixels than are read.
    """
    path = Path(path)
    if is_video(head_of(path)):
        from praxino.media.video import read_video

        return read_video(path, max_frames, MAX_CLIP_BYTES)
    with open_picture(path) as image:
        frames, durations = animation(path, image, max_frames)
    if len(frames) == 1:
        return np.stack(frames), STILL_FPS
    repeats = [max(1, round(duration / min(durations))) for duration in durations]
    check_length(path, sum(repeats), frames[0].shape, max_frames, MAX_CLIP_BYTES)
    return np.repeat(np.stack(frames), repeats, axis=0), _rate(sum(repeats), sum(durations))


def pace_note(path: str | Path) -> str | None:
    """What is to be told of a video whose frames come at uneven times; None of any other file. Raises UserError."""
    path = Path(path)
    if not path.is_file() or not is_video(head_of(path)):
        return None
    from praxino.media import video

    return video.pace_note(path)


def _rate(num_frames: int, milliseconds: int) -> float:
    """Frames per second: a whole number when GIF's rounding to hundredths of a second can account for the rest."""
    rate = num_frames * 1000 / milliseconds
    whole = max(1, round(rate))
    return float(whole) if abs(num_frames * 1000 / whole - milliseconds) <= _ROUNDING_MS else rate


def check_length(path: Path, num_frames: int, shape: tuple[int, ...], max_frames: int, max_bytes: int) -> None:
    """Refuse a clip of more frames, or more bytes of decoded pixels, than allowed. Raises UserError.

    Args:
        path: for the message.
        num_frames: frames known of so far.
        shape: of a frame, (H, W, 3).
        max_frames: frames allowed.
        max_bytes: bytes allowed.
    """
    if num_frames > max_frames:
        raise UserError(f"{path} has more than {max_frames} frames, the most that are read; cut it shorter first.")
    if num_frames * shape[0] * shape[1] * 3 > max_bytes:
        raise UserError(
            f"{path} has {shape[1]}x{shape[0]} pixels and more frames than fit into {max_bytes >> 30} GiB of memory; "
            "scale it down or cut it shorter first."
        )


def animation(
    path: Path, image: Image.Image, max_frames: int = MAX_FRAMES
) -> tuple[list[NDArray[np.uint8]], list[int]]:
    """Every frame of an open picture, and how many milliseconds each lasts. Raises UserError when they are too many."""
    frames: list[NDArray[np.uint8]] = []
    durations: list[int] = []
    count = getattr(image, "n_frames", 1)
    check_length(path, count, (image.height, image.width, 3), max_frames, MAX_CLIP_BYTES)
    for number in range(count):
        image.seek(number)
        frames.append(rgb(image))
        duration = round(image.info.get("duration") or 0)
        durations.append(duration if duration >= _SHORTEST_MS else _BROWSERS_MS)
    return frames, durations
