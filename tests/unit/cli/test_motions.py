import json

from praxino import media


def test_motions_are_listed_and_shown(praxino, tmp_path):
    code, out, _ = praxino("motions", "list")
    assert code == 0 and "walk" in out and "a person jumps up once" in out
    assert "32 at 16 fps" in praxino("motions", "show", "wave")[1]
    told = json.loads(praxino("motions", "show", "wave", "--json")[1])
    assert len(told["frames"]) == 32
    own = tmp_path / "own.json"
    own.write_text(json.dumps(told))
    path = tmp_path / "own.gif"
    assert praxino("motions", "show", str(own), "-o", str(path))[1].strip() == str(path)
    frames, fps = media.read_clip(path)
    assert frames.shape == (24, 256, 256, 3) and fps == 12


def test_what_cannot_be_shown(praxino, tmp_path):
    assert "did you mean dance" in praxino("motions", "show", "dence")[2]
    code, _, said = praxino("motions", "show", "wave", "-o", str(tmp_path / "a.xyz"))
    assert code == 2 and "write a .gif" in said
