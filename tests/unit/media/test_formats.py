import os
from pathlib import Path

import pytest

from praxino.errors import UserError
from praxino.media import check_output, format_of
from praxino.recipe import Encoding


def encoding(format, **changes):
    fields = {"loop": 0, "gif": "good", "quality": 90, "codec": "none", "grid": False, "sheet": False}
    return Encoding(format=format, **{**fields, **changes})


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.gif", "gif"), ("A.GIF", "gif"), ("a.webp", "webp"), ("a.avif", "avif"), ("a.png", "png"),
        ("a.apng", "png"), ("a.mp4", "mp4"), ("a.webm", "webm"), ("a.jpg", "jpeg"), ("x/a.b.jpeg", "jpeg"),
        ("folder/", "frames"), ("folder", None), ("a.txt", None), (Path("a.gif"), "gif"),
    ],
)  # fmt: skip
def test_format_of(name, format):
    assert format_of(name) == format


@pytest.mark.parametrize(
    ("name", "format", "says"),
    [
        ("a.xyz", "gif", r"the extension \.xyz; allowed are \.gif, \.webp"),
        ("a", "gif", r"no extension; allowed are \.gif"),
        ("a.mp4", "gif", "is a mp4 file|named like a mp4 file"),
        ("none/a.gif", "gif", "no folder .*none to write a.gif into"),
        ("file/a.gif", "gif", "is a file, so a.gif"),
        ("folder.gif", "gif", r"is a folder; name a file in it, as .*folder\.gif/clip\.gif"),
        ("a.gif", "frames", "frames go to a folder; name it a"),
        ("file", "frames", "is a file, and frames go to a folder"),
        ("full", "frames", "other things in it"),
        ("a" * 256 + ".gif", "gif", "255 bytes"),
        ("a\0.gif", "gif", "no NUL"),
    ],
)
def test_refused(tmp_path, name, format, says):
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.gif").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious.txt").write_text("mine")
    with pytest.raises(UserError, match=says):
        check_output(tmp_path / name, encoding(format), 5)


def test_jpeg_holds_one_frame(tmp_path):
    with pytest.raises(UserError, match=r"holds one; write a \.gif"):
        check_output(tmp_path / "a.jpg", encoding("jpeg"), 5)
    check_output(tmp_path / "a.jpg", encoding("jpeg", sheet=True), 5)
    check_output(tmp_path / "a.jpg", encoding("jpeg"), 1)


def test_allowed(tmp_path):
    (tmp_path / "old.gif").write_bytes(b"anything")
    (tmp_path / "empty").mkdir()
    for name, format in [("new.gif", "gif"), ("old.gif", "gif"), ("new", "frames"), ("empty", "frames")]:
        check_output(tmp_path / name, encoding(format), 5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "old.gif"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may write everywhere")
def test_folder_that_may_not_be_written(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(UserError, match="may not be written"):
        check_output(tmp_path / "locked" / "a.gif", encoding("gif"), 5)
