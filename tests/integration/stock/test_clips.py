"""The adapter with clips: what pipelines are given, what they give, and those that loop several times."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load, save

from praxino.families import LoopState
from praxino.families._stock import Given, control, standard
from praxino.families._stock.loop import Call, denoise
from praxino.families._stock.run import _frames
from praxino.recipe import Companion, Condition, GuidancePhase, Media

MEDIA = Media("given", "", "")
CLIP = np.random.default_rng(0).integers(0, 256, (5, 20, 40, 3), dtype=np.uint8)


def recipe(*conditions: Condition, **more: Any) -> Any:
    return SimpleNamespace(
        task="image-to-video", caption="a cat", negative_prompt="", guidance=1.0, sigmas=(), width=16, height=16,
        num_frames=3, fps=7.6, guidance_phases=(GuidancePhase(1.0, 1.0),), options={"levels": 4},
        conditions=conditions, companions=(), **more,
    )  # fmt: skip


class Clips:
    """A pipeline's signature."""

    def __call__(self, prompt, num_frames, fps, image=None, last_image=None, video=None, conditioning_frames=None):
        raise NotImplementedError


def arguments(wish: Any, *pictures: np.ndarray, kept: dict[str, Any] | None = None) -> dict[str, Any]:
    return standard(Given(wish, SimpleNamespace(kept=kept or {}), Clips(), list(pictures)))  # type: ignore[arg-type]


def pixels(pictures: list[Image.Image]) -> np.ndarray:
    return np.stack([np.array(picture) for picture in pictures])


def test_a_pipeline_of_clips_is_told_their_length_and_pace() -> None:
    told = arguments(recipe())
    assert (told["num_frames"], told["fps"]) == (3, 8)
    assert not {"image", "last_image", "video"} & set(told)


def test_first_and_last_frame_are_fitted_to_the_size() -> None:
    told = arguments(recipe(Condition(0, 1.0, MEDIA), Condition(2, 1.0, MEDIA)), CLIP[:1], CLIP[1:2])
    assert told["image"].size == told["last_image"].size == (16, 16)
    middle = Image.fromarray(CLIP[0]).resize((16, 16), Image.Resampling.LANCZOS, box=(10, 0, 30, 20))
    assert np.array_equal(np.array(told["image"]), np.array(middle))
    assert not np.array_equal(np.array(told["image"]), np.array(told["last_image"]))


def test_a_clip_that_is_changed_comes_in_as_many_frames_as_are_drawn() -> None:
    told = arguments(recipe(Condition(0, 1.0, MEDIA, "video")), CLIP)
    alone = [arguments(recipe(Condition(0, 1.0, MEDIA)), CLIP[place : place + 1])["image"] for place in (0, 2, 4)]
    assert np.array_equal(pixels(told["video"]), pixels(alone))


@pytest.mark.parametrize("count", [1, 5])
def test_a_control_is_a_map_for_every_frame(count: int) -> None:
    wish = recipe(Condition(0, 0.5, MEDIA, "control:depth"), Condition(0, 0.8, MEDIA, "annotate:canny"))
    wish.companions = (Companion("controlnet:depth", "d"), Companion("controlnet:canny", "c"))
    kept = {"controlnet:depth": ("d", object()), "controlnet:canny": ("c", object())}
    told = arguments(wish, CLIP[:count], CLIP[:count], kept=kept)
    depth, canny = told["conditioning_frames"]
    assert told["controlnet_conditioning_scale"] == [0.5, 0.8]
    assert pixels(depth).shape == pixels(canny).shape == (3, 16, 16, 3)
    assert set(np.unique(pixels(canny))) <= {0, 255}
    assert (len(np.unique(pixels(depth), axis=0)) == 1) is (count == 1)


def test_without_controlnets_the_maps_are_the_familys_to_use() -> None:
    wish = recipe(Condition(0, 0.5, MEDIA, "control:pose"))
    assert "conditioning_frames" not in arguments(wish, CLIP)
    given = Given(wish, SimpleNamespace(kept={}), Clips(), [CLIP])  # type: ignore[arg-type]
    (drawn,) = control.maps(given)
    assert pixels(drawn).shape == (3, 16, 16, 3)


def test_frames_come_out_alike_of_every_output_type() -> None:
    from diffusers.video_processor import VideoProcessor

    video = torch.rand(1, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    given = {kind: VideoProcessor().postprocess_video(video, kind) for kind in ("pil", "np", "pt")}
    drawn = [_frames(SimpleNamespace(frames=frames)).numpy() for frames in given.values()]
    assert drawn[0].shape == (4, 8, 8, 3) and drawn[0].dtype == np.uint8
    assert np.array_equal(drawn[0], pixels(given["pil"][0]))
    assert np.array_equal(drawn[1], drawn[0]) and np.array_equal(drawn[2], drawn[0])


class Sections:
    """A pipeline that draws three sections of two steps, each going on from what the one before ended with."""

    def __init__(self) -> None:
        from diffusers import EulerAncestralDiscreteScheduler

        self.scheduler = EulerAncestralDiscreteScheduler()
        self.transformer = torch.nn.Conv3d(4, 2, 1)
        self.num_timesteps = 2

    @torch.no_grad()
    def __call__(self, generator: torch.Generator, callback_on_step_end: Any) -> Any:
        history = [torch.zeros(1, 2, 2, 4, 4)]
        for _ in range(3):
            self.scheduler.set_timesteps(self.num_timesteps)
            latents = torch.randn(1, 2, 2, 4, 4, generator=generator)
            for index, time in enumerate(self.scheduler.timesteps):
                known = self.scheduler.scale_model_input(latents, time)
                predicted = self.transformer(torch.cat([known, history[-1]], 1))
                latents = self.scheduler.step(predicted, time, latents, generator=generator).prev_sample
                latents = callback_on_step_end(self, index, time, {"latents": latents}).pop("latents", latents)
            history.append(latents)
        return torch.cat(history[1:], 2)


def follow(pipeline: Any, saved: LoopState | None = None) -> list[LoopState]:
    call = Call(pipeline, {}, 6, torch.Generator().manual_seed(3), lambda output: output)
    return list(denoise(call, saved))


def test_a_pipeline_that_loops_several_times_goes_on_from_any_step() -> None:
    torch.manual_seed(0)
    pipeline = Sections()
    straight = follow(pipeline)
    assert [state.step for state in straight] == list(range(7))
    by_hand = pipeline(torch.Generator().manual_seed(3), lambda *_: {})
    assert torch.equal(straight[-1].tensors["frames"], by_hand)
    for state in straight[1:-1]:
        stored = LoopState(state.step, load(save({key: value.contiguous() for key, value in state.tensors.items()})))
        resumed = follow(pipeline, stored)
        assert [later.step for later in resumed] == list(range(state.step, 7))
        assert torch.equal(resumed[-1].tensors["frames"], by_hand)
