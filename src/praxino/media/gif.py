"""Clips as GIF bytes (GIF89a): palettes, differences from frame to frame, delays, and the block structure.

Only the LZW coding is Pillow's. Writing the blocks here gives the delay, the loop count and the comment of every file
exactly, and the same bytes for the same frames.
"""

from __future__ import annotations

import dataclasses
import itertools
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from praxino.media.palette import Dither, Matcher, fit_palette, packed
from praxino.media.provenance import gif_block
from praxino.media.timing import GIF_UNITS, MAX_GIF_FPS, delays, thinned
from praxino.recipe import GifQuality

_LZW_BITS = 8
_SOLID = 128
"""GIF knows only see-through and solid: alpha from here on is solid."""
_MAX_FITTED_PIXELS = 1 << 20
_MATCHED_PIXELS = 1 << 18
"""Of as many frames, the colours are looked up at once."""


@dataclass(frozen=True)
class GifStyle:
    """What a GIF quality means."""

    colours: int
    """Colours of a palette; one more is kept for "as before"."""
    dither: Dither
    hold: int
    """A pixel is drawn again when its 3x3 neighbourhood has moved, in a channel, by more than this on average since it
    was last drawn, or the pixel itself by more than twice as much. 0 draws every change."""
    finest: float
    """Standard deviation, in RGB, below which colours share a place in the palette."""
    palette_a_frame: bool
    """A palette for each frame (when the whole clip has too many colours for one), or one for all."""


STYLES: dict[GifQuality, GifStyle] = {
    "small": GifStyle(colours=63, dither="none", hold=4, finest=4, palette_a_frame=False),
    "good": GifStyle(colours=255, dither="ordered", hold=3, finest=3, palette_a_frame=False),
    "best": GifStyle(colours=255, dither="ordered", hold=0, finest=0, palette_a_frame=True),
}


def encode_gif(frames: np.ndarray, fps: float, loop: int, quality: GifQuality, metadata: str | None) -> bytes:
    """A clip as the bytes of a GIF.

    Frames last whole hundredths of a second, and their sum is right to one of these. Browsers slow a GIF of more than
    50 frames per second down to 10; of a faster clip, only the frames on show at every fiftieth of a second are kept.

    Args:
        frames: (F, H, W, 3) uint8 RGB, or with alpha (F, H, W, 4): see-through where alpha is below a half.
        fps: frames per second.
        loop: times the animation plays; 0 is for ever.
        quality: a key of `STYLES`.
        metadata: text to keep in the file.
    """
    return encode_gif_style(frames, fps, loop, STYLES[quality], metadata)


def encode_gif_style(frames: np.ndarray, fps: float, loop: int, style: GifStyle, metadata: str | None) -> bytes:
    """As `encode_gif`, with the quality spelled out."""
    durations = delays(len(frames), fps, GIF_UNITS)
    if fps > MAX_GIF_FPS:
        total = sum(durations)
        frames = frames[thinned(len(frames), fps, MAX_GIF_FPS)]
        durations = delays(len(frames), MAX_GIF_FPS, GIF_UNITS)
        durations[-1] = max(2, total - sum(durations[:-1]))
    height, width = frames.shape[1:3]
    shared = _clip_palette(frames, style)
    blocks = [b"GIF89a", struct.pack("<HH", width, height)]
    blocks.append(b"\x70\0\0" if shared is None else struct.pack("<BBB", 0xF0 | _table_bits(len(shared)), 0, 0))
    blocks.append(b"" if shared is None else _table(shared))
    if len(frames) > 1 and loop != 1:
        blocks.append(_loop_block(loop))
    if metadata is not None:
        blocks.append(gif_block(metadata))
    patches = _patches(frames, shared, style) if frames.shape[3] == 3 else _cut_outs(frames, shared, style)
    for patch, duration in zip(patches, durations, strict=True):
        blocks.append(_frame_blocks(patch, duration if len(frames) > 1 else 0))
    return b"".join([*blocks, b";"])


_KEEP, _CLEAR = 1, 2
"""What happens to a frame when its time is over: it stays below the next, or it is wiped away."""


@dataclass(frozen=True)
class _Patch:
    """The part of a frame that differs from what is on show."""

    left: int
    top: int
    indices: NDArray[np.uint8]
    transparent: int | None
    """Index that leaves the pixel as it is on show."""
    palette: NDArray[np.uint8] | None
    """None: the file's own."""
    disposal: int = _KEEP


def _clip_palette(frames: np.ndarray, style: GifStyle) -> NDArray[np.uint8] | None:
    """The palette for all frames, or None when each is to have its own."""
    pixels = _opaque(frames)
    stride = max(1, len(pixels) // _MAX_FITTED_PIXELS)
    palette = fit_palette(pixels[:: stride | 1], style.colours, style.finest)
    if style.palette_a_frame and len(frames) > 1 and len(palette) == style.colours:
        return None
    return palette


def _patches(frames: np.ndarray, shared: NDArray[np.uint8] | None, style: GifStyle) -> Iterator[_Patch]:
    matcher = Matcher(shared, style.dither) if shared is not None else None
    steady = _steady(frames, style.hold)
    at_once = 1 if matcher is None else max(1, _MATCHED_PIXELS // frames[0, ..., 0].size)
    shown = None
    while some := list(itertools.islice(steady, at_once)):
        wanted = np.stack([one for one, _ in some])
        found = matcher or Matcher(fit_palette(wanted.reshape(-1, 3), style.colours, style.finest), style.dither)
        colours = packed(found.palette)
        for indices, (_, moved) in zip(found.indices(wanted), some, strict=True):
            drawn = colours[indices]
            if shown is None:
                shown = drawn
                yield _Patch(0, 0, indices, None, found.palette if shared is None else None)
                continue
            changed = moved & (drawn != shown)
            np.copyto(shown, drawn, where=changed)
            yield _smallest(indices, changed, found.palette, shared is None)


def _steady(frames: np.ndarray, hold: int) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
    """Each frame, (H, W, 3), with what moves too little left as it was, and the pixels that are drawn again, (H, W)."""
    held = _planes(frames[0])
    for frame in map(_planes, frames):
        moved = _moved(frame - held, hold)
        np.copyto(held, frame, where=moved)
        yield held.astype(np.uint8).transpose(1, 2, 0), moved


def _planes(frame: np.ndarray) -> NDArray[np.int16]:
    """(H, W, 3) as (3, H, W): a channel's rows lie together, which is several times as fast."""
    return np.ascontiguousarray(frame.transpose(2, 0, 1), np.int16)


def _opaque(frames: np.ndarray) -> NDArray[np.uint8]:
    """The colours that are on show, (N, 3); at least one."""
    if frames.shape[-1] == 3:
        return frames.reshape(-1, 3)
    shown = frames[frames[..., 3] >= _SOLID][:, :3]
    return shown if len(shown) else np.zeros((1, 3), np.uint8)


def _cut_outs(frames: np.ndarray, shared: NDArray[np.uint8] | None, style: GifStyle) -> Iterator[_Patch]:
    """Frames with alpha: each is drawn whole where it is solid, and wiped away for the next."""
    matcher = Matcher(shared, style.dither) if shared is not None else None
    for frame in frames:
        found = matcher or Matcher(fit_palette(_opaque(frame), style.colours, style.finest), style.dither)
        indices = found.indices(frame[..., :3])
        patch = _smallest(indices, frame[..., 3] >= _SOLID, found.palette, shared is None)
        yield dataclasses.replace(patch, disposal=_CLEAR if len(frames) > 1 else _KEEP)


def _moved(difference: NDArray[np.int16], hold: int) -> NDArray[np.bool_]:
    """Which pixels to draw again, (H, W), by their difference, (3, H, W); see `GifStyle.hold`."""
    if hold == 0:
        return np.asarray(difference.any(axis=0))
    around = _with_neighbours(_with_neighbours(difference, 1), 2)
    return np.asarray((np.abs(around).max(axis=0) > 9 * hold) | (np.abs(difference).max(axis=0) > 2 * hold))


def _with_neighbours(values: NDArray[np.int16], axis: int) -> NDArray[np.int16]:
    """Sums of each and the two beside it on an axis; what is on the edge stands for what is beyond."""
    sums = values.copy()
    into, of = np.moveaxis(sums, axis, 0), np.moveaxis(values, axis, 0)
    into[1:] += of[:-1]
    into[:-1] += of[1:]
    into[0] += of[0]
    into[-1] += of[-1]
    return sums


def _smallest(indices: np.ndarray, changed: np.ndarray, palette: NDArray[np.uint8], own_palette: bool) -> _Patch:
    """The box that holds all that is changed, the rest of it transparent."""
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    if len(rows) == 0:
        rows = columns = np.zeros(1, np.intp)
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    transparent = len(palette)
    cut = np.where(changed[box], indices[box], transparent).astype(np.uint8)
    return _Patch(int(columns[0]), int(rows[0]), cut, transparent, palette if own_palette else None)


def _frame_blocks(patch: _Patch, duration: int) -> bytes:
    flags = patch.disposal << 2 | (patch.transparent is not None)
    control = struct.pack("<BBBBHBB", 0x21, 0xF9, 4, flags, duration, patch.transparent or 0, 0)
    height, width = patch.indices.shape
    table_flags = 0 if patch.palette is None else 0x80 | _table_bits(len(patch.palette))
    descriptor = struct.pack("<BHHHHB", 0x2C, patch.left, patch.top, width, height, table_flags)
    table = b"" if patch.palette is None else _table(patch.palette)
    return control + descriptor + table + _lzw(patch.indices)


def _lzw(indices: NDArray[np.uint8]) -> bytes:
    image = Image.fromarray(indices)
    image.encoderconfig = (_LZW_BITS, 0)
    return bytes([_LZW_BITS]) + image.tobytes("gif", "L") + b"\0"


def _table_bits(colours: int) -> int:
    """The size field of a colour table that holds `colours` and one for transparency: 2 ** (bits + 1) entries."""
    return max(1, colours.bit_length()) - 1


def _table(palette: NDArray[np.uint8]) -> bytes:
    return palette.tobytes().ljust(3 * 2 ** (_table_bits(len(palette)) + 1), b"\0")


def _loop_block(loop: int) -> bytes:
    """The Netscape extension counts how often the animation plays again; 0 is for ever."""
    return b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", 0 if loop == 0 else loop - 1, 0)
