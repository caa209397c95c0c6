"""The text inside a file: in and out of every format, of any size and script."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from praxino import media
from praxino.errors import UserError
from praxino.media.provenance import encodable
from praxino.recipe import Encoding

KINDS = {
    "a.gif": "none", "a.webp": "none", "a.avif": "none", "a.png": "none", "a.jpg": "none", "a.mp4": "h264",
    "a.webm": "vp9", "frames": "none",
}  # fmt: skip
SCRIPTS = '{"prompt":"一只猫 🐱‍👤 שלום مرحبا é e\u0301 \u202e \x01\x1f\x7f\x85\ufffe & <b> %41 ]]> --> \\"","n":1}'
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), min_size=1, max_size=60)


def save(path, text, num_frames=2):
    codec = KINDS[path.name]
    frames = np.zeros((1 if path.suffix == ".jpg" else num_frames, 16, 16, 3), np.uint8)
    frames[-1] = 9
    encoding = Encoding(media.format_of(path) or "frames", 0, "small", 50, codec, False, False)
    return media.save([frames], path, encoding, 10, text)


@pytest.mark.parametrize("name", KINDS)
def test_every_script_comes_back(name, tmp_path):
    assert media.read_metadata(save(tmp_path / name, SCRIPTS)) == SCRIPTS


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.avif", "a.png"])
def test_stills_too(name, tmp_path):
    assert media.read_metadata(save(tmp_path / name, SCRIPTS, 1)) == SCRIPTS


@pytest.mark.parametrize("name", KINDS)
def test_a_recipe_of_a_megabyte_comes_back(name, tmp_path):
    text = '{"data":"' + "QUJD日" * 250_000 + '"}'
    path = save(tmp_path / name, text)
    assert media.read_metadata(path) == text
    if name != "frames":
        assert media.read_clip(path)[0].shape[1:] == (16, 16, 3)


@pytest.mark.parametrize("name", KINDS)
@given(text=TEXTS)
@settings(max_examples=25, deadline=None, derandomize=True)
def test_any_text_comes_back(name, text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    assert media.read_metadata(save(folder / name, text)) == text


@pytest.mark.parametrize("name", KINDS)
def test_none_leaves_no_trace(name, tmp_path):
    path = save(tmp_path / name, None)
    for file in path.iterdir() if path.is_dir() else [path]:
        assert b"praxino" not in file.read_bytes().lower()
    with pytest.raises(UserError, match=r"holds no recipe; only files written by Praxino|folder without recipe\.json"):
        media.read_metadata(path)


def test_each_frame_of_a_folder_knows_too(tmp_path):
    path = save(tmp_path / "frames", SCRIPTS)
    assert media.read_metadata(path / "0002.png") == SCRIPTS


def test_lone_surrogates_become_escapes_of_the_same_meaning():
    text = json.dumps({"source": "caf\udce9.png"}, ensure_ascii=False)
    assert json.loads(encodable(text)) == json.loads(text)
    encodable(text).encode()


def test_other_peoples_texts_are_not_ours(tmp_path):
    image = Image.new("RGB", (4, 4))
    image.save(tmp_path / "a.jpg", comment=b"holiday")
    image.save(tmp_path / "a.gif", comment=b'{"holiday": 1}')
    image.save(tmp_path / "a.webp", xmp=b"<x:xmpmeta/>")
    for name in ("a.jpg", "a.gif", "a.webp"):
        with pytest.raises(UserError, match="holds no recipe"):
            media.read_metadata(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [("a.gif", b"", "is empty"), ("a.txt", b"words", "no picture or clip; it looks like text")],
)
def test_not_a_media_file(name, content, says, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=says):
        media.read_metadata(tmp_path / name)


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.avif", "a.jpg"])
def test_cut_short(name, tmp_path):
    path = save(tmp_path / name, SCRIPTS)
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(UserError, match=r"damaged or cut short|holds no recipe"):
        media.read_metadata(path)
