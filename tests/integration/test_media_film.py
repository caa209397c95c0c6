"""Films as cameras, phones and editors make them: colours, rates, rotation, transparency. Made here, with PyAV."""

import itertools
import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from praxino import media
from praxino.errors import UserError
from praxino.media.timing import common_fps, is_steady, on_show
from praxino.recipe import Encoding

RED = (200, 30, 40)
COLOUR_STEPS = 2
"""Of 255, that a flat colour may be off once 8 bits of luma and chroma have held it."""
MATRICES = {
    "BT.709": (1, 0.2126, 0.0722),
    "BT.601": (6, 0.299, 0.114),
    "BT.470": (5, 0.299, 0.114),
    "BT.2020": (9, 0.2627, 0.0593),
}
MATRIX = {name: code for name, (code, _, _) in MATRICES.items()}


def yuv(rgb, matrix, full):
    """Luma and chroma of a colour in 8 bits, not rounded: ITU-R BT.709-6, 3.2 to 3.4, with each matrix's weights."""
    _, kr, kb = MATRICES[matrix]
    red, green, blue = (value / 255 for value in rgb)
    y = kr * red + (1 - kr - kb) * green + kb * blue
    u, v = (blue - y) / (2 * (1 - kb)), (red - y) / (2 * (1 - kr))
    return (255 * y, 255 * u + 128, 255 * v + 128) if full else (16 + 219 * y, 128 + 224 * u, 128 + 224 * v)


def flat_frame(size, pix_fmt, values, bits=8):
    frame = av.VideoFrame(*size, pix_fmt)
    for plane, value in zip(frame.planes, values, strict=True):
        kind = np.uint8 if bits == 8 else np.uint16
        level = round(value * 2 ** (bits - 8))
        plane.update(np.full(plane.buffer_size // np.dtype(kind).itemsize, level, kind).tobytes())
    return frame


def film(path, frames, codec, pix_fmt, *, times=None, tags=None, size=(64, 48), rate=10, options=None):
    """Write a video of ready frames, which begin at `times` (in 1/1000 s)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = pix_fmt
        if times is not None:
            stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        if tags is not None:
            stream.codec_context.colorspace, stream.codec_context.color_range = tags
        for number, frame in enumerate(frames):
            if tags is not None:
                frame.colorspace, frame.color_range = tags
            frame.pts = number if times is None else times[number]
            if times is not None:
                frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def red_film(path, codec, matrix, full, pix_fmt="yuv420p", bits=8, size=(64, 48), tagged=True, options=None):
    frames = [flat_frame(size, pix_fmt, yuv(RED, matrix, full), bits) for _ in range(3)]
    tags = (MATRIX[matrix], 2 if full else 1) if tagged else None
    return film(path, frames, codec, pix_fmt, tags=tags, size=size, options=options)


def off(frames, colour=RED):
    return int(np.abs(frames.astype(int) - colour).max())


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"qp": "1"}),
        ("a.mov", "libx264", {"qp": "1"}),
        ("a.mkv", "ffv1", {}),
        ("a.avi", "libx264", {"qp": "1"}),
        ("a.webm", "libvpx-vp9", {"crf": "4", "b": "0"}),
    ],
)
def test_red_is_the_same_red_in_every_range_and_matrix(name, codec, options, tmp_path):
    for matrix, full in itertools.product(MATRICES, (False, True)):
        frames, fps = media.read_clip(red_film(tmp_path / name, codec, matrix, full, options=options))
        assert frames.shape == (3, 48, 64, 3) and fps == 10
        assert off(frames) <= COLOUR_STEPS, (matrix, full)


@pytest.mark.parametrize(("size", "matrix"), [((64, 48), "BT.601"), ((1280, 720), "BT.709")])
def test_a_film_that_names_no_matrix_has_its_sizes(size, matrix, tmp_path):
    path = red_film(tmp_path / "a.mp4", "libx264", matrix, False, size=size, tagged=False, options={"qp": "1"})
    assert off(media.read_clip(path)[0]) <= COLOUR_STEPS


@pytest.mark.parametrize("pix_fmt", ["yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv420p12le"])
def test_deep_colours(pix_fmt, tmp_path):
    bits = 12 if "12" in pix_fmt else 10
    path = red_film(tmp_path / "a.mkv", "ffv1", "BT.709", False, pix_fmt, bits)
    assert off(media.read_clip(path)[0]) <= 1


@pytest.mark.parametrize("kind", ["h264", "av1", "vp9"])
@pytest.mark.parametrize("colour", [RED, (255, 255, 255), (0, 0, 0), (90, 140, 250), (16, 235, 128)])
def test_a_colour_that_is_written_is_read_again_and_tagged(kind, colour, tmp_path):
    format = "webm" if kind == "vp9" else "mp4"
    path = tmp_path / f"a.{format}"
    media.save(
        [np.full((3, 64, 64, 3), colour, np.uint8)],
        path,
        Encoding(format, 0, "good", 100, kind, False, False),
        10,
        None,
    )
    assert off(media.read_clip(path)[0], colour) <= COLOUR_STEPS
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert (context.color_range, int(frame.color_range)) == (1, 1)


def test_white_stays_white_over_generations(tmp_path):
    frames = np.full((2, 32, 32, 3), 255, np.uint8)
    for number in range(4):
        path = media.save(
            [frames], tmp_path / f"{number}.mp4", Encoding("mp4", 0, "good", 95, "h264", False, False), 10, None
        )
        frames, _ = media.read_clip(path)
    assert off(frames, (255, 255, 255)) <= 1


def counted(numbers, size=(64, 48)):
    """Frames whose grey says which they are."""
    return [flat_frame(size, "yuv420p", (16 + 8 * number, 128, 128)) for number in numbers]


def numbers_of(frames):
    return [round((int(frame[20, 20, 0]) * 219 / 255) / 8) for frame in frames]


def test_uneven_times_become_a_constant_rate(tmp_path):
    times = [0, 40, 80, 120, 200, 240, 280, 480, 520, 560]
    path = film(tmp_path / "a.mkv", counted(range(10)), "ffv1", "yuv420p", times=times, rate=25)
    frames, fps = media.read_clip(path)
    assert fps == 25
    assert numbers_of(frames) == [0, 1, 2, 3, 3, 4, 5, 6, 6, 6, 6, 6, 7, 8, 9]
    assert media.pace_note(path) == f"{path} has frames at uneven times; it is read at 25 frames per second"


def test_rounded_times_are_a_constant_rate(tmp_path):
    times = [round(k * 1001 / 30) for k in range(20)]
    path = film(tmp_path / "a.mkv", counted([0] * 20), "ffv1", "yuv420p", times=times, rate=Fraction(30000, 1001))
    frames, fps = media.read_clip(path)
    assert len(frames) == 20 and fps == pytest.approx(29.97, abs=0.05)
    assert media.pace_note(path) is None


def test_arithmetic_of_times():
    assert is_steady([5.0, 5.1, 5.2], 10) and not is_steady([0.0, 0.1, 0.3], 10)
    assert common_fps([0, 0.0334, 0.0667, 0.1]) == 30
    assert common_fps([0, 0.08, 0.16, 0.4]) == 12.5
    assert on_show([1.0, 1.1, 1.35], 10) == [0, 1, 1, 1, 2]


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("a.mov", "qtrle", "argb"),
        ("a.mov", "png", "rgba"),
        ("a.webm", "libvpx-vp9", "yuva420p"),
        ("a.mov", "prores_ks", "yuva444p10le"),
    ],
)
def test_what_is_see_through_lies_over_white(name, codec, pix_fmt, tmp_path):
    picture = np.zeros((48, 64, 4), np.uint8)
    picture[..., :3] = RED
    picture[:, 32:, 3] = 255
    frame = av.VideoFrame.from_ndarray(picture, "rgba").reformat(format=pix_fmt)
    frames = (
        [av.VideoFrame.from_ndarray(frame.to_ndarray(), pix_fmt) for _ in range(3)]
        if pix_fmt in ("argb", "rgba")
        else [frame] * 3
    )
    read, _ = media.read_clip(film(tmp_path / name, frames, codec, pix_fmt))
    assert read.shape == (3, 48, 64, 3)
    assert off(read[:, :, :24], (255, 255, 255)) <= 1
    assert off(read[:, :, 40:]) <= 8
    assert (media.read_picture(f"{tmp_path / name}#frame=1")[0] == read[1]).all()


@pytest.mark.parametrize("size", [(65, 49), (64, 49), (65, 48)])
def test_odd_sizes(size, tmp_path):
    frames = [flat_frame(size, "yuv444p", yuv(RED, "BT.709", False)) for _ in range(3)]
    path = film(tmp_path / "a.mkv", frames, "ffv1", "yuv444p", tags=(1, 1), size=size)
    read, _ = media.read_clip(path)
    assert read.shape == (3, size[1], size[0], 3) and off(read) <= COLOUR_STEPS


def test_a_film_cut_short_is_told_in_a_sentence(tmp_path):
    path = film(tmp_path / "a.mp4", counted(range(20)), "libx264", "yuv420p")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match="is damaged or cut short; copy or download it again"):
        media.read_clip(path)


def test_a_film_without_sound_has_none(tmp_path):
    assert media.read_sound(film(tmp_path / "a.mp4", counted(range(3)), "libx264", "yuv420p")) is None


@pytest.mark.parametrize(
    ("matrix", "corner", "size"),
    [
        ((-1, 0, 0, -1), (-1, -1), (48, 64)),
        ((0, 1, -1, 0), (0, -1), (64, 48)),
        ((0, -1, 1, 0), (-1, 0), (64, 48)),
    ],
)  # fmt: skip
def test_a_phone_turned_any_way(matrix, corner, size, tmp_path):
    """ISO/IEC 14496-12, 8.3.2.3: the track's matrix (a b; c d) turns the picture, here by 180, 90 and 270 degrees."""
    frames = []
    for _ in range(3):
        picture = np.zeros((48, 64, 3), np.uint8)
        picture[:12, :12] = 255
        frames.append(av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p"))
    path = film(tmp_path / "a.mp4", frames, "libx264", "yuv420p", options={"qp": "4"})
    data = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    struct.pack_into(">9i", data, data.index(b"tkhd") + 44, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    read = media.read_clip(path)[0]
    assert read.shape == (3, *size, 3)
    assert read[0][corner].min() > 200
    assert sum(read[0][y, x].min() > 200 for y in (0, -1) for x in (0, -1)) == 1
