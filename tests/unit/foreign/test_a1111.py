import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxino.foreign.a1111 import looks_like, read_parameters, split
from praxino.request import Request

TEXT = """a cat <lora:ink:0.8> on a roof <lora:more>,
(moonlight:1.2)
Negative prompt: blurry,
text
Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 965400086, Size: 832x1216, \
Model hash: 31e35c80fc, Model: sd_xl_base_1.0, Clip skip: 2, Lora hashes: "ink: aabb, more: ccdd", \
Denoising strength: 0.4, Hires upscale: 1.5, Hires upscaler: Latent, VAE: sdxl.safetensors, Version: v1.10.1"""


def left(settings):
    return [one.what for one in settings.unmapped]


def test_a_text_of_the_web_ui():
    settings = read_parameters(TEXT)
    assert settings.fields == {
        **{"prompt": "a cat on a roof,\n(moonlight:1.2)", "negative_prompt": "blurry,\ntext"},
        **{"steps": 28, "scheduler": "dpm++-2m-karras", "guidance": 6.5, "seed": 965400086, "size": "832x1216"},
        **{"lora": ("ink.safetensors:0.8", "more.safetensors")},
    }
    assert (settings.program, settings.checkpoint, settings.missing) == ("AUTOMATIC1111", "sd_xl_base_1.0", "")
    assert left(settings) == [
        "weights in the prompt",
        "Denoising strength: 0.4",
        "Clip skip: 2",
        "Hires upscale: 1.5",
        "Hires upscaler: Latent",
        "VAE: sdxl.safetensors",
    ]


def test_switches_in_a_prompt_are_told():
    assert left(read_parameters("a [cat:dog:0.5] BREAK a roof")) == ["switches in the prompt"]


def test_a_prompt_alone():
    settings = read_parameters("a cat, a dog: two, friends")
    assert settings.fields == {"prompt": "a cat, a dog: two, friends"}
    assert settings.unmapped == ()


@pytest.mark.parametrize(
    ("line", "scheduler", "listed"),
    [
        ("Sampler: Euler a", "euler-ancestral", []),
        ("Sampler: DPM++ 2M Karras", "dpm++-2m-karras", []),
        ("Sampler: DPM++ 2M, Schedule type: Automatic", "dpm++-2m-karras", []),
        ("Sampler: DPM++ 2M", "dpm++-2m", []),
        ("Sampler: DPM++ SDE, Schedule type: Automatic", "dpm++-sde", ["scheduler karras"]),
        ("Sampler: Euler, Schedule type: Automatic", "euler", []),
        ("Sampler: UniPC, Schedule type: Exponential", "unipc", ["scheduler exponential"]),
        ("Sampler: PLMS", "pndm", []),
        ("Sampler: DPM adaptive", None, ["sampler DPM adaptive"]),
    ],
)
def test_samplers(line, scheduler, listed):
    settings = read_parameters(f"x\nSteps: 20, {line}, CFG scale: 7, Seed: 1")
    assert settings.fields.get("scheduler") == scheduler
    assert left(settings) == listed


def test_a_picture_that_was_changed_is_asked_for():
    settings = read_parameters("x\nSteps: 20, Sampler: Euler, Seed: 1, Denoising strength: 0.6, Mask blur: 4")
    assert (settings.fields["strength"], settings.missing) == (0.6, "image")
    assert left(settings) == ["Mask blur: 4"]


def test_distilled_guidance():
    line = "x\nSteps: 20, Sampler: Euler, CFG scale: {}, Distilled CFG Scale: 3.5, Seed: 1"
    assert read_parameters(line.format(1)).fields.get("true_guidance") is None
    settings = read_parameters(line.format(2))
    assert (settings.fields["guidance"], settings.fields["true_guidance"]) == (3.5, 2.0)


@pytest.mark.parametrize(
    "value",
    ["Steps: many", "Steps: 100000", "Seed: -1", "Seed: 1.5", "Seed: " + "9" * 40, "CFG scale: nan", "CFG scale: 1e9"],
)
def test_numbers_that_a_request_cannot_hold_are_listed(value):
    settings = read_parameters(f"x\n{value}, Sampler: Euler, Size: 64x64")
    assert left(settings) == [value]
    assert set(settings.fields) == {"prompt", "scheduler", "size"}


@pytest.mark.parametrize("tag", ["<lora:x:a>", "<lora:x:1:0.5>", "<hypernet:x:1>", "<lyco:x>"])
def test_networks_without_their_like_are_listed(tag):
    settings = read_parameters(f"a cat {tag}\nSteps: 1, Sampler: Euler, Seed: 1")
    assert left(settings) == [tag]
    assert settings.fields["prompt"] == "a cat"
    assert "lora" not in settings.fields


def test_a_prompt_too_long_is_listed():
    settings = read_parameters("x" * 30_000 + "\nSteps: 1, Sampler: Euler, Seed: 1")
    assert left(settings) == ["the prompt"]


@pytest.mark.parametrize(
    "text",
    [
        "a" * 2_000_000,
        " " * 2_000_000 + "x",
        "Steps: 1, " + "a: " * 500_000,
        'Steps: 1, b: "' + '\\"' * 500_000,
        "<lora:" * 300_000,
        "[a:" * 300_000,
        "(" * 1_000_000 + "a:",
        "Negative prompt:" * 100_000,
        "\n" * 1_000_000,
    ],
)
def test_long_texts_are_no_trouble(text):
    began = time.monotonic()
    read_parameters(text)
    assert time.monotonic() - began < 5


def test_which_texts_are_parameters():
    assert looks_like(TEXT)
    assert not looks_like("Steps: many")
    assert not looks_like("Taken with my camera")


def written(prompt, negative, values):
    """As the web UI writes it (modules/processing.py, create_infotext)."""

    def quoted(value):
        return json.dumps(value, ensure_ascii=False) if any(c in str(value) for c in ",\n:") else value

    line = ", ".join(f"{name}: {quoted(value)}" for name, value in values.items())
    return f"{prompt}{f'{chr(10)}Negative prompt: {negative}' if negative else ''}\n{line}".strip()


words = st.lists(st.text("abcxyz äß猫,.'-!?#0123456789", min_size=1, max_size=12), min_size=1, max_size=4)
lines = words.map(lambda parts: "\n".join(part.strip() for part in parts)).filter(str.strip).map(str.strip)
names = st.from_regex(r"[A-Z][a-z]{2,8}( [a-z]{2,8})?", fullmatch=True)
values = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(
    lambda text: text == text.strip() and not text.startswith('"')
)


@given(lines, st.just("") | lines, st.dictionaries(names, values | st.integers(0, 99), max_size=4))
def test_what_the_web_ui_writes_is_split_again(prompt, negative, extra):
    pairs = {**extra, "Steps": 20, "Seed": 5, "Size": "64x64"}
    found = split(written(prompt, negative, pairs))
    assert found == (prompt, negative, {name: str(value) for name, value in pairs.items()})


@given(st.integers(1, 1000), st.integers(0, 2**53 - 1), st.floats(0, 100), st.integers(64, 4096), st.integers(64, 4096))
def test_numbers_come_back_exactly(steps, seed, cfg, width, height):
    pairs = {"Steps": steps, "Sampler": "Euler", "CFG scale": cfg, "Seed": seed, "Size": f"{width}x{height}"}
    fields = read_parameters(written("x", "", pairs)).fields
    assert (fields["steps"], fields["seed"], fields["guidance"]) == (steps, seed, cfg)
    assert fields["size"] == f"{width}x{height}"


@given(st.text(max_size=300))
def test_any_text_gives_fields_that_are_good_for_a_request(text):
    Request(**read_parameters(text).fields)
    Request(**read_parameters(f"{text}\nSteps: {text}, Sampler: {text}, Seed: {text}, Size: {text}").fields)
