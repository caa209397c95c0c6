"""EasyAnimate's clips are, bit for bit, those of its diffusers pipelines called by hand, where these can be called."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch

from praxino.errors import UserError
from praxino.families import Shape
from praxino.request import Request

from .conftest import SEED, pil

SIZE = 64, 48
NEGATIVE = "Twisted body"
TOLD: dict[str, Any] = {
    "prompt": "a red cat", "negative_prompt": NEGATIVE, "guidance_scale": 5.0,
    "num_frames": 5, "width": 64, "height": 48,
}  # fmt: skip


def wide(clip: np.ndarray) -> np.ndarray:
    """Frames of the miniature's size."""
    return np.stack([np.array(frame) for frame in pil(clip, SIZE)])


def tensor(frames: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(frames).permute(3, 0, 1, 2)[None].float() / 255


@pytest.mark.parametrize("like", ["easyanimate-5.1", "easyanimate-5.1-inpaint"])
def test_words(models, like: str) -> None:
    model = models("easyanimate", like)
    drawn = model.draw("text-to-video", negative_prompt=NEGATIVE, rescale=0.4)
    call = model.by_hand("EasyAnimateInpaintPipeline" if "inpaint" in like else "EasyAnimatePipeline")
    assert drawn.shape == (5, 48, 64, 3)
    assert np.array_equal(drawn, call(**TOLD, guidance_rescale=0.6))


def test_an_empty_negative_prompt_is_told_too(models) -> None:
    model = models("easyanimate")
    call = model.by_hand("EasyAnimatePipeline")
    wanted = call(**{**TOLD, "negative_prompt": ""})
    assert np.array_equal(model.draw("text-to-video", negative_prompt=""), wanted)
    unguided = call(**{**TOLD, "guidance_scale": 1.0})
    assert np.array_equal(model.draw("text-to-video", guidance=1.0), unguided)


@pytest.mark.parametrize("last", [False, True])
def test_first_and_last_frames(models, clip, last: bool) -> None:
    from diffusers.pipelines.easyanimate.pipeline_easyanimate_inpaint import get_image_to_video_latent

    model, clip = models("easyanimate", "easyanimate-5.1-inpaint"), wide(clip)
    given = [("frame", clip[:1], 1.0, 0), *([("frame", clip[9:10], 1.0, 4)] if last else [])]
    drawn = model.draw("image-to-video", given, negative_prompt=NEGATIVE)
    ends = pil(clip[[0, 9]], SIZE)
    video, mask = get_image_to_video_latent(ends[0], ends[1] if last else None, 5, SIZE[::-1])
    wanted = model.by_hand("EasyAnimateInpaintPipeline")(**TOLD, video=video, mask_video=mask)
    assert np.array_equal(drawn, wanted)


@pytest.mark.parametrize("strength", [0.7, 1.0])
def test_a_clip_that_is_changed(models, clip, strength: float) -> None:
    model, clip = models("easyanimate", "easyanimate-5.1-inpaint"), wide(clip)[:9]
    drawn = model.draw("video-to-video", [("video", clip, strength, 0)], strength=strength, negative_prompt=NEGATIVE)
    video = tensor(clip[::2])
    call = model.by_hand("EasyAnimateInpaintPipeline")
    with torch.random.fork_rng([]):
        torch.manual_seed(SEED)
        wanted = call(**TOLD, video=video, mask_video=torch.full_like(video[:, :1], 255), strength=strength)
    assert np.array_equal(drawn, wanted)


@pytest.mark.parametrize("count", [1, 5])
def test_what_a_mask_covers_of_a_clip(models, clip, count: int) -> None:
    model, clip = models("easyanimate", "easyanimate-5.1-inpaint"), wide(clip)[:5]
    mask = np.zeros((count, 48, 64, 3), np.uint8)
    mask[:, :, 32:] = 255
    mask[-1, :, 16:] = 255
    given = [("video", clip, 1.0, 0), ("mask", mask, 1.0, 0)]
    drawn = model.draw("video-to-video", given, strength=1.0, negative_prompt=NEGATIVE)
    covered = tensor(np.repeat(mask, 5 // count, 0))[:, :1] * 255
    call = model.by_hand("EasyAnimateInpaintPipeline")
    assert np.array_equal(drawn, call(**TOLD, video=tensor(clip), mask_video=covered))
    assert not np.array_equal(drawn, model.draw("video-to-video", given[:1], strength=1.0, negative_prompt=NEGATIVE))
    with pytest.raises(UserError, match="they must be alike"):
        model.draw("video-to-video", [given[0], ("mask", mask[:, ::2], 1.0, 0)])


def test_a_clip_is_changed_alike_wherever_torchs_own_generator_stands(models, clip) -> None:
    model, given = models("easyanimate", "easyanimate-5.1-inpaint"), [("video", wide(clip)[:5], 0.7, 0)]
    first = model.draw("video-to-video", given)
    torch.randn(5)
    stands = torch.get_rng_state()
    assert np.array_equal(model.draw("video-to-video", given), first)
    assert torch.equal(torch.get_rng_state(), stands)


@torch.no_grad()
def by_loop(model: Any, maps: torch.Tensor, first: torch.Tensor | None) -> np.ndarray:
    """What the control pipeline is meant to do, step by step: diffusers' own cannot be called."""
    pipeline = model.by_hand("EasyAnimateControlPipeline").pipeline
    vae, factor = pipeline.vae, pipeline.vae.config.scaling_factor
    positive, negative, *_ = pipeline.encode_prompt("a red cat", 1, True, NEGATIVE)
    latents = torch.randn(1, 4, 2, 6, 8, generator=torch.Generator().manual_seed(SEED))
    control = vae.encode(maps * 2 - 1).latent_dist.mode() * factor
    shown = torch.zeros_like(control)
    if first is not None:
        shown[:, :, :1] = vae.encode(first * 2 - 1).latent_dist.mode() * factor
    beside = torch.cat([torch.cat([control, shown], 1)] * 2)
    pipeline.scheduler.set_timesteps(model.variant.steps, mu=1)
    for time in pipeline.scheduler.timesteps:
        told = torch.cat([negative, positive])
        predicted = pipeline.transformer(
            torch.cat([latents] * 2), torch.tensor([time] * 2), encoder_hidden_states=told, control_latents=beside,
            return_dict=False,
        )[0]  # fmt: skip
        without, wanted = predicted.chunk(2)
        latents = pipeline.scheduler.step(without + 5.0 * (wanted - without), time, latents, return_dict=False)[0]
    drawn = vae.decode(1 / factor * latents, return_dict=False)[0]
    pictures = pipeline.video_processor.postprocess_video(drawn, output_type="pil")[0]
    return np.stack([np.array(picture) for picture in pictures])


@pytest.mark.parametrize("first", [False, True])
def test_a_map_of_every_frame(models, clip, first: bool) -> None:
    model, clip = models("easyanimate", "easyanimate-5.1-control"), wide(clip)[:5]
    shown = wide(255 - clip[:1])
    given = [*([("frame", shown, 1.0, 0)] if first else []), ("control:pose", clip, 1.0, 0)]
    task = "image-to-video" if first else "text-to-video"
    drawn = model.draw(task, given, negative_prompt=NEGATIVE, control=("pose-map=x.mp4",))
    assert np.array_equal(drawn, by_loop(model, tensor(clip), tensor(shown) if first else None))


def test_edges_are_drawn_of_every_frame(models, clip) -> None:
    from praxino.families._stock import annotate

    model, clip = models("easyanimate", "easyanimate-5.1-control"), wide(clip)[:5]
    drawn = model.draw("text-to-video", [("annotate:canny", clip, 1.0, 0)], control=("canny=x.mp4",))
    edges = np.stack([annotate.canny(frame) for frame in clip])
    wanted = model.draw("text-to-video", [("control:canny", edges, 1.0, 0)], control=("canny-map=x.mp4",))
    assert np.array_equal(drawn, wanted)


@pytest.mark.parametrize(
    ("like", "task", "role"),
    [
        ("easyanimate-5.1", "text-to-video", ""),
        ("easyanimate-5.1-inpaint", "image-to-video", "frame"),
        ("easyanimate-5.1-inpaint", "video-to-video", "video"),
        ("easyanimate-5.1-control", "text-to-video", "control:depth"),
    ],
)
def test_going_on(models, clip, like: str, task: str, role: str) -> None:
    given = [(role, wide(clip)[: 1 if role == "frame" else 5], 0.7, 0)] if role else []
    models("easyanimate", like).check_going_on(task, given)


def test_a_vae_that_says_nothing_of_its_cache(models, clip, tmp_path) -> None:
    model = models("easyanimate", "easyanimate-5.1-inpaint")
    for file in model.folder.rglob("*"):
        if file.is_file():
            target = tmp_path / file.relative_to(model.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    told = json.loads((tmp_path / "vae" / "config.json").read_text())
    assert told.pop("cache_mag_vae") is True
    (tmp_path / "vae" / "config.json").write_text(json.dumps(told))
    parts = model.family.load(tmp_path, model.variant, "float32", "cpu")
    given = [("frame", wide(clip)[:1], 1.0, 0)]
    recipe = model.recipe("image-to-video", given)
    *_, state = model.family.denoise(recipe, parts, [given[0][1]], SEED)
    assert np.array_equal(state.tensors["frames"].numpy(), model.draw("image-to-video", given))


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"control": ("canny=a.mp4", "depth=b.mp4")}, "follows one map"),
        ({"control": ("canny=a.mp4:0.5",)}, "cannot weigh a map"),
        ({"control": ("canny=a.mp4",), "controlnet": ("x",)}, "follows maps itself"),
        ({"last": "b.png"}, "needs the first frame"),
        ({"stg": 1.0}, "--stg means nothing to"),
    ],
)
def test_what_cannot_be_is_refused(models, wish: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        models("easyanimate", "easyanimate-5.1-control").recipe("text-to-video", **wish)


def test_words_that_are_not_read_are_told(models) -> None:
    model = models("easyanimate")
    (note,) = model.family.plan(
        Request(prompt="b" * 300, negative_prompt="c"), model.variant, Shape(64, 48, 5, 8.0), "text-to-video"
    ).notes
    assert "Qwen2-VL reads 256 tokens of the prompt; it does not read: 'bbb" in note
