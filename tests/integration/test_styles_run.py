"""A style's wishes all the way to the file: see-through pictures and drawings, shown and drawn again."""

from pathlib import Path

import pytest
from PIL import Image

from praxino.cli import outcome
from praxino.engine.output import read_recipe
from praxino.families import families
from praxino.settings import home

SMALL = ("--steps", "1", "--size", "32x32", "--seed", "1")


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    families()["ltx-video"].miniature(folder)
    return str(folder)


@pytest.fixture
def praxino(miniature, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def call(*args):
        code = outcome.run(list(args))
        said = capsys.readouterr()
        assert code == 0, said.err
        return said.out + said.err

    return call


def test_a_see_through_file_is_drawn_again_to_the_byte(praxino, miniature):
    praxino("a bell", "-m", miniature, *SMALL, "--transparent", "-o", "a.gif")
    with Image.open("a.gif") as picture:
        assert picture.has_transparency_data
    assert "see-through (ground)" in praxino("show", "a.gif")
    assert "every byte is as in" in praxino("replay", "a.gif")


def test_in_a_format_without_see_through_the_ground_is_kept(praxino, miniature):
    praxino("a bell", "-m", miniature, *SMALL, "--transparent", "-o", "a.webp")
    praxino("replay", "a.webp", "-o", "b.mp4")
    assert read_recipe(Path("b.mp4")).encoding.matting == "none"


def test_a_drawing_is_shown_and_drawn_again(praxino, miniature):
    pytest.importorskip("vtracer")
    praxino("a bell", "-m", miniature, *SMALL, "--sheet", "-o", "a.svg")
    assert "svg, frames side by side" in praxino("show", "a.svg")
    assert "every byte is as in a.svg" in praxino("replay", "a.svg")


def test_ones_own_style(praxino, miniature, tmp_path):
    home().mkdir(parents=True, exist_ok=True)
    (home() / "styles.toml").write_text('[chalk]\nprompt = "{prompt} in chalk"\ntransparent = true\nloop = 2\n')
    said = praxino("a bell", "-m", miniature, *SMALL, "--style", "chalk", "-o", "a.webp")
    recipe = read_recipe(tmp_path / "a.webp")
    assert (recipe.prompt, recipe.caption) == ("a bell", "a bell in chalk")
    assert (recipe.encoding.matting, recipe.encoding.loop) == ("ground", 2)
    assert "the ground is not of one colour" in said
    assert ["read", "as", "a", "bell", "in", "chalk"] in [
        line.split() for line in praxino("show", "a.webp").splitlines()
    ]
