"""Looks at a picture or clip that a stranger sent, in a process of its own: what breaks its reader breaks nothing else.

The process is this module, run with the file's path, what to call it, the bytes of pixels and the seconds allowed; it
prints one JSON object. Knows no HTTP and no database.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from praxino.errors import UserError

MEMORY_BYTES = 3 << 30
"""Beside the pixels: the interpreter, the libraries and what decoders keep; address space, so more than is touched."""
decoding = threading.Semaphore(2)
"""How many pictures and clips are decoded at a time, here and for recipes: each may take gigabytes."""
_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Facts:
    """What a file holds."""

    extension: str
    """png, jpeg, gif, webp, avif, bmp, tiff, ppm or video."""
    width: int
    height: int
    num_frames: int


def inspect(path: Path, said: str, max_decoded_bytes: int, seconds: float) -> Facts:
    """Read a file to its end.

    Args:
        path: the file.
        said: what messages call it.
        max_decoded_bytes: of its pixels, 3 bytes each.
        seconds: how long it may take.

    Raises:
        UserError: it is no picture or clip, damaged, cut short, too large, or takes too long.
    """
    command = [*program(), str(path), said, str(max_decoded_bytes), str(seconds)]
    more = {"stdin": subprocess.DEVNULL, "capture_output": True, "env": os.environ | _THREADS}
    try:
        with decoding:
            done = subprocess.run(command, timeout=seconds * 2, check=False, **more)
        told = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        raise UserError(f"{said} takes too long to read; send it smaller, shorter, or as a PNG or an MP4.") from None
    except ValueError:
        raise UserError(f"{said} cannot be read: it is damaged, or made to be hard to read.") from None
    if "problem" in told:
        raise UserError(told["problem"])
    return Facts(**told)


def program() -> list[str]:
    """The command that runs this module."""
    return [sys.executable, "-m", "praxino.server.inspection"]


def look(path: Path, said: str, max_decoded_bytes: int) -> Facts:
    """As `inspect`, in this process. Raises UserError."""
    from praxino.media.files import head_of
    from praxino.media.looks import is_video

    return (_look_at_video if is_video(head_of(path)) else _look_at_picture)(path, said, max_decoded_bytes)


def _look_at_picture(path: Path, said: str, max_decoded_bytes: int) -> Facts:
    from praxino.media.picture import open_picture
    from praxino.media.read import MAX_FRAMES, animation

    with open_picture(path) as image:
        count = getattr(image, "n_frames", 1)
        _check_bytes(said, (image.width, image.height, count), max_decoded_bytes)
        frames, _ = animation(path, image, MAX_FRAMES)
        return Facts(str(image.format).lower(), image.width, image.height, len(frames))


def _look_at_video(path: Path, said: str, max_decoded_bytes: int) -> Facts:
    from praxino.media.read import MAX_FRAMES
    from praxino.media.video import read_video

    frames, _ = read_video(path, MAX_FRAMES, max_decoded_bytes)
    return Facts("video", frames.shape[2], frames.shape[1], len(frames))


def _check_bytes(said: str, size: tuple[int, int, int], max_bytes: int) -> None:
    width, height, count = size
    if width * height * count * 3 > max_bytes:
        frames = f" in {count} frames" if count > 1 else ""
        raise UserError(
            f"{said} has {width}x{height} pixels{frames}; at most {max_bytes // 3_000_000} million are read. "
            "Scale it down first."
        )


def main(path: str, said: str, max_decoded_bytes: str, seconds: str) -> None:
    """Print the facts, or the problem, of one file."""
    _limit(int(max_decoded_bytes), float(seconds))
    try:
        told = asdict(look(Path(path), said, int(max_decoded_bytes)))
    except UserError as problem:
        told = {"problem": str(problem).replace(path, said)}
    except MemoryError:
        told = {"problem": f"{said} needs too much memory to read; scale it down or cut it shorter first."}
    print(json.dumps(told))


def _limit(max_decoded_bytes: int, seconds: float) -> None:
    """Bound this process, where the system can."""
    if os.name != "posix":
        return
    import resource

    memory = MEMORY_BYTES + 3 * max_decoded_bytes
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds) + 1, int(seconds) + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main(*sys.argv[1:])
