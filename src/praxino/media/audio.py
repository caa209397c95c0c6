"""Sound out of files and into videos, through PyAV, which is imported when it is needed. Knows no recipe."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from praxino.errors import UserError
from praxino.media.files import head_of
from praxino.media.looks import is_sound
from praxino.media.sound import Sound

if TYPE_CHECKING:
    from av.container import OutputContainer

ENCODERS = {"mp4": "aac", "webm": "libopus"}
"""By format: what every player of it plays."""
_OPUS_RATE = 48_000
_AAC_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_BITS_PER_SECOND = 96_000
"""Of one channel."""
_LAYOUTS = {1: "mono", 2: "stereo"}


def read_sound(path: str | Path, seconds: float = math.inf) -> Sound | None:
    """The first track of sound in a film or a sound file, as one or two channels; None where there is none.

    That of a film begins when the pictures do: what comes before is left out, and silence stands for what is missing.
    With `seconds`, no more is read than that takes.

    Raises:
        UserError: the file is missing, or its sound is damaged.
    """
    import av

    path = Path(path)
    if not is_sound(head_of(path)):
        return None
    try:
        with path.open("rb") as file, av.open(file, "r") as container:
            if not container.streams.audio:
                return None
            stream = container.streams.audio[0]
            channels = min(2, stream.codec_context.channels)
            resampler = av.AudioResampler("fltp", _LAYOUTS[channels], stream.codec_context.sample_rate)
            chunks, begins = [], None
            for frame in container.decode(stream):
                begins = (frame.time or 0.0) if begins is None else begins
                if (frame.time or 0.0) - begins >= seconds:
                    break
                chunks += [resampled.to_ndarray() for resampled in resampler.resample(frame)]
            chunks += [resampled.to_ndarray() for resampled in resampler.resample(None)]
            rate = stream.codec_context.sample_rate
            lead = begins if begins and container.streams.video else 0.0
    except (OSError, ValueError, EOFError) as problem:
        raise UserError(
            f"the sound of {path} is damaged or cut short; leave it out, or give another.\n({problem})"
        ) from problem
    if not chunks:
        return None
    sound = Sound(np.concatenate(chunks, axis=1).astype(np.float32), rate)
    return sound.part(-lead, sound.seconds + lead)


def resampled(sound: Sound, sample_rate: int, channels: int) -> Sound:
    """The same sound at another rate, or with another number of channels."""
    import av

    if (sound.sample_rate, len(sound.samples)) == (sample_rate, channels):
        return sound
    resampler = av.AudioResampler("fltp", _LAYOUTS[channels], sample_rate)
    frames = [*resampler.resample(_frame(sound)), *resampler.resample(None)]
    return Sound(np.concatenate([frame.to_ndarray() for frame in frames], axis=1), sample_rate)


def mixed(one: Sound, other: Sound) -> Sound:
    """Both at once, in the rate and channels of the first and as long as it."""
    other = resampled(other, one.sample_rate, len(one.samples)).part(0.0, one.seconds)
    return Sound(np.clip(one.samples + other.samples, -1, 1), one.sample_rate)


class Track:
    """The track of sound in a video that is being written.

    Args:
        container: open for writing; nothing has been written yet.
        format: "mp4" or "webm".
        sound: the whole of it.
    """

    def __init__(self, container: OutputContainer, format: str, sound: Sound) -> None:
        rates = (_OPUS_RATE,) if format == "webm" else _AAC_RATES
        rate = min((r for r in rates if r >= sound.sample_rate), default=rates[-1])
        self._sound = resampled(sound, rate, len(sound.samples))
        self._container = container
        stream: Any = container.add_stream(ENCODERS[format], rate=rate, options={"flags": "+bitexact"})
        stream.layout = _LAYOUTS[len(sound.samples)]
        stream.bit_rate = _BITS_PER_SECOND * len(sound.samples)
        self._stream = stream
        self._written = 0

    def write_until(self, seconds: float) -> None:
        """Write what is heard before a time, so that sound and pictures lie side by side in the file."""
        until = min(round(seconds * self._sound.sample_rate), self._sound.samples.shape[1])
        if until > self._written:
            frame = _frame(Sound(self._sound.samples[:, self._written : until], self._sound.sample_rate))
            frame.pts = self._written
            self._container.mux(list(self._encoded(frame)))
            self._written = until

    def end(self) -> None:
        """Write what is left."""
        self.write_until(self._sound.seconds)
        self._container.mux(list(self._encoded(None)))

    def _encoded(self, frame: Any) -> Iterator[Any]:
        yield from self._stream.encode(frame)


def _frame(sound: Sound) -> Any:
    import av

    samples = np.ascontiguousarray(np.clip(sound.samples, -1, 1), np.float32)
    frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=_LAYOUTS[len(samples)])
    frame.sample_rate = sound.sample_rate
    return frame
