import dataclasses
import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from praxino.engine.machine import Machine
from praxino.engine.resolve import resolve
from praxino.errors import UserError
from praxino.recipe import RECIPE_VERSION, Recipe
from praxino.request import Request

CPU = Machine("cpu")


def of(toy, request, output=None, machine=CPU):
    return resolve(request, output=output, find=lambda name: toy.entry, machine=machine)


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "p.png"
    Image.fromarray(np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)).save(path)
    return str(path)


def test_everything_is_decided(toy):
    recipe = of(toy, Request("a dog", seed=3)).recipe
    assert (recipe.width, recipe.height, recipe.num_frames, recipe.fps, recipe.seed) == (128, 64, 17, 8.0, 3)
    assert (recipe.family, recipe.variant, recipe.task, recipe.caption) == ("toy", "toy", "text-to-video", "a dog")
    assert None not in recipe.to_json().values()
    assert recipe.dtype == "float32"
    assert of(toy, Request("a dog"), machine=Machine("cuda")).recipe.dtype == "bfloat16"


def test_a_seed_is_drawn_when_none_is_given(toy):
    seeds = {of(toy, Request("a dog")).recipe.seed for _ in range(4)}
    assert len(seeds) == 4


def test_pictures_become_conditions(toy, picture):
    request = Request("x", first=picture, keyframes=(f"{picture}@8:0.5",), last=picture, size="128x64")
    recipe = of(toy, request).recipe
    assert recipe.task == "image-to-video"
    assert [(c.frame, c.strength) for c in recipe.conditions] == [(0, 1.0), (8, 0.5), (16, 1.0)]
    assert all(c.media.data.startswith("data:image/png;base64,") for c in recipe.conditions)


def test_a_clip_is_extended_both_ways(toy, tmp_path):
    frames = [Image.new("RGB", (64, 64), (i * 10, 0, 0)) for i in range(20)]
    path = tmp_path / "clip.webp"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, lossless=True)
    forward = of(toy, Request("x", video=str(path))).recipe
    backward = of(toy, Request("x", video=str(path), extend="backward", frames=33)).recipe
    assert forward.task == "video-to-video"
    assert forward.conditions[0].frame == 0
    assert backward.conditions[0].frame == 33 - 9


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"keyframes": ("p.png",)}, "FILE@FRAME"),
        ({"keyframes": ("p.png@x",)}, "FILE@FRAME"),
        ({"keyframes": ("p.png@3:7",)}, "FILE@FRAME"),
        ({"keyframes": ("p.png@-1s",)}, "FILE@SECONDSs"),
        ({"keyframes": ("p.png@nans",)}, "FILE@SECONDSs"),
        ({"keyframes": ("p.png@s:1",)}, "FILE@SECONDSs"),
        ({"extend": "forward"}, "--video"),
        ({"image": "missing.png"}, "missing.png"),
        ({"lora": ("missing.safetensors:0.5",)}, "missing.safetensors"),
        ({"lora": ("x.safetensors:99",)}, "-10 to 10"),
        ({"grid": True}, "-n 4"),
        ({"gif": "best", "format": "mp4"}, "--gif"),
        ({"codec": "vp9", "format": "mp4"}, "h264 or av1"),
        ({"codec": "vp9"}, "only MP4 and WebM"),
        ({"fps": 60}, "at most 50"),
        ({"format": "jpeg"}, "--sheet"),
    ],
)
def test_a_bad_wish_is_refused(toy, fields, message):
    with pytest.raises(UserError, match=message):
        of(toy, Request("x", **fields))
    assert toy.loads == 0


def test_two_pictures_on_one_frame(toy, picture):
    with pytest.raises(UserError, match="both at frame 0"):
        of(toy, Request("x", first=picture, keyframes=(f"{picture}@0",)))
    with pytest.raises(UserError, match="frames are 0 to 16"):
        of(toy, Request("x", keyframes=(f"{picture}@17",)))


def test_a_keyframe_at_a_time_is_at_the_frame_that_is_shown_then(toy, picture):
    conditions = of(
        toy, Request("x", fps=10, frames=17, keyframes=(f"{picture}@1.2s:0.5", f"{picture}@0s"))
    ).recipe.conditions
    assert [(condition.frame, condition.strength) for condition in conditions] == [(0, 1.0), (12, 0.5)]
    with pytest.raises(UserError, match="is at frame 17; the clip's frames are 0 to 16"):
        of(toy, Request("x", fps=10, frames=17, keyframes=(f"{picture}@1.7s",)))


def test_what_a_model_cannot_do_is_refused_before_it_would_be_fetched(toy, picture):
    only_text = dataclasses.replace(toy.entry.variant, tasks=("text-to-video",), steering=())
    absent = dataclasses.replace(toy.entry, path=None, variant=only_text)
    for wish in ({"image": picture}, {"sound": True}):
        with pytest.raises(UserError, match=r"does not do image-to-video|cannot be steered by sound"):
            resolve(Request("x", **wish), find=lambda name: absent, machine=CPU)
    with pytest.raises(UserError, match="is not on this machine"):
        resolve(Request("x"), find=lambda name: absent, machine=CPU)


def test_a_task_that_the_variant_lacks(toy, picture):
    only_text = dataclasses.replace(toy.entry, variant=dataclasses.replace(toy.entry.variant, tasks=("text-to-video",)))
    with pytest.raises(UserError, match="does not do image-to-video; it does text-to-video"):
        resolve(Request("x", image=picture), find=lambda name: only_text, machine=CPU)


def test_the_extension_decides_the_format(toy, tmp_path):
    assert of(toy, Request("x"), tmp_path / "a.webp").recipe.encoding.format == "webp"
    assert of(toy, Request("x"), tmp_path / "a.mp4").recipe.encoding.codec == "h264"
    with pytest.raises(UserError, match="give one of them"):
        of(toy, Request("x", format="gif"), tmp_path / "a.webp")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    prompt=st.text(max_size=30),
    seed=st.integers(0, 2**53 - 1),
    n=st.integers(1, 9),
    steps=st.none() | st.integers(1, 50),
    frames=st.sampled_from([None, 9, 17, 97]),
    size=st.sampled_from([None, "64x64", "16:9", "1:2"]),
)
def test_any_recipe_survives_json_and_splits_into_samples(toy, **fields):
    recipe = of(toy, Request(**fields)).recipe
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert recipe.single(recipe.n - 1).seed == recipe.seed + recipe.n - 1
    assert (recipe.single(0).identity() == recipe.identity()) == (recipe.n == 1)


def test_a_newer_recipe_is_refused(toy):
    data = of(toy, Request("x")).recipe.to_json()
    with pytest.raises(UserError, match="Upgrade"):
        Recipe.from_json({**data, "version": RECIPE_VERSION + 1})
    with pytest.raises(UserError, match="not a readable recipe"):
        Recipe.from_json({"version": RECIPE_VERSION})


def test_an_older_recipe_is_read_and_is_still_the_same(toy):
    recipe = of(toy, Request("a dog", seed=3)).recipe
    older = recipe.to_json()
    assert not {"upscale", "sound", "pieces", "extends", "plan"} & set(older)
    assert Recipe.from_json(older) == recipe
    del older["encoding"], older["parent"]
    assert recipe.identity() == hashlib.sha256(json.dumps(older, sort_keys=True).encode()).hexdigest()
    longer = of(toy, Request("a dog", seed=3, seconds=2)).recipe
    assert longer.identity() != recipe.identity()


def test_a_second_stage_is_planned_and_told(toy):
    seen = []
    plan = toy.plan
    toy.plan = lambda request, variant, shape, task: (seen.append(shape), plan(request, variant, shape, task))[1]
    variant = dataclasses.replace(toy.entry.variant, steering=("upscale",))
    entry = dataclasses.replace(toy.entry, variant=variant)
    recipe = resolve(Request("a dog", upscale="2x"), find=lambda name: entry, machine=CPU).recipe
    assert (recipe.width, recipe.height, recipe.upscale, recipe.size) == (128, 64, (256, 128), (256, 128))
    assert (seen[0].width, seen[0].upscale) == (128, (256, 128))


@pytest.mark.parametrize(
    ("guider", "planned"),
    [("cfg", (None, False)), ("cfg-zero-star", (None, True)), ("apg", ("apg", None)), (None, (None, None))],
)
def test_what_a_family_hears_of_the_guider(toy, guider, planned):
    seen = []
    plan = toy.plan
    toy.plan = lambda request, *rest: (seen.append((request.guider, request.cfg_star)), plan(request, *rest))[1]
    variant = dataclasses.replace(toy.entry.variant, steering=("apg", "cfg-zero-star"))
    entry = dataclasses.replace(toy.entry, variant=variant)
    resolve(Request("a dog", guider=guider), find=lambda name: entry, machine=CPU)
    assert seen == [planned]


def test_resolving_never_imports_torch():
    code = (
        "import sys; from praxino.engine import resolve; from praxino.weights import catalog; catalog.entries();"
        "sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_style_is_read_and_the_prompt_stays(toy):
    seen = []
    plan = toy.plan
    toy.plan = lambda request, *rest: (seen.append(request.prompt), plan(request, *rest))[1]
    recipe = of(toy, Request(prompt="a fox", style="watercolour")).recipe
    assert recipe.prompt == "a fox"
    assert recipe.caption.startswith("watercolour painting of a fox")
    assert seen == [recipe.caption]


def test_a_styles_negative_prompt_stays_away_where_it_has_no_place(toy):
    plan = toy.plan

    def fussy(request, *rest):
        if request.negative_prompt:
            raise UserError("no negative prompts here")
        return plan(request, *rest)

    toy.plan = fussy
    resolution = of(toy, Request(prompt="a fox", style="watercolour"))
    assert "that of the style watercolour is left out" in resolution.notes[0]
    with pytest.raises(UserError, match="no negative prompts here"):
        of(toy, Request(prompt="a fox", style="watercolour", negative_prompt="blur"))


@pytest.mark.parametrize(
    ("style", "said"),
    [("watercolour", "the style watercolour is ignored"), ("sticker", "the words of the style sticker are ignored")],
)
def test_a_model_of_few_words_ignores_those_of_a_style(style, said):
    resolution = resolve(Request(prompt="a rocket", style=style))
    assert resolution.notes[1] == f"pocket reads only the words it knows: {said}"
    assert len(resolution.notes) == 2
    assert resolution.recipe.caption == resolve(Request(prompt="a rocket")).recipe.caption
    assert resolution.recipe.encoding.matting == ("ground" if style == "sticker" else "none")


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"transparent": True, "format": "mp4"}, "nothing is see-through in a mp4 file"),
        ({"transparent": True, "format": "jpeg", "sheet": True}, "nothing is see-through in a jpeg file"),
        ({"matting": "ground"}, "add --transparent"),
        ({"matting": "ground", "transparent": False}, "add --transparent"),
        ({"format": "svg"}, "an SVG holds one picture"),
        ({"style": "flat-icon", "format": "webm"}, "nothing is see-through in a webm file"),
    ],
)
def test_what_cannot_be_see_through_or_drawn(toy, wish, message):
    with pytest.raises(UserError, match=message):
        of(toy, Request(prompt="a fox", **wish))


def test_a_request_takes_back_what_its_style_asks_for(toy):
    request = Request(prompt="a fox", style="flat-icon", format="webm", transparent=False)
    assert of(toy, request).recipe.encoding.matting == "none"
