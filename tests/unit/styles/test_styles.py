import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxino.errors import UserError
from praxino.request import Request
from praxino.settings import home
from praxino.styles import Style, dress, every, find
from praxino.styles.colours import WORDS, said
from praxino.styles.style import read_style


@pytest.fixture
def own():
    """Write the user's own styles."""

    def write(text):
        home().mkdir(parents=True, exist_ok=True)
        (home() / "styles.toml").write_text(text, encoding="utf-8")

    return write


@pytest.mark.parametrize("name", every())
def test_every_built_in_style_can_be_put_on(name):
    style = find(name)
    dressed = dress(Request(prompt="a red fox", style=name))
    assert "a red fox" in dressed.caption
    assert "{" not in dressed.caption
    assert dressed.request.prompt == "a red fox"
    assert style.about and len(style.about) < 70
    assert dressed.rewrites


def test_there_are_icons_to_choose_from():
    coloured = [style for style in every().values() if style.has_colour]
    assert len(every()) >= 16
    assert len(coloured) >= 3
    assert all(style.fields["transparent"] for style in coloured)


def test_what_the_request_says_wins():
    style = Style("x", "", "{prompt}", {"steps": 7, "negative_prompt": "blur", "frames": 9, "transparent": True}, "")
    request = Request(prompt="a", style="x", steps=30, seconds=2.0, transparent=False)
    dressed = dress(request, lambda name: style)
    assert dressed.request == dataclasses.replace(request, negative_prompt="blur")
    assert (dressed.brings_negative, dressed.settles, dressed.rewrites) == (True, False, False)
    settled = dress(Request(prompt="a", style="x"), lambda name: style)
    assert (settled.request.frames, settled.settles) == (9, True)


def test_without_a_style_nothing_changes():
    request = Request(prompt="a", steps=3)
    assert dress(request).request is request
    assert dress(request).caption == "a"


def test_a_colour_is_said_in_words():
    dressed = dress(Request(prompt="a bell", style="flat-icon", brand_colour="#0a1f5c"))
    assert "in navy blue #0a1f5c and white" in dressed.caption
    assert "royal blue #3366ff" in dress(Request(prompt="a bell", style="flat-icon")).caption


@pytest.mark.parametrize(
    ("colour", "words"),
    [
        ("#3366ff", "royal blue #3366ff"),
        ("#F00", "red #ff0000"),
        ("#fff", "white #ffffff"),
        ("#123", "navy blue #112233"),
    ],
)
def test_colours(colour, words):
    assert said(colour) == words


@given(st.sampled_from(list(WORDS)))
def test_each_named_colour_is_its_own_name(word):
    assert said(WORDS[word]) == f"{word} {WORDS[word]}"


@pytest.mark.parametrize("colour", ["", "red", "#12", "#12345", "#gggggg", "3366ff", "#3366ff "])
def test_what_is_no_colour(colour):
    with pytest.raises(UserError, match="write it as #RRGGBB"):
        said(colour)


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"brand_colour": "#fff"}, "--brand-colour is for a style that has one: flat-icon, line-icon"),
        ({"style": "sticker", "brand_colour": "#fff"}, "sticker has no place for --brand-colour"),
        ({"style": "flat-icon", "brand_colour": "blue"}, "write it as #RRGGBB"),
        ({"style": "stiker"}, "there is no style 'stiker'; did you mean sticker?"),
        ({"style": "nothing-like-it"}, "there are studio-ghibli, "),
        ({"style": "missing.toml#x"}, "missing.toml cannot be read: No such file"),
        ({"style": "some.toml"}, "name a style of that file, as in some.toml#NAME"),
    ],
)
def test_styles_that_cannot_be_put_on(wish, message):
    with pytest.raises(UserError, match=message):
        dress(Request(prompt="a", **wish))


def test_ones_own_styles_stand_in_place_of_built_in_ones(own):
    own('[mine]\nabout = "my look"\nprompt = "{prompt} in chalk"\nsteps = 4\n[noir]\nprompt = "dark {prompt}"\n')
    assert dress(Request(prompt="a cat", style="mine")).caption == "a cat in chalk"
    assert dress(Request(prompt="a cat", style="noir")).caption == "dark a cat"
    assert find("mine").origin == str(home() / "styles.toml")
    assert len(every()) == len({*every()}) > 16


def test_a_file_of_styles_brings_its_loras_along(tmp_path):
    (tmp_path / "ink.safetensors").touch()
    file = tmp_path / "look.toml"
    file.write_text('[ink]\nlora = ["ink.safetensors:0.7", "ink.safetensors", "other.safetensors"]\nguidance = 5\n')
    style = find(f"{file}#ink")
    beside = str(tmp_path / "ink.safetensors")
    assert style.fields == {"lora": (f"{beside}:0.7", beside, "other.safetensors"), "guidance": 5.0}
    with pytest.raises(UserError, match=r"there is no style 'oil' in .*look\.toml; there are ink"):
        find(f"{file}#oil")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("x = 5", "must be a table"),
        ("[x]\nprompt = 5", "must be text"),
        ('[x]\nprompt = "no place"', r"has no \{prompt\}"),
        ('[x]\nprompt = "{prompt.__class__}"', "its prompt has {prompt.__class__}"),
        ('[x]\nprompt = "{prompt} {other}"', "its prompt has {other}"),
        ('[x]\nprompt = "{prompt} {brand_colour}"', "say which by default"),
        ("[x]\nsteps = 0", "--steps is 0; allowed is 1 to 1,000"),
        ('[x]\nsteps = "many"', "must be a whole number"),
        ("[x]\nframes = 9\nseconds = 2", "exclude each other"),
        ("[x]\ncolour = 3", "has 'colour', which it cannot set; it can set about, prompt, model"),
        ('[x]\nstyle = "y"', "which it cannot set"),
        ("[x", "is not TOML"),
    ],
)
def test_files_that_are_no_styles(own, table, message):
    own(table)
    with pytest.raises(UserError, match=message):
        find("x")


def test_a_file_that_is_not_text(own):
    own("")
    (home() / "styles.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="is not TOML"):
        every()


@given(st.text(st.characters(exclude_characters="{}", exclude_categories=["Cs"]), max_size=40))
def test_a_prompt_is_put_in_as_it_is(prompt):
    style = read_style("x", {"prompt": "a photo of {prompt}, {prompt}!"}, None)
    assert style.caption(prompt, "") == f"a photo of {prompt.strip()}, {prompt.strip()}!".strip(" ,")


def test_braces_in_a_prompt_mean_nothing():
    style = read_style("x", {"prompt": "{prompt}, drawn"}, None)
    assert style.caption("{brand_colour} {0.real}", "blue") == "{brand_colour} {0.real}, drawn"


def test_no_prompt_leaves_no_comma_behind():
    style = read_style("x", {"prompt": "{prompt}, in ink"}, None)
    assert style.caption("", "") == "in ink"
