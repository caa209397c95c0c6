"""Frames with alpha in every format that can hold them, read back with Pillow."""

import dataclasses
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image, ImageDraw

from praxino import media
from praxino.errors import UserError
from praxino.media.formats import OPAQUE
from praxino.media.svg import encode_svg
from praxino.recipe import Encoding

TEXT = '{"prompt": "a <b> & 50% 猫 \\u0007"}'


def drawn(count=3, side=48, ground=(250, 250, 250)):
    """A red disc that wanders over a plain ground, (F, H, W, 3)."""
    frames = []
    for number in range(count):
        big = Image.new("RGB", (side * 4, side * 4), ground)
        x, y = side * (1 + number * 0.5), side * 1.2
        ImageDraw.Draw(big).ellipse((x, y, x + side * 1.5, y + side * 1.5), fill=(200, 30, 30))
        frames.append(np.asarray(big.resize((side, side), Image.Resampling.BOX)))
    return np.stack(frames)


def encoding(name, **changes):
    format = media.format_of(name) or "frames"
    fields = dict(format=format, loop=0, gif="best", quality=100, codec="none", grid=False, sheet=False)
    return Encoding(**{**fields, "matting": "ground", **changes})


def read(path):
    """Every frame as it is shown, (F, H, W, 4)."""
    frames = []
    with Image.open(path) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            frames.append(np.asarray(image.convert("RGBA")))
    return np.stack(frames)


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_lossless_formats_keep_every_pixel(tmp_path, name):
    from praxino.media.matting import cut_out

    frames = drawn()
    media.save([frames], tmp_path / name, encoding(name), 8, TEXT)
    shown, wanted = read(tmp_path / name), cut_out(frames)
    assert np.array_equal(shown[..., 3], wanted[..., 3])
    solid = wanted[..., 3] > 0
    assert np.array_equal(shown[solid], wanted[solid])
    assert media.read_metadata(tmp_path / name) == TEXT


@pytest.mark.parametrize("name", ["a.avif", "a.webp"])
def test_lossy_formats_bring_no_rim_of_the_ground(tmp_path, name):
    media.save([drawn()], tmp_path / name, encoding(name, quality=80), 8, None)
    shown = read(tmp_path / name).astype(float)
    alpha = shown[..., 3] / 255
    over_black = alpha[..., None] * shown[..., :3]
    assert alpha.min() == 0 and alpha.max() == 1
    assert over_black[..., 1:].max() < 90
    assert 0.05 < alpha.mean() < 0.3


@pytest.mark.parametrize("quality", ["small", "good", "best"])
def test_a_gif_is_solid_or_see_through_and_leaves_no_trail(tmp_path, quality):
    from praxino.media.matting import cut_out

    frames = drawn()
    media.save([frames], tmp_path / "a.gif", encoding("a.gif", gif=quality), 10, TEXT)
    shown, wanted = read(tmp_path / "a.gif"), cut_out(frames)
    assert np.array_equal(shown[..., 3] > 0, wanted[..., 3] >= 128)
    solid = wanted[..., 3] >= 128
    assert np.abs(shown[solid][:, :3].astype(int) - wanted[solid][:, :3]).max() <= 24
    assert media.read_metadata(tmp_path / "a.gif") == TEXT


def test_a_gif_of_nothing_but_ground(tmp_path):
    media.save([np.full((2, 20, 30, 3), 90, np.uint8)], tmp_path / "a.gif", encoding("a.gif"), 10, None)
    shown = read(tmp_path / "a.gif")
    assert shown.shape[1:3] == (20, 30)
    assert not shown[..., 3].any()


@pytest.mark.parametrize("changes", [{"grid": True}, {"sheet": True}])
def test_gaps_are_see_through(tmp_path, changes):
    clips = [drawn(1), drawn(1)] if "grid" in changes else [drawn(2)]
    media.save(clips, tmp_path / "a.png", encoding("a.png", **changes), 1, None)
    (shown,) = read(tmp_path / "a.png")
    assert shown.shape == (100, 48, 4) or shown.shape == (48, 100, 4)
    middle = shown[:, 48:52] if shown.shape[1] == 100 else shown[48:52]
    assert not middle[..., 3].any()


def test_frames_of_a_folder(tmp_path):
    media.save([drawn()], tmp_path / "f", encoding("f"), 8, TEXT)
    with Image.open(tmp_path / "f" / "0002.png") as picture:
        assert picture.mode == "RGBA"


@pytest.mark.parametrize("format", OPAQUE)
def test_formats_without_alpha_are_refused(tmp_path, format):
    name = f"a.{format}"
    with pytest.raises(UserError, match=f"nothing is see-through in a {format} file"):
        media.save([drawn(1)], tmp_path / name, encoding(name, codec="h264"), 8, None)
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vtracer", None)
    with pytest.raises(UserError, match=r"needs the package vtracer; run: pip install 'praxino\[svg\]'"):
        media.check_output(tmp_path / "a.svg", encoding("a.svg", matting="none"))
    monkeypatch.setitem(sys.modules, "rembg", None)
    with pytest.raises(UserError, match=r"needs the package rembg; run: pip install 'praxino\[matting\]'"):
        media.check_output(tmp_path / "a.png", encoding("a.png", matting="rembg"))


class TestSvg:
    @pytest.fixture(autouse=True)
    def _traced(self):
        pytest.importorskip("vtracer")

    @pytest.mark.parametrize("matting", ["none", "ground"])
    def test_it_is_a_drawing_that_holds_its_recipe(self, tmp_path, matting):
        path = media.save([drawn(1)], tmp_path / "a.svg", encoding("a.svg", matting=matting), 1, TEXT)
        root = ElementTree.parse(path).getroot()
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root.get("viewBox") == "0 0 48 48"
        paths = root.findall("{http://www.w3.org/2000/svg}path")
        fills = [tuple(int(p.get("fill")[i : i + 2], 16) for i in (1, 3, 5)) for p in paths]
        grounds = [fill for fill in fills if min(fill) > 200]
        things = [fill for fill in fills if fill[0] > 150 and max(fill[1:]) < 80]
        assert things
        assert bool(grounds) == (matting == "none")
        assert media.read_metadata(path) == TEXT

    def test_the_same_picture_gives_the_same_drawing(self):
        assert encode_svg(drawn(1), TEXT) == encode_svg(drawn(1), TEXT)

    def test_without_metadata_there_is_none(self, tmp_path):
        path = media.save([drawn(1)], tmp_path / "a.svg", encoding("a.svg"), 1, None)
        assert b"metadata" not in path.read_bytes()
        with pytest.raises(UserError, match="holds no recipe"):
            media.read_metadata(path)

    def test_a_clip_is_refused_but_not_its_sheet(self, tmp_path):
        with pytest.raises(UserError, match="an SVG holds one"):
            media.save([drawn(2)], tmp_path / "a.svg", encoding("a.svg"), 1, None)
        sheet = dataclasses.replace(encoding("a.svg"), sheet=True)
        assert media.save([drawn(2)], tmp_path / "a.svg", sheet, 1, None).exists()


def test_rembg_with_a_network_of_its_own_kind(tmp_path, monkeypatch):
    """The real library, with a network that takes what is red for the subject."""
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("rembg")
    from onnx import TensorProto, helper

    from praxino.media.subject import cut_out

    shape = [1, 3, 320, 320]
    weight = helper.make_tensor("w", TensorProto.FLOAT, [1, 3, 1, 1], [1.0, -1.0, 0.0])
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "red",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 320, 320])],
        [weight],
    )
    monkeypatch.setenv("U2NET_HOME", str(tmp_path))
    with pytest.raises(UserError, match="fetch it once: rembg d u2net"):
        media.check_output(tmp_path / "a.png", encoding("a.png", matting="rembg"))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(tmp_path / "u2net.onnx"))
    (cut,) = cut_out(drawn(1))
    red = drawn(1)[0, ..., 1] < 60
    assert cut.shape == (48, 48, 4)
    assert cut[..., 3][red].mean() > 200
    assert cut[..., 3][:8].mean() < 20
    media.save([drawn(1)], tmp_path / "a.png", encoding("a.png", matting="rembg"), 1, None)
    assert np.array_equal(read(tmp_path / "a.png")[0][..., 3], cut[..., 3])
