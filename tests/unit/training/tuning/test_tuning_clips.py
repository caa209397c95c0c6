"""Data folders of each layout, and a line for whatever in them cannot be used."""

import json

import numpy as np
import pytest

from praxino import media
from praxino.errors import UserError
from praxino.recipe import Encoding
from praxino.training.tuning.clips import find


def clip(path, count=3, value=0):
    frames = np.full((count, 32, 48, 3), value, np.uint8)
    frames[np.arange(count), :, np.arange(count)] = 255
    kind = "gif" if path.suffix == ".gif" else "png"
    return media.save([frames], path, Encoding(kind, 0, "good", 90, "none", False, False), 10.0, None)


def test_files_with_captions_beside_them(tmp_path):
    for name in ("b.gif", "a.png"):
        clip(tmp_path / name, 3 if name == "b.gif" else 1)
        (tmp_path / name).with_suffix(".txt").write_text(f"what is  in\n{name} ", encoding="utf-8")
    (tmp_path / "notes.md").write_text("not a clip")
    found = find(tmp_path)
    assert [(c.name, c.caption) for c in found.clips] == [("a.png", "what is in a.png"), ("b.gif", "what is in b.gif")]
    assert found.problems == []
    frames, fps = found.clips[1].read()
    assert (frames.shape, fps) == ((3, 32, 48, 3), 10.0)


@pytest.mark.parametrize("keys", [("file_name", "caption"), ("video", "prompt"), ("image", "text")])
def test_metadata_with_any_of_the_usual_names(tmp_path, keys):
    clip(tmp_path / "a.gif")
    (tmp_path / "metadata.jsonl").write_text(json.dumps({keys[0]: "a.gif", keys[1]: "a cat"}) + "\n\n")
    (found,) = find(tmp_path).clips
    assert (found.name, found.caption) == ("a.gif", "a cat")


def test_folders_of_numbered_frames(tmp_path):
    folder = tmp_path / "000_sample"
    folder.mkdir()
    for number in (10, 2, 0):
        clip(folder / f"{number}.png", 1, value=number)
    (folder / "prompt.txt").write_text("a dog")
    (found,) = find(tmp_path).clips
    frames, fps = found.read()
    assert [int(frame[5, 20, 0]) for frame in frames] == [0, 2, 10]
    assert (fps, found.caption) == (8.0, "a dog")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: clip(folder / "a.gif"), "a.gif: has no caption; write one into a.txt"),
        (lambda folder: (clip(folder / "a.gif"), (folder / "a.txt").write_text(" \n")), "a.gif: its caption is empty"),
        (lambda folder: (clip(folder / "a.gif"), (folder / "a.txt").write_bytes(b"\xff\xfe")), "a.txt is not UTF-8"),
        (lambda folder: (clip(folder / "a.gif"), clip(folder / "a.png", 1), (folder / "a.txt").write_text("x")),
         "a.png: has the same name as a.gif"),
        (lambda folder: (folder / "metadata.jsonl").write_text('{"file_name": "no.gif", "text": "x"}'),
         "metadata.jsonl line 1: there is no file no.gif"),
        (lambda folder: (folder / "metadata.jsonl").write_text('{"file_name": "../no.gif", "text": "x"}'),
         "lies outside of the folder"),
        (lambda folder: (folder / "metadata.jsonl").write_text('{"text": "x"}'), "line 1: has no file_name"),
        (lambda folder: (folder / "metadata.jsonl").write_text('{"file_name": "a.gif"}'), "line 1: has no caption"),
        (lambda folder: (folder / "metadata.jsonl").write_text('["x"'), "line 1: not JSON"),
        (lambda folder: (clip(folder / "a.gif"), (folder / "metadata.jsonl").write_text(
            '{"file_name": "a.gif", "text": "x"}\n{"file_name": "a.gif", "text": "y"}')), "a.gif: named twice"),
        (lambda folder: ((folder / "in").mkdir(), clip(folder / "in" / "b.gif"), clip(folder / "a.gif"),
                         (folder / "metadata.jsonl").write_text('{"file_name": "a.gif", "text": "x"}')),
         "in/b.gif: no line of metadata.jsonl names it"),
        (lambda folder: (folder / "a.flv").write_bytes(b"FLV"), "a.flv: is no kind of file that is read"),
        (lambda folder: (folder / "a.txt").write_text("x"), "there is no clip a that it could be the caption of"),
        (lambda folder: clip(folder / "a.reference.gif"), "there is no clip a that it could be the reference of"),
        (lambda folder: ((folder / "in").mkdir(), clip(folder / "in" / "b.gif")), "in: a folder within"),
    ],
)  # fmt: skip
def test_nothing_is_left_out_without_a_line(tmp_path, make, said):
    make(tmp_path)
    problems = find(tmp_path).problems
    assert len(problems) == 1 and said in problems[0]


def test_what_systems_leave_behind_is_no_clip(tmp_path):
    clip(tmp_path / "a.gif")
    (tmp_path / "a.txt").write_text("a cat", encoding="utf-8-sig")
    for name in ("._a.gif", ".DS_Store", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).write_bytes(b"\0")
    found = find(tmp_path)
    assert ([c.caption for c in found.clips], found.problems) == (["a cat"], [])


def test_metadata_may_begin_with_a_byte_order_mark_and_name_a_folder_of_frames(tmp_path):
    (tmp_path / "walk").mkdir()
    clip(tmp_path / "walk" / "0.png", 1)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "walk", "text": "a cat"}', encoding="utf-8-sig")
    found = find(tmp_path)
    assert ([c.name for c in found.clips], found.problems) == (["walk"], [])


def test_an_empty_folder_and_one_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="holds no clips"):
        find(tmp_path)
    with pytest.raises(UserError, match="there is no folder"):
        find(tmp_path / "nowhere")


def test_metadata_that_is_not_utf8(tmp_path):
    (tmp_path / "metadata.jsonl").write_bytes(b"\xff")
    with pytest.raises(UserError, match="not UTF-8"):
        find(tmp_path)
