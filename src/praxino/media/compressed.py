"""A picture as one frame of H.264 leaves it: what clips looked like that models were trained on. Knows no recipe."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray


def as_compressed(picture: np.ndarray, crf: int) -> NDArray[np.uint8]:
    """What is left of (H, W, 3) uint8 after one H.264 frame at a rate factor (preset veryfast), cut to even sides.

    With the processor's own instructions, as the authors' code has it: one frame alone is the same each time.
    """
    import av

    height, width = (side // 2 * 2 for side in picture.shape[:2])
    if not height or not width:
        return picture
    with io.BytesIO() as file:
        with av.open(file, "w", format="mp4") as container:
            stream = container.add_stream("libx264", rate=1, options={"crf": str(crf), "preset": "veryfast"})
            stream.height, stream.width = height, width
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
            container.mux(stream.encode())
        file.seek(0)
        with av.open(file, "r") as container:
            return np.asarray(next(container.decode(video=0)).to_ndarray(format="rgb24"), np.uint8)
