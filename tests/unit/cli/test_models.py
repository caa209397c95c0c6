import json

import pytest

from praxino.families import families


def test_list(praxino):
    lines = praxino("models", "list").out.splitlines()
    assert lines[0].split() == ["NAME", "FAMILY", "HERE", "TASKS"]
    assert ["ltx-video-0.9.5", "ltx-video", "no"] in [line.split()[:3] for line in lines]


def test_list_as_json(praxino):
    (found,) = [m for m in json.loads(praxino("models", "list", "--json").out) if m["name"] == "ltx-video-0.9.5"]
    assert (found["family"], found["variant"], found["installed"]) == ("ltx-video", "ltx-video-0.9.5", False)
    assert "image-to-video" in found["tasks"]


def test_show_what_is_not_here(praxino):
    said = praxino("models", "show", "ltx-video-0.9.5")
    assert "not on this machine" in said.out
    told = json.loads(praxino("models", "show", "ltx-video-0.9.5", "--json").out)
    assert (told["path"], told["size_bytes"], told["vocabulary"]) == (None, None, None)
    assert told["steps"] == families()["ltx-video"].variants["ltx-video-0.9.5"].steps


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["show", "ltx-vido-0.9.5"], "ltx-video-0.9.5"),
        (["miniature", "ltx-vid", "x"], "there is no family 'ltx-vid'; did you mean ltx-video?"),
        (["miniature", "zzz", "x"], "there is no family 'zzz'; there are "),
    ],
)
def test_what_there_is_not(praxino, args, message):
    said = praxino("models", *args)
    assert (said.code, said.out) == (2, "")
    assert message in said.err


def test_a_miniature_overwrites_nothing(praxino, tmp_path):
    (tmp_path / "mine").write_text("x", encoding="utf-8")
    said = praxino("models", "miniature", "ltx-video", str(tmp_path))
    assert (said.code, "is there already" in said.err) == (2, True)
