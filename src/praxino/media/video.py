"""Clips as MP4 and WebM, through PyAV, which is imported when it is needed. Knows no recipe."""

from __future__ import annotations

import itertools
import os
import platform
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from praxino.errors import UserError
from praxino.media import blocks
from praxino.media.audio import Track
from praxino.media.files import head_of
from praxino.media.picture import MAX_PIXELS
from praxino.media.provenance import KEY
from praxino.media.read import check_length
from praxino.media.sound import Sound
from praxino.media.timing import common_fps, exact_fps, is_steady, on_show
from praxino.recipe import Codec, Encoding

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

THREADS = 4
"""The same on every machine: encoders decide differently with another number."""
_ENCODERS: dict[Codec, str] = {"h264": "libx264", "av1": "libsvtav1", "vp9": "libvpx-vp9"}
_SVT_ERRORS_ONLY = "1"
"""SVT-AV1 writes to standard error by itself; the environment is the one way to ask it not to."""
_X264_EVERYWHERE = {"x264-params": "asm=sse2"} if platform.machine().lower() in {"x86_64", "amd64"} else {}
"""So that the same frames become the same bytes.

With AVX-512 some versions of x264 write other bytes from one run to the next, on one thread too: in up to a third of
400 runs, and in none without it. SSE2 is what every x86-64 processor has; it takes 4 to 9 % longer at 768x512.
"""
_LIBVPX = {"vp9": "libvpx-vp9"}
_EBML = b"\x1a\x45\xdf\xa3"
_BT709, _LIMITED = 1, 1
_UNSPECIFIED = 2
_HD_HEIGHT = 720
"""A video that does not say so has HD's colours from this height on, and standard TV's below."""


def write_video(
    frames: Iterable[np.ndarray],
    path: Path,
    encoding: Encoding,
    fps: float,
    metadata: str | None,
    sound: Sound | None = None,
) -> None:
    """Write a clip as a video.

    Colours are BT.709 and 4:2:0, which every player shows. H.264 cannot halve the colours of an odd width or height:
    such a clip keeps its full colours (4:4:4), so that no pixel is cut off or invented; some hardware players and
    Safari do not show that. AV1 and VP9 take odd sizes as they are.

    Args:
        frames: (H, W, 3) uint8 each, at least one; taken as they are encoded.
        path: where to write; its extension does not matter.
        encoding: format "mp4" or "webm", a codec that it holds, and a quality. The constant rate factor is
            46 - quality / 3 (H.264, 13 to 46) or 63 - quality / 2 (AV1, VP9, 13 to 62).
        fps: frames per second.
        metadata: text to keep in the tag `praxino`.
        sound: what is heard with it: AAC in MP4, Opus in WebM.
    """
    import av

    os.environ.setdefault("SVT_LOG", _SVT_ERRORS_ONLY)
    rest = iter(frames)
    first = next(rest)
    height, width = first.shape[:2]
    flags = {"fflags": "+bitexact"}
    if encoding.format == "mp4":
        flags["movflags"] = "+faststart+use_metadata_tags"
    with av.open(str(path), "w", format=encoding.format, options=flags) as container:
        if metadata is not None:
            container.metadata[KEY] = metadata
        options = _options(encoding.codec, encoding.quality)
        stream: Any = container.add_stream(_ENCODERS[encoding.codec], rate=exact_fps(fps), options=options)
        stream.width, stream.height = width, height
        odd = encoding.codec == "h264" and (width % 2 or height % 2)
        stream.pix_fmt = "yuv444p" if odd else "yuv420p"
        context = stream.codec_context
        context.thread_count = THREADS
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED
        track = Track(container, encoding.format, sound) if sound is not None else None
        for number, frame in enumerate(itertools.chain([first], rest), 1):
            container.mux(stream.encode(_yuv(frame, stream.pix_fmt)))
            if track is not None:
                track.write_until(number / fps)
        container.mux(stream.encode(None))
        if track is not None:
            track.end()


def _options(codec: Codec, quality: int) -> dict[str, str]:
    if codec == "h264":
        return {"crf": str(round(46 - quality / 3)), "preset": "medium", "flags": "+bitexact"} | _X264_EVERYWHERE
    crf = str(round(63 - quality / 2))
    if codec == "av1":
        return {"crf": crf, "preset": "6", "flags": "+bitexact", "svtav1-params": f"lp={THREADS}"}
    return {"crf": crf, "b": "0", "row-mt": "1", "cpu-used": "3", "deadline": "good", "flags": "+bitexact"}


def _yuv(pixels: np.ndarray, pix_fmt: str) -> VideoFrame:
    import av

    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    yuv = frame.reformat(format=pix_fmt, dst_colorspace="ITU709", interpolation=_exact_scaling())
    yuv.color_primaries = yuv.color_trc = yuv.colorspace = _BT709
    yuv.color_range = _LIMITED
    return yuv


def _exact_scaling() -> int:
    """Conversion that rounds alike on every processor."""
    from av.video.reformatter import Interpolation

    return int(
        Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT | Interpolation.FULL_CHR_H_INP
    )


def read_video(path: Path, max_frames: int, max_bytes: int) -> tuple[NDArray[np.uint8], float]:
    """Every frame of a file's first video stream, upright and over white, and frames per second.

    Frames that come at uneven times are repeated or left out, so that all last equally long.

    Returns:
        (F, H, W, 3) uint8, and the rate.

    Raises:
        UserError: there is no video in it, it is damaged or cut short, or has more frames or pixels than allowed.
    """
    frames: list[NDArray[np.uint8]] = []
    times: list[float | None] = []
    with _opened(path) as container:
        stream = _stream(path, container)
        shape = (stream.height, stream.width, 3)
        check_length(path, stream.frames, shape, max_frames, max_bytes)
        rate, promised = stream.average_rate or stream.guessed_rate, stream.frames
        for packet, decoded in _decoded(container, stream):
            promised -= packet.is_discard
            for frame in decoded:
                check_length(path, len(frames) + 1, shape, max_frames, max_bytes)
                frames.append(_upright(frame))
                times.append(frame.time)
    if not frames or not rate or len(frames) < promised:
        raise _damaged(path, f"{len(frames)} of {promised or 'its'} frames are there")
    known = [time for time in times if time is not None]
    if len(known) < len(times) or not _uneven(known, float(rate)):
        return np.stack(frames), float(rate)
    fps = common_fps(known)
    shown = on_show(known, fps)
    check_length(path, len(shown), shape, max_frames, max_bytes)
    return np.stack([frames[number] for number in shown]), fps


def pace_note(path: Path) -> str | None:
    """What is to be told of a video whose frames come at uneven times: how it is read. None of any other file.

    Raises:
        UserError: it is damaged.
    """
    with _opened(path) as container:
        stream = _stream(path, container)
        rate = stream.average_rate or stream.guessed_rate
        ticks = [p.pts for p in container.demux(stream) if p.pts is not None and not p.is_discard]
        times = sorted(float(tick * (stream.time_base or 0)) for tick in ticks)
    if not rate or not _uneven(times, float(rate)):
        return None
    return f"{path} has frames at uneven times; it is read at {common_fps(times):.4g} frames per second"


def _uneven(times: list[float], fps: float) -> bool:
    """Whether frames, at times that rise, do not come at a constant rate."""
    rising = all(earlier < later for earlier, later in itertools.pairwise(times))
    return rising and len(times) > 1 and not is_steady(times, fps)


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[tuple[Packet, list[VideoFrame]]]:
    """Every packet and the frames that it gives.

    The usual decoder of VP9 leaves out what is see-through, so such streams are decoded by libvpx.
    """
    import av

    name = _LIBVPX.get(stream.codec_context.name) if stream.metadata.get("alpha_mode") == "1" else None
    decoder: Any = av.CodecContext.create(name, "r") if name else stream.codec_context
    for packet in container.demux(stream):
        yield packet, decoder.decode(packet)


def read_video_frame(path: Path, number: int) -> NDArray[np.uint8]:
    """One frame of a file's first video stream, counted from 0, upright, (H, W, 3) uint8.

    Raises:
        UserError: as `read_video`, or it has no such frame.
    """
    return read_video_frames(path, [number])[0]


def read_video_frames(path: Path, numbers: Collection[int]) -> list[NDArray[np.uint8]]:
    """Some frames of a file's first video stream, in its order, each as `read_video_frame` gives it.

    Raises:
        UserError: as `read_video`, or it has no such frame.
    """
    wanted, last, count = set(numbers), max(numbers), 0
    frames = []
    with _opened(path) as container:
        frames_of = (frame for _, decoded in _decoded(container, _stream(path, container)) for frame in decoded)
        for count, frame in enumerate(frames_of, 1):
            if count - 1 in wanted:
                frames.append(_upright(frame))
            if count > last:
                return frames
    raise UserError(f"{path} has no frame {last}; it has {count}, counted from 0.")


def _stream(path: Path, container: InputContainer) -> VideoStream:
    if not container.streams.video:
        raise UserError(f"{path} holds no pictures, or is cut short; give a video.")
    stream = container.streams.video[0]
    if stream.codec_context is None:
        raise UserError(f"{path} is damaged, or of a codec that is not read here; convert it to H.264 first.")
    if stream.height * stream.width > MAX_PIXELS:
        raise UserError(f"{path} has {stream.width}x{stream.height} pixels; scale it down first.")
    stream.thread_type = "AUTO"
    return stream


@contextmanager
def _opened(path: Path) -> Iterator[InputContainer]:
    """An open video; what goes wrong inside the `with` is told as one UserError. Names in it are never followed."""
    import av

    head = head_of(path)
    try:
        if head.startswith(_EBML) and (missing := blocks.matroska_bytes(head) - path.stat().st_size) > 0:
            raise blocks.Truncated(f"{missing} bytes are missing")
        with path.open("rb") as file, av.open(file, "r") as container:
            yield container
    except (OSError, ValueError, EOFError) as problem:
        raise _damaged(path, problem) from problem


def _damaged(path: Path, problem: object) -> UserError:
    return UserError(f"{path} is damaged or cut short; copy or download it again.\n({problem})")


def _upright(frame: VideoFrame) -> NDArray[np.uint8]:
    from av.video.reformatter import Interpolation

    assumed = "ITU709" if frame.height >= _HD_HEIGHT else "ITU601"
    source = assumed if frame.colorspace == _UNSPECIFIED else None
    seen_through = any(component.is_alpha for component in frame.format.components)
    exact = _exact_scaling() | int(Interpolation.FULL_CHR_H_INT)
    target = "rgba" if seen_through else "rgb24"
    pixels = np.asarray(
        frame.reformat(format=target, src_colorspace=source, interpolation=exact).to_ndarray(), np.uint8
    )
    if seen_through:
        pixels = _over_white(pixels)
    return np.rot90(pixels, frame.rotation // 90) if frame.rotation else pixels


def _over_white(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    colour, alpha = pixels[..., :3].astype(np.uint16), pixels[..., 3:].astype(np.uint16)
    return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def read_tags(path: Path) -> dict[str, str]:
    """The tags of a video file. Raises UserError when it is damaged."""
    with _opened(path) as container:
        return dict(container.metadata)
