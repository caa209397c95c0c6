import json
import shlex

import pytest

from praxino.cli import import_settings
from praxino.cli.options import request_of
from praxino.errors import UserError
from praxino.families import families
from praxino.foreign.checkpoints import REPOSITORIES
from praxino.weights import catalog

PARAMETERS = (
    "a fox's den\nNegative prompt: -blurry\n"
    "Steps: 28, Sampler: DPM++ 2M Karras, CFG scale: 6.5, Seed: 9, Size: 832x1216, Model: {}, Clip skip: 2"
)


@pytest.fixture
def picture(tmp_path, monkeypatch):
    """A text file of settings that name a model."""
    monkeypatch.chdir(tmp_path)

    def write(model="pocket", more=""):
        (tmp_path / "a.txt").write_text(PARAMETERS.format(model) + more, encoding="utf-8")
        return "a.txt"

    return write


def test_the_command_line_says_the_same(praxino, picture, monkeypatch):
    said = praxino("import", picture())
    assert said.code == 0
    assert shlex.split(said.out) == [
        *(
            "praxino",
            "a fox's den",
            "--negative",
            "-blurry",
            "--size",
            "832x1216",
            "--steps",
            "28",
            "--guidance",
            "6.5",
        ),
        *("--scheduler", "dpm++-2m-karras", "--seed", "9"),
    ]
    assert said.err.splitlines() == [
        "settings of AUTOMATIC1111",
        "not taken over: Clip skip: 2 (text encoders are read to their last layer here)",
    ]


def test_as_json(praxino, picture):
    said = praxino("import", picture("nobody-knows-it"), "--json")
    told = json.loads(said.out)
    assert said.err == ""
    assert told["request"]["prompt"] == "a fox's den"
    assert told["checkpoint"] == "nobody-knows-it"
    assert told["unmapped"][0]["what"] == "Clip skip: 2"
    assert told["lacks"] == ["the model nobody-knows-it is not known here; give one with -m"]


def test_options_are_put_in_place_of_what_was_read(praxino, picture):
    file = picture()
    words = shlex.split(praxino("import", file, "--seed", "3", "--sigmas", "1,0.5", "-o", "x.png", "-q").out)
    assert words[:3] == ["praxino", "-o", "x.png"]
    assert "--steps" not in words
    assert words[words.index("--seed") + 1] == "3"
    assert words[words.index("--sigmas") + 1] == "1.0,0.5"


@pytest.fixture
def drawn(monkeypatch):
    """The requests that would be drawn."""
    seen = []
    monkeypatch.setattr(import_settings, "draw_request", lambda request, output, running: seen.append(request))
    return seen


def test_it_can_be_run(praxino, picture, drawn):
    assert praxino("import", picture(), "--run", "--steps", "4").code == 0
    assert (drawn[0].prompt, drawn[0].steps, drawn[0].model) == ("a fox's den", 4, "pocket")


@pytest.mark.parametrize(
    ("model", "more", "message"),
    [
        ("nobody-knows-it", "", "the model nobody-knows-it is not known here; give one with -m"),
        ("", "", "no model is named; give one with -m"),
        ("pocket", ", Denoising strength: 0.5", "give it: --image FILE"),
    ],
)
def test_what_is_missing_has_to_be_given_before_it_is_run(praxino, picture, drawn, model, more, message):
    file = picture(model, more)
    said = praxino("import", file, "--run")
    assert (said.code, drawn) == (2, [])
    assert message in said.err
    assert praxino("import", file, "--run", "-m", "pocket", "--image", "x.png").code == 0
    assert drawn[0].image == "x.png"


@pytest.mark.parametrize(
    ("checkpoint", "name"),
    [
        ("pocket", "pocket"),
        ("folder\\POCKET.safetensors", "pocket"),
        ("ltxv/ltx-video-2b-v0.9.5.safetensors", "ltx-video-0.9.5"),
        ("other", None),
        ("", None),
    ],
)
def test_models_are_known_by_their_files(checkpoint, name):
    assert import_settings._known_model(checkpoint) == name


def test_models_are_known_by_their_repositories(monkeypatch):
    import dataclasses

    family = families()["ltx-video"]
    variant = dataclasses.replace(family.variants["ltx-video-0.9.5"], source="stabilityai/sdxl-turbo")
    monkeypatch.setattr(catalog, "entries", lambda: [catalog.Entry("turbo", family, variant, None)])
    assert import_settings._known_model("sd_xl_turbo_1.0_fp16.safetensors") == "turbo"
    assert import_settings._known_model("sd_xl_base_1.0.safetensors") is None


def test_published_files_are_of_models_that_are_known():
    known = {variant.source for family in families().values() for variant in family.variants.values()}
    assert set(REPOSITORIES.values()) <= known


def test_a_file_without_settings(praxino, tmp_path):
    (tmp_path / "x.txt").write_text("hello")
    said = praxino("import", str(tmp_path / "x.txt"))
    assert (said.code, said.out) == (2, "")
    assert "holds no settings" in said.err
    with pytest.raises(UserError):
        request_of({"steps": 0})
