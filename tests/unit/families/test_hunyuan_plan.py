"""HunyuanVideo: what is decided of a wish, and what is refused, without torch."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from praxino.engine.geometry import resolve_size
from praxino.errors import UserError
from praxino.families import Shape, Variant
from praxino.families._hunyuan import plan, sizes
from praxino.families._hunyuan.settings import Settings
from praxino.families._hunyuan.template import PICTURE, VIDEO, VIDEO_FROM_PICTURE
from praxino.families._hunyuan.words import template_of
from praxino.families.hunyuan_video.variants import TEXT
from praxino.families.hunyuan_video_i2v.variants import LATENT_CONCAT, PUBLISHED, TOKEN_REPLACE
from praxino.request import Request


def planned(variant: Variant, num_frames: int = 129, task: str | None = None, **wish):
    shape = Shape(variant.width, variant.height, num_frames, 24.0)
    return plan.plan(Request(prompt="a cat", **wish), variant, shape, task or variant.tasks[0])


@pytest.mark.parametrize(("motion", "shift"), [(None, 7), ("stable", 7), ("dynamic", 17)])
def test_the_authors_numbers(motion, shift):
    sampling = planned(TOKEN_REPLACE, motion=motion)
    t = np.linspace(1, 0, 51)[:-1]
    np.testing.assert_allclose(sampling.sigmas, shift * t / (1 + (shift - 1) * t), rtol=1e-6)
    assert sampling.steps == 50 and sampling.schedule == "shifted" and sampling.scheduler == "euler"
    assert sampling.guidance_phases[0].scale == 6.0
    assert sampling.options["motion"] == (motion or "stable")
    assert sampling.negative_prompt == "", "there is no classifier-free guidance unless asked for"


def test_words_alone_have_one_shift_and_no_motion():
    assert planned(TEXT).sigmas == planned(TOKEN_REPLACE).sigmas
    assert "motion" not in TEXT.steering and all("motion" in variant.steering for variant in PUBLISHED.values())


def test_a_negative_prompt_needs_true_guidance():
    assert planned(TOKEN_REPLACE, true_guidance=2).negative_prompt == TOKEN_REPLACE.negative_prompt
    assert planned(TEXT, true_guidance=2, negative_prompt="fog").negative_prompt == "fog"
    with pytest.raises(UserError, match="--true-guidance 2"):
        planned(TEXT, negative_prompt="fog")


def test_latent_concat_says_that_frames_are_left_away():
    (note,) = planned(LATENT_CONCAT, 125).notes
    assert "draws 129 frames" in note and "first 4 are left away" in note and note.endswith("125 frames")
    assert planned(TOKEN_REPLACE).notes == ()
    assert LATENT_CONCAT.num_frames == 125


def test_the_first_days_weights_take_no_guidance():
    assert planned(LATENT_CONCAT, 125).guidance_phases[0].scale == 1.0
    with pytest.raises(UserError, match="--true-guidance"):
        planned(LATENT_CONCAT, 125, guidance=6)


def test_skip_guidance_has_its_authors_block_and_takes_others():
    (phase,) = planned(TEXT, stg=1).guidance_phases
    assert (phase.stg_scale, phase.stg_blocks, phase.rescale, phase.scale) == (1, (2,), 1, 6)
    (phase,) = planned(TEXT, stg=2, stg_blocks=(0, 59), rescale=0.5).guidance_phases
    assert (phase.stg_blocks, phase.rescale) == ((0, 59), 0.5)


REFUSED = {
    "frames": (TOKEN_REPLACE, {"num_frames": 128}, "4k [+] 1; .* 125 and 129"),
    "one frame": (TOKEN_REPLACE, {"num_frames": 1}, "least are 5"),
    "schedule": (TEXT, {"schedule": "uniform"}, "as its authors do"),
    "scheduler": (TEXT, {"scheduler": "unipc"}, "sampled with euler"),
    "blocks": (TEXT, {"stg": 1, "stg_blocks": (60,)}, "blocks are 0 to 59"),
    "blocks without stg": (TEXT, {"stg_blocks": (1,)}, "--stg-blocks changes nothing"),
    "rescale without stg": (TEXT, {"rescale": 0.5}, "--rescale changes nothing"),
    "mode without stg": (TEXT, {"stg_mode": "attention-skip"}, "--stg-mode changes nothing"),
    "star without guidance": (TEXT, {"cfg_star": True}, "--cfg-star changes nothing"),
    "strength": (TOKEN_REPLACE, {"strength": 0.5}, "keeps its picture"),
    "lora blocks": (TEXT, {"lora_blocks": "x"}, "add --lora"),
    "a picture's token": (TEXT, {"prompt": "an <image> of"}, "takes for a picture"),
    "a clip as it is": (TEXT, {"task": "video-to-video", "strength": 0.01}, "not one step"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name):
    variant, wish, words = REFUSED[name]
    shape = Shape(variant.width, variant.height, wish.get("num_frames", 129), 24.0)
    more = {key: value for key, value in wish.items() if key not in ("num_frames", "task")}
    with pytest.raises(UserError, match=words):
        plan.plan(Request(**{"prompt": "a cat", **more}), variant, shape, wish.get("task", variant.tasks[0]))


def test_sides_of_sixteen():
    with pytest.raises(UserError, match=r"height 712 .* 704 and 720"):
        plan.plan(Request(prompt="a cat"), TEXT, Shape(1280, 712, 129, 24.0), "text-to-video")


def test_a_changed_clip_runs_the_last_of_the_levels():
    whole = planned(TEXT).sigmas
    assert planned(TEXT, task="video-to-video", strength=0.5).sigmas == whole[25:]
    assert planned(TEXT, task="video-to-video").sigmas == whole[15:]
    assert planned(TEXT, task="video-to-video", strength=1).sigmas == whole


def test_a_picture_decides_the_bucket_and_a_name_its_resolution():
    def size(picture, **wish):
        return resolve_size(Request(**wish), TOKEN_REPLACE, picture)

    assert size((1920, 1080)) == (1248, 704)
    assert size((1080, 1920)) == (704, 1248)
    assert size((1920, 1080), size="360p") == (608, 352)
    assert size((1024, 1024), size="540p") == (720 // 32 * 32, 720 // 32 * 32) == (704, 704)
    assert size((1920, 1080), size="608x352") == (608, 352)
    with pytest.raises(UserError, match="does not draw 640x480"):
        size((1920, 1080), size="640x480")


@pytest.mark.parametrize(
    ("picture", "drawn", "expected"),
    [
        ((1280, 720), (1248, 704), (1251, 704)),
        ((720, 1280), (1248, 704), (1248, 2219)),
        ((100, 90), (96, 32), (96, 86)),
    ],
)
def test_a_picture_covers_what_is_drawn(picture, drawn, expected):
    assert sizes.resized(picture, drawn) == expected


def test_a_clip_of_one_frame_is_asked_for_as_a_picture():
    text, picture = Settings(), Settings(kind="token-replace")
    assert template_of(text, 1) is PICTURE and template_of(text, 5) is VIDEO
    assert template_of(picture, 5) is VIDEO_FROM_PICTURE
    for template, name in (
        (VIDEO, "pipeline_hunyuan_video"),
        (VIDEO_FROM_PICTURE, "pipeline_hunyuan_video_image2video"),
    ):
        module = importlib.import_module(f"diffusers.pipelines.hunyuan_video.{name}")
        told = module.DEFAULT_PROMPT_TEMPLATE
        assert (template.text, template.crop_start) == (told["template"], told["crop_start"])
    assert VIDEO.around("a {b} c").endswith("a {b} c<|eot_id|>")
