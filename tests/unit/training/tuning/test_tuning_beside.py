"""References and masks are found beside their clips; what does not fit is left out with a line."""

import json

import numpy as np
import pytest

from praxino import media
from praxino.recipe import Encoding
from praxino.training.tuning import beside
from praxino.training.tuning.clips import find
from praxino.training.tuning.examples import check
from praxino.training.tuning.settings import Tuning


def clip(path, count=9, width=64, height=64, value=255):
    frames = np.full((count, height, width, 3), value, np.uint8)
    frames[np.arange(count), 0, np.arange(count)] //= 2  # no two frames are one
    encoding = Encoding(path.suffix[1:], 0, "best", 100, "none", False, False)
    return media.save([frames], path, encoding, 10.0, None)


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    clip(folder / "a.webp")
    (folder / "a.txt").write_text("a star spinning")
    return folder


def test_by_their_names(data):
    clip(data / "a.reference.gif")
    clip(data / "a.mask.png", 1)
    found = find(data)
    assert [(c.name, sorted(c.beside)) for c in found.clips] == [("a.webp", ["mask", "reference"])]
    assert found.clips[0].beside["mask"] == (data / "a.mask.png").resolve() and not found.problems


@pytest.mark.parametrize("key", ["reference", "reference_path"])
def test_by_columns(data, key):
    clip(data / "edges.gif")
    row = {"file_name": "a.webp", "caption": "x", key: "edges.gif"}
    (data / "metadata.jsonl").write_text(json.dumps(row))
    (found,) = find(data).clips
    assert dict(found.beside) == {"reference": (data / "edges.gif").resolve()}
    (data / "metadata.jsonl").write_text(json.dumps({**row, key: "none.gif"}))
    assert find(data).problems == [
        "metadata.jsonl line 1: there is no file none.gif",
        "edges.gif: no line of metadata.jsonl names it",
    ]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({}, "a.webp: has no reference, which control = 'pose-map' asks for"),
        ({"count": 5}, "a.webp: its reference has 5 frames, and it has 9"),
        ({"width": 96}, "a.webp: its reference is 96x64, of another aspect than 64x64"),
    ],
)
def test_a_reference_that_does_not_fit_leaves_its_clip_out(data, made, said):
    if made:
        clip(data / "a.reference.webp", **made)
    clip(data / "b.webp")
    clip(data / "b.reference.webp")
    (data / "b.txt").write_text("a heart")
    told = check(Tuning(data=str(data), control="pose-map"))
    assert told.left_out == [said] and told.used[0].endswith(", after its reference")


def test_a_black_mask_leaves_its_clip_out(data):
    clip(data / "b.webp")
    clip(data / "b.mask.png", 1, value=0)
    (data / "b.txt").write_text("a heart")
    told = check(Tuning(data=str(data)))
    assert told.left_out == ["b.webp: its mask is all black: nothing of it would be learnt"]


def test_what_is_used_is_told_and_part_of_the_example(data):
    clip(data / "a.reference.webp", 3)
    clip(data / "a.mask.png", 1)
    told = check(Tuning(data=str(data)))
    assert told.used[0].endswith(", with its mask, its reference not looked at")
    assert told.examples[0].beside.keys() == {"mask"}
    told = check(Tuning(data=str(data), control="canny"))
    assert told.used[0].endswith(", with its mask, after its edges")
    assert told.examples[0].beside["reference"] == "canny"


def test_a_mask_is_the_share_of_white_in_each_cell():
    mask = np.zeros((8, 8, 3), np.uint8)
    mask[:4, :2] = 255
    assert beside._shrunk(mask, (2, 2)).tolist() == [[0.5, 0.0], [0.0, 0.0]]
