"""Pictures and clips as people have them: sound, odd, damaged, hostile."""

import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from praxino import media
from praxino.errors import UserError
from praxino.media import read as read_module
from praxino.recipe import Encoding, Media

CLIPS = {"a.gif": "none", "a.webp": "none", "a.png": "none", "a.avif": "none", "a.mp4": "h264", "a.webm": "vp9"}


def clip(num_frames=8, size=40, noise=20):
    frames = np.random.default_rng(0).normal(128, noise, (num_frames, size, size, 3))
    frames[:, :, :, 0] += np.arange(num_frames)[:, None, None] * 10
    return frames.clip(0, 255).astype(np.uint8)


def save(path, frames, codec="none", quality=90):
    encoding = Encoding(media.format_of(path.name), 0, "best", quality, codec, False, False)
    return media.save([frames], path, encoding, 10, None)


def still(path, **options):
    Image.fromarray(clip(1)[0]).save(path, **options)
    return path


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.webp", "a.avif", "a.bmp", "a.tiff", "a.ppm"])
def test_stills(name, tmp_path):
    picture = media.read_picture(still(tmp_path / name))
    assert picture.shape == (1, 40, 40, 3)
    assert picture.dtype == np.uint8
    frames, fps = media.read_clip(tmp_path / name)
    assert (frames == picture).all()
    assert fps == 1


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.avif"])
def test_the_first_frame_of_an_animation(name, tmp_path):
    path = save(tmp_path / name, clip())
    assert (media.read_picture(path)[0] == media.read_clip(path)[0][0]).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_over_white(mode, tmp_path):
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 2, 4))
    image.paste((0, 0, 0, 128), (3, 0, 4, 4))
    image = image.quantize(4) if mode == "P" else image.convert(mode)
    image.save(tmp_path / "a.png")
    row = media.read_picture(tmp_path / "a.png")[0, 0, :, 0]
    assert row.tolist() == [0, 0, 255, 127]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    array = np.zeros((16, 32, 3), np.uint8)
    array[:8, :16] = 255
    Image.fromarray(array).save(tmp_path / "a.jpg", exif=exif, quality=95)
    picture = media.read_picture(tmp_path / "a.jpg")[0]
    assert picture.shape == ((16, 32, 3) if orientation < 5 else (32, 16, 3))
    corners = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0), 5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)}
    assert picture[corners[orientation]].min() > 240


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.avif", "a.tiff"])
def test_orientation_in_other_formats(name, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    array = np.zeros((16, 32, 3), np.uint8)
    array[:8, :16] = 255
    Image.fromarray(array).save(tmp_path / name, exif=exif)
    picture = media.read_picture(tmp_path / name)[0]
    assert picture.shape == (32, 16, 3)
    assert picture[0, -1].min() > 240 > 15 > picture[-1].max()


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff", b"x" * 99]
)
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_is_passed_over(exif, tmp_path):
    assert media.read_picture(still(tmp_path / "a.jpg", exif=exif)).shape == (1, 40, 40, 3)


def test_a_phone_held_upright(tmp_path):
    frames = np.zeros((3, 32, 64, 3), np.uint8)
    frames[:, :12, :12] = 255
    path = save(tmp_path / "a.mp4", frames, "h264")
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 44
    clockwise = (0, 1 << 16, 0, -1 << 16, 0, 0, 32 << 16, 0, 1 << 30)
    struct.pack_into(">9i", data, matrix, *clockwise)
    path.write_bytes(data)
    turned = media.read_clip(path)[0]
    assert turned.shape == (3, 64, 32, 3)
    assert turned[0, 0, -1].min() > 200 > 50 > turned[0, 0, 0].max()


def test_16_bit_grey_and_cmyk(tmp_path):
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / "deep.png")
    assert (media.read_picture(tmp_path / "deep.png") == 40_000 >> 8).all()
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "print.jpg")
    assert abs(media.read_picture(tmp_path / "print.jpg").astype(int) - (255, 0, 0)).max() < 8


@pytest.mark.parametrize("durations", [[100, 100, 300], [40, 50, 40]])
def test_held_frames_are_repeated(durations, tmp_path):
    images = [Image.fromarray(frame) for frame in clip(3)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=durations, loop=0)
    frames, fps = media.read_clip(tmp_path / "a.gif")
    assert len(frames) == (5 if durations[2] == 300 else 3)
    assert fps == (10 if durations[2] == 300 else 23)


@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.9])
def test_cut_short(name, part, tmp_path):
    data = save(tmp_path / name, clip(), CLIPS[name]).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * part)])
    with pytest.raises(UserError, match=r"cut short|not a picture"):
        media.read_clip(tmp_path / name)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.webp", "a.avif"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.6, 0.97])
def test_picture_cut_short(name, part, tmp_path):
    data = still(tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * part)])
    with pytest.raises(UserError, match=r"cut short|not a picture"):
        media.read_picture(tmp_path / name)


@pytest.mark.parametrize("name", CLIPS)
def test_damage_is_an_error_or_other_pixels_but_never_a_crash(name, tmp_path):
    data = save(tmp_path / name, clip(3), CLIPS[name]).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(12):
        broken = bytearray(data)
        for at in rng.integers(0, len(data), 8):
            broken[at] = rng.integers(256)
        (tmp_path / name).write_bytes(broken)
        for reader in (media.read_clip, media.read_picture, media.read_metadata):
            try:
                reader(tmp_path / name)
            except UserError as problem:
                assert name in str(problem)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"%PDF-1.7 and so on", "looks like a PDF document"),
        (b"just words", "looks like text"),
        (b"#EXTM3U\nhttp://127.0.0.1/secret.ts\n", "looks like text"),
        (b"<html>", "looks like a web page"),
        (b"\0\0\0 ftypheic" + bytes(400), "HEIC"),
        (b"\x89PNG\r\n\x1a\n", "damaged or cut short"),
        (b"GIF89a", "damaged or cut short"),
        (bytes(1000), "binary data"),
    ],
)
@pytest.mark.parametrize("reader", [media.read_picture, media.read_clip])
def test_not_a_picture(reader, content, says, tmp_path):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match=says):
        reader(tmp_path / "a.png")


@pytest.mark.parametrize("reader", [media.read_picture, media.read_clip, media.read_metadata])
def test_no_file(reader, tmp_path):
    with pytest.raises(UserError, match="there is no file"):
        reader(tmp_path / "none.png")
    with pytest.raises(UserError, match="there is no file"):
        (tmp_path / "file").touch()
        reader(tmp_path / "file" / "a.png")
    with pytest.raises(UserError, match="cannot be read"):
        reader("nul\0.png")
    with pytest.raises(UserError, match="is a folder"):
        reader(tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may read everything")
def test_unreadable(tmp_path):
    still(tmp_path / "a.png").chmod(0)
    with pytest.raises(UserError, match="may not be read"):
        media.read_picture(tmp_path / "a.png")


def test_a_video_is_no_picture(tmp_path):
    with pytest.raises(UserError, match="is a video, and a picture is wanted"):
        media.read_picture(save(tmp_path / "a.mp4", clip(), "h264"))


def bomb(width, height):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [10_001, 13_000, 200_000])
def test_a_bomb_is_refused_without_a_warning(side, tmp_path):
    (tmp_path / "a.png").write_bytes(bomb(side, side))
    for reader in (media.read_picture, media.read_clip):
        with pytest.raises(UserError, match="at most 100 million"):
            reader(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["a.gif", "a.mp4", "a.webm"])
def test_too_many_frames(name, tmp_path, monkeypatch):
    path = save(tmp_path / name, clip(), CLIPS[name])
    assert len(media.read_clip(path, 8)[0]) == 8
    with pytest.raises(UserError, match="more than 7 frames"):
        media.read_clip(path, 7)
    monkeypatch.setattr(read_module, "MAX_CLIP_BYTES", 5 * 40 * 40 * 3)
    with pytest.raises(UserError, match="more frames than fit"):
        media.read_clip(path)


def test_a_frame_held_for_hours_is_refused(tmp_path):
    images = [Image.fromarray(frame) for frame in clip(2)]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=[20, 600_000])
    with pytest.raises(UserError, match="more than 1000 frames"):
        media.read_clip(tmp_path / "a.gif")


def test_an_embedded_picture_needs_no_file(tmp_path):
    picture = media.read_picture(still(tmp_path / "a.jpg"))
    inside = media.embed(picture, str(tmp_path / "a.jpg"))
    (tmp_path / "a.jpg").unlink()
    assert inside.data.startswith("data:image/png;base64,")
    assert (media.load(inside) == picture).all()


def test_an_embedded_clip_keeps_its_frames_even_equal_ones():
    frames = clip(4, noise=5).repeat([1, 3, 1, 2], axis=0)
    inside = media.embed(frames, "a.gif")
    assert inside.data.startswith("data:image/webp;base64,")
    assert (media.load(inside) == frames).all()


def test_a_clip_that_never_moves_is_read_again():
    assert media.embed(clip(1).repeat(5, axis=0), "b.gif").source == "b.gif#frames=0-4"


def test_a_large_clip_is_read_again_and_checked(tmp_path, monkeypatch):
    monkeypatch.setattr("praxino.media.embedding.MAX_EMBEDDED_CLIP_BYTES", 100)
    path = save(tmp_path / "a.png", clip())
    inside = media.embed(clip()[5:], str(path), (5, 6, 7))
    assert inside.data == ""
    assert inside.source == f"{path}#frames=5-7"
    assert (media.load(inside) == clip()[5:]).all()
    save(path, clip(noise=21))
    with pytest.raises(UserError, match="no longer what the recipe was made from"):
        media.load(inside)
    path.unlink()
    with pytest.raises(UserError, match="there is no file"):
        media.load(inside)


def test_a_clip_in_another_time_is_read_again_frame_by_frame(tmp_path, monkeypatch):
    monkeypatch.setattr("praxino.media.embedding.MAX_EMBEDDED_CLIP_BYTES", 100)
    path, places = save(tmp_path / "a.png", clip()), [0, 0, 2, 4, 5, 6, 7, 7]
    inside = media.embed(clip()[places], str(path), places)
    assert inside.source == f"{path}#frames=0,0,2,4-7,7"
    assert (media.load(inside) == clip()[places]).all()
    assert media.file_of(inside) == path
    save(path, clip()[:5])
    with pytest.raises(UserError, match="no longer what the recipe was made from"):
        media.load(inside)


@pytest.mark.parametrize("data", ["data:image/png;base64,AAAA", "data:image/png;base64,###", "data:image/png;base64,"])
def test_a_damaged_embedded_picture(data):
    with pytest.raises(UserError, match=r"sun\.png"):
        media.load(Media("sun.png", "0" * 64, data))


def test_an_embedded_picture_of_other_pixels():
    inside = media.embed(clip(1), "sun.png")
    with pytest.raises(UserError, match="inside the recipe is damaged"):
        media.load(Media("sun.png", "0" * 64, inside.data))
