"""Files of every format: read back by Pillow and PyAV, the same bytes each time, whole or not at all."""

import hashlib
import os
import subprocess
import sys
import threading
import time

import av
import numpy as np
import pytest
from PIL import Image

from praxino import media
from praxino.errors import UserError
from praxino.media import write
from praxino.recipe import Encoding

KINDS = {
    "gif": ("a.gif", "none"),
    "webp": ("a.webp", "none"),
    "avif": ("a.avif", "none"),
    "png": ("a.png", "none"),
    "h264": ("a.mp4", "h264"),
    "av1-mp4": ("b.mp4", "av1"),
    "vp9": ("a.webm", "vp9"),
    "av1-webm": ("b.webm", "av1"),
    "frames": ("folder", "none"),
}
VIDEOS = ("h264", "av1-mp4", "vp9", "av1-webm")
TEXT = '{"prompt":"a cat 🐱"}'


def clip(num_frames=6, height=48, width=64):
    """A soft, coloured blob over a gradient: 4:2:0 does it little harm."""
    rows, columns = np.mgrid[:height, :width]
    frames = []
    for k in range(num_frames):
        blob = np.exp(-((rows - height / 2) ** 2 + (columns - 10 - 6 * k) ** 2) / 150)
        ground = 60 + 80 * columns / width
        frames.append(np.stack([ground + 90 * blob, 0 * blob + 120, 200 - 120 * blob], axis=-1))
    return np.stack(frames).round().astype(np.uint8)


def encoding(kind, **changes):
    name, codec = KINDS[kind]
    fields = {"loop": 0, "gif": "good", "quality": 90, "codec": codec, "grid": False, "sheet": False}
    return Encoding(**{"format": media.format_of(name) or "frames", **fields, **changes})


def save(kind, folder, frames=None, fps=12, metadata=TEXT, **changes):
    frames = clip() if frames is None else frames
    return media.save([frames], folder / KINDS[kind][0], encoding(kind, **changes), fps, metadata)


def psnr(one, other):
    return 10 * np.log10(255**2 / max(1e-4, np.mean((one.astype(float) - other.astype(float)) ** 2)))


def digest(path):
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "frames"])
def test_frames_come_back(kind, tmp_path):
    frames, fps = media.read_clip(save(kind, tmp_path))
    assert frames.shape == clip().shape
    assert fps == 12
    assert psnr(frames, clip()) > {"png": 80, "gif": 40}.get(kind, 38)


@pytest.mark.parametrize("kind", VIDEOS)
@pytest.mark.parametrize("fps", [24, 30000 / 1001, 7.5])
def test_videos_keep_the_rate(kind, fps, tmp_path):
    with av.open(str(save(kind, tmp_path, fps=fps))) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == pytest.approx(fps, rel=2e-3 if "webm" in KINDS[kind][0] else 1e-9)
        assert stream.codec_context.colorspace == 1
        assert stream.pix_fmt == "yuv420p"
        assert len(list(container.decode(stream))) == 6


@pytest.mark.parametrize("kind", VIDEOS)
@pytest.mark.parametrize("size", [(47, 64), (48, 63), (33, 65)])
def test_odd_sizes_keep_every_pixel(kind, size, tmp_path):
    odd = clip(3, *size)
    frames, _ = media.read_clip(save(kind, tmp_path, odd))
    assert frames.shape == odd.shape
    assert psnr(frames, odd) > 36


def test_colours_of_videos_are_true(tmp_path):
    flat = np.full((3, 64, 64, 3), (200, 60, 30), np.uint8)
    for kind in VIDEOS:
        frames, _ = media.read_clip(save(kind, tmp_path, flat))
        assert abs(frames.astype(int) - flat).max() <= 3


def test_mp4_begins_with_its_index(tmp_path):
    data = save("h264", tmp_path).read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("kind", ["gif", "webp", "avif", "png"])
def test_still_of_one_frame(kind, tmp_path):
    path = save(kind, tmp_path, clip(1))
    with Image.open(path) as image:
        assert getattr(image, "n_frames", 1) == 1
    assert psnr(media.read_picture(path), clip(1)) > 38


@pytest.mark.parametrize(("kind", "loops"), [("webp", {0: 0, 1: 1, 3: 3}), ("png", {0: 0, 1: 1, 3: 3})])
def test_loop_count(kind, loops, tmp_path):
    for loop, said in loops.items():
        with Image.open(save(kind, tmp_path, loop=loop)) as image:
            assert image.info["loop"] == said


@pytest.mark.parametrize("kind", ["webp", "avif", "h264", "vp9", "av1-mp4"])
def test_quality_trades_size_for_likeness(kind, tmp_path):
    noisy = np.random.default_rng(0).normal(clip(), 12).clip(0, 255).astype(np.uint8)
    sizes, likenesses = [], []
    for quality in (1, 50, 99):
        path = save(kind, tmp_path, noisy, metadata=None, quality=quality)
        sizes.append(path.stat().st_size)
        likenesses.append(psnr(media.read_clip(path)[0], noisy))
    assert sizes == sorted(set(sizes))
    assert likenesses == sorted(set(likenesses))


def test_webp_of_quality_100_is_lossless(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    assert (media.read_clip(save("webp", tmp_path, noise, quality=100))[0] == noise).all()


def test_jpeg_and_its_sheet(tmp_path):
    path = media.save([clip(1)], tmp_path / "a.jpg", encoding("png", format="jpeg"), 12, TEXT)
    assert psnr(media.read_picture(path), clip(1)) > 38
    sheet = media.save([clip()], tmp_path / "b.jpg", encoding("png", format="jpeg", sheet=True), 12, TEXT)
    assert media.read_picture(sheet).shape == (1, 3 * 48 + 8, 2 * 64 + 4, 3)


def test_grid_of_samples(tmp_path):
    path = media.save([clip(), clip()[::-1]], tmp_path / "a.png", encoding("png", grid=True), 12, None)
    frames, _ = media.read_clip(path)
    assert frames.shape == (6, 2 * 48 + 4, 64, 3)
    assert (frames[:, :48] == clip()).all()


def test_frames_folder(tmp_path):
    path = save("frames", tmp_path)
    assert sorted(file.name for file in path.iterdir()) == [f"{k:04}.png" for k in range(1, 7)] + ["recipe.json"]
    assert (media.read_picture(path / "0004.png")[0] == clip()[3]).all()
    save("frames", tmp_path, clip(2))
    assert len(list(path.iterdir())) == 3
    (path / "precious.txt").write_text("mine")
    with pytest.raises(UserError, match="other things"):
        save("frames", tmp_path)
    assert (path / "precious.txt").read_text() == "mine"
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_bytes_twice(kind, tmp_path):
    (tmp_path / "again").mkdir()
    assert digest(save(kind, tmp_path)) == digest(save(kind, tmp_path / "again"))


def test_avif_does_not_know_what_time_it_is(tmp_path):
    first = save("avif", tmp_path).read_bytes()
    time.sleep(1.1)
    assert save("avif", tmp_path).read_bytes() == first


FRESH = """
import sys, importlib.util
from pathlib import Path
spec = importlib.util.spec_from_file_location("again", sys.argv[1])
again = importlib.util.module_from_spec(spec)
spec.loader.exec_module(again)
for kind in again.KINDS:
    print(kind, again.digest(again.save(kind, Path(sys.argv[2]))))
"""


def test_the_same_bytes_in_a_fresh_process(tmp_path):
    (tmp_path / "fresh").mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FRESH, __file__, str(tmp_path / "fresh")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert dict(line.split() for line in done.stdout.splitlines()) == {
        kind: digest(save(kind, tmp_path)) for kind in KINDS
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("problem", [KeyboardInterrupt, OSError])
def test_failure_leaves_nothing_and_keeps_what_was_there(kind, problem, tmp_path, monkeypatch):
    path = save(kind, tmp_path)
    before = digest(path)

    def fail(*_):
        raise problem("no space left")

    monkeypatch.setattr(write.os, "replace", fail)
    with pytest.raises(problem):
        save(kind, tmp_path, clip(2))
    assert digest(path) == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", VIDEOS)
def test_failure_in_the_middle_of_a_video_leaves_nothing(kind, tmp_path, monkeypatch):
    from praxino.media import video

    original, calls = video._yuv, []

    def fail(*args):
        calls.append(args)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(video, "_yuv", fail)
    with pytest.raises(KeyboardInterrupt):
        save(kind, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_take_its_place_leaves_the_old_one(tmp_path, monkeypatch):
    path = save("frames", tmp_path)
    before, original, calls = digest(path), os.replace, []

    def fail(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError("busy")
        original(source, target)

    monkeypatch.setattr(write.os, "replace", fail)
    with pytest.raises(OSError, match="busy"):
        save("frames", tmp_path, clip(2))
    assert digest(path) == before
    assert list(tmp_path.iterdir()) == [path]


def test_many_writers_of_one_file(tmp_path):
    threads = [threading.Thread(target=save, args=("gif", tmp_path, clip(k + 1))) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [file.name for file in tmp_path.iterdir()] == ["a.gif"]
    assert 1 <= len(media.read_clip(tmp_path / "a.gif")[0]) <= 6


def test_new_files_have_the_usual_permissions(tmp_path):
    (tmp_path / "usual").touch()
    assert save("gif", tmp_path).stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_side_too_long_for_the_format(tmp_path):
    with pytest.raises(UserError, match="WebP holds at most 16383 a side"):
        save("webp", tmp_path, np.zeros((1, 1, 16_384, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
