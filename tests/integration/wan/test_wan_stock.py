"""Every kind of checkpoint beside diffusers' own pipeline, with the authors' noise levels put into its scheduler.

Where diffusers prepares pictures as the authors do (those of the very size, unsquashed), the clips have to be equal.
"""

from __future__ import annotations

from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

from praxino.families.wan import FAMILY, conditioning, pictures, run
from praxino.sampling.noise import SeededNoise

from .conftest import condition, last, picture, recipe_of

FLOW: dict[str, Any] = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}


class OnTheseLevels(diffusers.UniPCMultistepScheduler):
    """diffusers' solver, on noise levels that are given."""

    levels: tuple[float, ...]

    def set_timesteps(self, num_inference_steps, device=None, **more):
        super().set_timesteps(num_inference_steps, device)
        self.sigmas = torch.tensor([*self.levels, 0.0])
        self.timesteps = torch.tensor([int(1000 * level) for level in self.levels])


def pipeline_of(miniature, like: str, kind: str, recipe, **more: Any):
    pipeline = getattr(diffusers, kind).from_pretrained(miniature(like), **more)
    pipeline.scheduler = OnTheseLevels(**FLOW)
    pipeline.scheduler.levels = recipe.sigmas
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def stock(pipeline, recipe, noise: torch.Tensor, **wish: Any) -> torch.Tensor:
    scales = [phase.scale for phase in recipe.guidance_phases]
    if len(scales) > 1:
        wish["guidance_scale_2"] = scales[1]
    return pipeline(
        prompt=recipe.caption, negative_prompt=recipe.negative_prompt, width=recipe.width, height=recipe.height,
        num_frames=recipe.num_frames, num_inference_steps=recipe.steps, guidance_scale=scales[0],
        latents=noise.clone(), output_type="latent", **wish,
    ).frames  # fmt: skip


def ours(recipe, parts, pictures=()) -> tuple[torch.Tensor, torch.Tensor]:
    """The first and the last latents."""
    first, *rest = FAMILY.denoise(recipe, parts, list(pictures), recipe.seed)
    return first.tensors["latents"], last(rest).tensors["latents"]


def close(given: torch.Tensor, wanted: torch.Tensor) -> None:
    assert given.shape == wanted.shape
    assert float((given - wanted).norm() / wanted.norm()) < 1e-5


@pytest.mark.parametrize("like", ["wan2.1-t2v-1.3b", "wan2.2-t2v-a14b", "wan2.2-ti2v-5b"])
def test_words(miniature, loaded, like) -> None:
    variant, parts = loaded(like)
    recipe = recipe_of(variant, steps=6, prompt="a  red &amp; blue cat")
    noise, result = ours(recipe, parts)
    close(result, stock(pipeline_of(miniature, like, "WanPipeline", recipe), recipe, noise))


@pytest.mark.parametrize("like", ["wan2.1-i2v-14b-480p", "wan2.1-flf2v-14b", "wan2.2-i2v-a14b"])
def test_pictures_on_channels(miniature, loaded, like) -> None:
    variant, parts = loaded(like)
    frames = [picture(seed, variant.width, variant.height) for seed in (1, 2)]
    if like != "wan2.1-flf2v-14b":
        frames = frames[:1]
    given = tuple(condition(frame=frame) for frame in (0, variant.num_frames - 1)[: len(frames)])
    wish = {"first": "a.png", **({"last": "b.png"} if len(frames) > 1 else {})}
    recipe = recipe_of(variant, given, "image-to-video", steps=4, **wish)
    noise, result = ours(recipe, parts, frames)
    more: dict[str, Any] = {"image": Image.fromarray(frames[0][0])}
    if len(frames) > 1:
        more["last_image"] = Image.fromarray(frames[1][0])
    pipeline = pipeline_of(miniature, like, "WanImageToVideoPipeline", recipe)
    if parts.image_encoder is not None:
        features = run.prepare(recipe, parts, frames, SeededNoise(0)).inputs["encoder_hidden_states_image"]
        pipeline.encode_image = lambda *_: features
    close(result, stock(pipeline, recipe, noise, **more))


def test_a_held_first_frame(miniature, loaded) -> None:
    variant, parts = loaded("wan2.2-ti2v-5b")
    frame = picture(1, variant.width, variant.height)
    recipe = recipe_of(variant, (condition(),), "image-to-video", steps=4, first="a.png")
    result = last(FAMILY.denoise(recipe, parts, [frame], recipe.seed)).tensors["latents"]
    noise = SeededNoise(recipe.seed).draw(tuple(result.shape))
    more: dict[str, Any] = {"image_encoder": None, "image_processor": None}
    pipeline = pipeline_of(miniature, "wan2.2-ti2v-5b", "WanImageToVideoPipeline", recipe, **more)
    close(result, stock(pipeline, recipe, noise, image=Image.fromarray(frame[0])))


@pytest.mark.parametrize("num_references", [0, 2])
@pytest.mark.parametrize("given", ["nothing", "map", "mask", "frames"])
def test_vace(miniature, loaded, given, num_references) -> None:
    variant, parts = loaded("wan2.1-vace-1.3b")
    width, height, count = variant.width, variant.height, variant.num_frames
    clip = picture(5, width, height, count)
    mask = np.zeros_like(clip)
    mask[2:, :, : width // 2] = 255
    conditions, given_pictures, wish = [], [], {}
    video, covered = np.full_like(clip, 127.5, dtype=float), np.full_like(clip, 255)
    if given == "map":
        conditions, given_pictures = [condition("control:depth", strength=0.7)], [clip]
        wish, video = {"control": ("depth-map=clip.mp4:0.7",)}, clip
    elif given == "mask":
        conditions, given_pictures = [condition("video"), condition("mask")], [clip, mask]
        video, covered = clip, mask
    elif given == "frames":
        conditions, given_pictures = [condition(), condition(frame=count - 1)], [clip[:1], clip[-1:]]
        video[0], video[-1] = clip[0], clip[-1]
        covered[0] = covered[-1] = 0
    references = [picture(seed, width, height) for seed in range(num_references)]
    conditions += [condition("reference") for _ in references]
    recipe = recipe_of(variant, tuple(conditions), steps=3, **wish)
    noise, result = ours(recipe, parts, [*given_pictures, *references])
    assert noise.shape[2] == 2 + num_references
    pipeline = pipeline_of(miniature, "wan2.1-vace-1.3b", "WanVACEPipeline", recipe)
    known = torch.from_numpy(np.asarray(video, np.float32)).permute(3, 0, 1, 2)[None] / 127.5 - 1
    cells = torch.from_numpy(covered).permute(3, 0, 1, 2)[None].float() / 255
    pipeline.preprocess_conditions = lambda *_, **__: (
        known, cells, [[torch.from_numpy(r[0]).permute(2, 0, 1) / 127.5 - 1 for r in references[::-1]]]
    )  # fmt: skip
    wanted = stock(pipeline, recipe, noise, conditioning_scale=0.7 if given == "map" else 1.0)
    close(result, wanted)


def test_a_picture_of_another_shape_is_squashed_for_clip_as_diffusers_does_not(miniature, loaded) -> None:
    _, parts = loaded("wan2.1-i2v-14b-480p")
    frame = picture(3, 60, 24)
    pixels = pictures.for_clip(frame, parts.image_encoder.config.image_size)
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(frame).permute(0, 3, 1, 2) / 127.5 - 1, size=(28, 28), mode="bicubic", align_corners=False
    )
    mean, std = torch.tensor(pictures.CLIP_MEAN), torch.tensor(pictures.CLIP_STD)
    torch.testing.assert_close(pixels, (wanted / 2 + 0.5 - mean[:, None, None]) / std[:, None, None])
    processor = diffusers.WanImageToVideoPipeline.from_pretrained(miniature("wan2.1-i2v-14b-480p")).image_processor
    stock_pixels = torch.as_tensor(np.asarray(processor(images=Image.fromarray(frame[0])).pixel_values[0]))
    assert (stock_pixels - pixels[0]).abs().max() > 0.05


def test_known_frames_are_four_channels_of_a_latent_frame() -> None:
    encoded = torch.zeros(1, 16, 3, 2, 2)
    known = torch.zeros(9)
    known[[0, 8]] = 1
    mask = conditioning.known_mask(known, encoded)
    assert mask[0, :, :, 0, 0].T.tolist() == [[1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 1]]
    assert mask.shape == (1, 4, 3, 2, 2)
