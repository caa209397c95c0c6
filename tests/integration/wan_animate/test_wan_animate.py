"""Wan Animate: beside diffusers' own pipeline on the authors' noise levels, through the engine, and what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load, save

from praxino.engine.resolve import resolve
from praxino.engine.run import run
from praxino.errors import UserError
from praxino.families import LoopState, Shape
from praxino.families._stock import annotate, skeleton
from praxino.families.wan.conditioning import Given
from praxino.families.wan.latents import _statistics
from praxino.families.wan_animate import FAMILY, prepare
from praxino.families.wan_animate.variants import PROMPT, PUBLISHED
from praxino.recipe import Condition, Encoding, Media, Recipe
from praxino.request import Request
from praxino.sampling.noise import SeededNoise

FACE_SIDE = 8
REPLACE = {"video": "clip.mp4", "mask": "mask.png", "reference": ("who.png",)}


class OnTheseLevels(diffusers.UniPCMultistepScheduler):
    """diffusers' solver, on noise levels that are given."""

    levels: tuple[float, ...]

    def set_timesteps(self, num_inference_steps, device=None, **more):
        super().set_timesteps(num_inference_steps, device)
        self.sigmas = torch.tensor([*self.levels, 0.0])
        self.timesteps = torch.tensor([int(1000 * level) for level in self.levels])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("wan-animate") / "miniature"
    FAMILY.miniature(path)
    return path


@pytest.fixture(scope="module")
def loaded(folder):
    variant = FAMILY.identify(folder)
    return variant, FAMILY.load(folder, variant, "float32", "cpu")


def clip(seed: int, side: int = 32, frames: int = 5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    small = torch.from_numpy(rng.uniform(0, 255, (1, 3, frames, 4, 4)))
    large = torch.nn.functional.interpolate(small, (frames, side, side), mode="trilinear")
    return large[0].permute(1, 2, 3, 0).round().byte().numpy()


def recipe_of(variant, roles: tuple[str, ...], **wish: Any) -> Recipe:
    task = "video-to-video" if "video" in roles else "image-to-video"
    request = Request(
        **{"prompt": "she waves", "motion_template": "poses.mp4", **(REPLACE if "video" in roles else {}), **wish}
    )
    shape = Shape(variant.width, variant.height, variant.num_frames, variant.fps)
    sampling = FAMILY.plan(request, variant, shape, task)
    decided = {field.name: getattr(sampling, field.name) for field in dataclasses.fields(sampling)}
    del decided["notes"]
    media = Media("given", "", "")
    return Recipe(
        family="wan-animate", variant=variant.name, model="miniature", revision="", task=task, prompt=request.prompt,
        caption=request.prompt, width=shape.width, height=shape.height, num_frames=shape.num_frames, fps=shape.fps,
        guidance=sampling.guidance_phases[0].scale, seed=3, n=1, dtype="float32",
        conditions=tuple(Condition(0, 1.0, media, role) for role in roles), loras=(),
        encoding=Encoding("gif", 0, "good", 90, "none", False, False), **decided,
    )  # fmt: skip


def images(frames: np.ndarray) -> list[Image.Image]:
    return [Image.fromarray(frame) for frame in frames]


@pytest.mark.parametrize("mode", ["animate", "replace"])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_it_is_diffusers_pipeline_on_the_authors_levels(folder, loaded, mode, guidance) -> None:
    variant, parts = loaded
    character, poses, face = clip(1, frames=1), clip(2), clip(3, FACE_SIDE)
    mask = np.zeros((5, 32, 32, 3), np.uint8)
    mask[:, 8:, 8:24] = 255
    mask[3:, :, :] = 0
    ground = clip(4)
    roles, given = ("frame", "motion", "control:face"), [character, poses, face]
    more: dict[str, Any] = {}
    if mode == "replace":
        roles, given = ("video", "mask", "reference", "motion", "control:face"), [ground, mask, character, poses, face]
        more = {"background_video": images(np.where(mask > 0, 0, ground).astype(np.uint8)), "mask_video": images(mask)}
    recipe = recipe_of(variant, roles, guidance=guidance, control=("face-map=face.mp4",))
    states = list(FAMILY.denoise(recipe, parts, given, recipe.seed))
    start = prepare.prepare(parts, Given(recipe, tuple(zip(recipe.conditions, given, strict=True))), SeededNoise(3))
    pipeline = diffusers.WanAnimatePipeline.from_pretrained(folder)
    pipeline.scheduler = OnTheseLevels(prediction_type="flow_prediction", use_flow_sigmas=True)
    pipeline.scheduler.levels = recipe.sigmas
    pipeline.set_progress_bar_config(disable=True)
    pipeline.encode_image = lambda *_: start.inputs["encoder_hidden_states_image"]
    drawn = pipeline(
        image=Image.fromarray(character[0]), pose_video=images(poses), face_video=images(face), mode=mode,
        prompt=recipe.caption, negative_prompt=recipe.negative_prompt, width=32, height=32, segment_frame_length=5,
        num_inference_steps=recipe.steps, guidance_scale=guidance, latents=states[0].tensors["latents"].clone(),
        output_type="latent", **more,
    ).frames  # fmt: skip
    mean, inverse_std = _statistics(parts.vae)
    wanted, result = (drawn - mean) * inverse_std, states[-1].tensors["latents"]
    assert float((result - wanted).norm() / wanted.norm()) < 1e-5


def test_what_it_is_given_each_counts(loaded) -> None:
    variant, parts = loaded
    character, poses, face = clip(1, frames=1), clip(2), clip(3, FACE_SIDE)

    def drawn(roles, given, **wish) -> bytes:
        recipe = recipe_of(variant, roles, **wish)
        *_, state = FAMILY.denoise(recipe, parts, given, 3)
        return FAMILY.decode(recipe, parts, state).tobytes()

    plain = drawn(("frame", "motion"), [character, poses])
    assert drawn(("frame", "motion"), [character, poses]) == plain
    others = {
        drawn(("frame", "motion"), [clip(8, frames=1), poses]),
        drawn(("frame", "motion"), [character, clip(9)]),
        drawn(("frame", "motion", "control:face"), [character, poses, face], control=("face-map=f.mp4",)),
        drawn(("frame", "motion"), [character, poses], prompt="another"),
    }
    assert len({plain, *others}) == 5
    assert drawn(("frame", "motion"), [character, poses], prompt="") == drawn(
        ("frame", "motion"), [character, poses], prompt=PROMPT
    )


def test_poses_are_given_ready_or_made_of_a_clip_of_somebody(loaded, monkeypatch) -> None:
    variant, parts = loaded
    character, filmed = clip(1, frames=1), clip(2)
    monkeypatch.setattr(annotate, "people", lambda frame, detector: np.ones((1, 4)) if frame is not None else None)
    monkeypatch.setattr(annotate, "joints", lambda frame, boxes, model: [frame[:17, 0].astype(float)])
    monkeypatch.setattr(skeleton, "draw", lambda people, width, height: np.full((height, width, 3), people[0][0, 0]))

    def latents(role: str, frames: np.ndarray, **wish: Any) -> torch.Tensor:
        recipe = recipe_of(variant, ("frame", role), **{"motion_template": None, **wish})
        return list(FAMILY.denoise(recipe, parts, [character, frames], 3))[-1].tensors["latents"]

    monkeypatch.setattr(parts, "makers", {name: ("", (None, None)) for name in ("pose", "person")})
    made = np.stack([np.full((32, 32, 3), frame[0, 0, 0]) for frame in filmed])
    ready = latents("control:pose", made, control=("pose-map=a.mp4",))
    assert torch.equal(latents("annotate:pose", filmed, control=("pose=a.mp4",)), ready)
    assert torch.equal(latents("motion", made, motion_template="a.mp4"), ready)
    assert not torch.equal(latents("control:pose", filmed, control=("pose-map=a.mp4",)), ready)
    request = Request(prompt="x", first="a.png", control=("pose=a.mp4",))
    plan = FAMILY.plan(request, PUBLISHED["wan2.2-animate-14b"], Shape(1280, 720, 77, 30.0), "image-to-video")
    assert [companion.role for companion in plan.companions] == ["annotator:pose", "annotator:person"]


def test_a_run_goes_on_from_a_saved_step_bit_for_bit(loaded) -> None:
    variant, parts = loaded
    recipe = recipe_of(variant, ("frame", "motion"), guidance=2.0)
    given = [clip(1, frames=1), clip(2)]
    states = list(FAMILY.denoise(recipe, parts, given, 3))
    saved = load(save({name: tensor.contiguous() for name, tensor in states[2].tensors.items()}))
    *_, resumed = FAMILY.denoise(recipe, parts, given, 3, LoopState(2, saved))
    assert torch.equal(resumed.tensors["latents"], states[-1].tensors["latents"])


def test_in_half_precision_what_reads_faces_stays_wide(folder, loaded) -> None:
    variant, _ = loaded
    parts = FAMILY.load(folder, variant, "bfloat16", "cpu")
    kinds = {name: weight.dtype for name, weight in parts.transformer.named_parameters()}
    assert kinds["motion_encoder.conv_in.weight"] == kinds["face_encoder.conv1_local.weight"] == torch.float32
    assert kinds["blocks.0.attn1.to_q.weight"] == kinds["face_adapter.0.to_q.weight"] == torch.bfloat16
    *_, state = FAMILY.denoise(recipe_of(variant, ("frame", "motion")), parts, [clip(1, frames=1), clip(2)], 3)
    assert torch.isfinite(state.tensors["latents"]).all()


@pytest.mark.parametrize("mode", ["animate", "replace"])
def test_a_later_segment_is_diffusers(folder, loaded, mode) -> None:
    """Five frames, and four more from the last of them: what the second is prepared from, in diffusers' own words."""
    variant, parts = loaded
    before, ground = clip(6, frames=1), clip(4)
    mask = np.zeros((5, 32, 32, 3), np.uint8)
    mask[:, 8:, 8:24] = 255
    roles: tuple[str, ...] = ("frame", "reference", "motion")
    given = [before, clip(1, frames=1), clip(2)]
    more: dict[str, Any] = {"task": mode}
    if mode == "replace":
        roles, given = (*roles, "video", "mask"), [*given, ground, mask]
        pixels = torch.from_numpy(np.where(mask > 0, 0, ground)).permute(3, 0, 1, 2)[None] / 127.5 - 1
        more |= {
            "background_video": pixels.float(),
            "mask_video": torch.from_numpy(mask[None, ..., 0])[:, None] / 255.0,
        }
    recipe = recipe_of(variant, ("video",) if mode == "replace" else ("frame", "motion"))
    conditions = tuple(Condition(0, 1.0, Media("given", "", ""), role) for role in roles)
    recipe = dataclasses.replace(recipe, conditions=conditions)
    start = prepare.prepare(parts, Given(recipe, tuple(zip(conditions, given, strict=True))), SeededNoise(3))
    pipeline = diffusers.WanAnimatePipeline.from_pretrained(folder)
    wanted = pipeline.prepare_prev_segment_cond_latents(
        torch.from_numpy(before).permute(3, 0, 1, 2)[None] / 127.5 - 1, segment_frame_length=5, start_frame=4,
        height=32, width=32, prev_segment_cond_frames=1, dtype=torch.float32, device="cpu", **more,
    )  # fmt: skip
    assert start.channels is not None
    torch.testing.assert_close(start.channels[:, :, 1:], wanted, rtol=1e-4, atol=1e-4)


def test_a_character_is_whole_between_black_bars() -> None:
    picture = clip(1, 40, 1)[0][:20]
    given = prepare.padded(picture, 32, 32)
    assert given.shape == (32, 32, 3) and not given[:8].any() and not given[24:].any() and given[8:24].any()
    assert np.array_equal(prepare.padded(clip(1, 32, 1)[0], 32, 32), clip(1, 32, 1)[0])


def test_what_stays_is_four_channels_of_a_latent_frame() -> None:
    stays = torch.arange(5.0)[:, None, None, None].expand(5, 1, 2, 2)
    mask = prepare.staying_mask(stays)
    assert mask.shape == (1, 4, 2, 2, 2)
    assert mask[0, :, :, 0, 0].T.tolist() == [[0, 0, 0, 0], [1, 2, 3, 4]]


@pytest.mark.parametrize(("wish", "task", "message"), [
    ({}, "image-to-video", "--motion-template"),
    ({"motion_template": "walk"}, "text-to-video", "--reference FILE"),
    ({"motion_template": "walk", "first": "a", "reference": ("a",)}, "image-to-video", "no --first"),
    ({"motion_template": "walk", "video": "a.mp4"}, "video-to-video", "--mask FILE"),
    ({"motion_template": "walk", **REPLACE, "reference": ("a", "b")}, "video-to-video", "one character"),
    ({"motion_template": "walk", "control": ("depth-map=a.mp4",)}, "image-to-video", "face-map=FILE"),
    ({"motion_template": "walk", "control": ("pose=a.mp4",)}, "image-to-video", "one clip of poses"),
    ({"control": ("pose=a.mp4", "pose-map=a.mp4")}, "image-to-video", "one clip of poses"),
    ({"control": ("face-map=a.mp4",)}, "image-to-video", "--control pose=FILE"),
    ({"motion_template": "walk", "strength": 0.5}, "image-to-video", "--strength changes nothing"),
])  # fmt: skip
def test_what_it_cannot_draw_from_is_refused(wish, task, message) -> None:
    variant = PUBLISHED["wan2.2-animate-14b"]
    with pytest.raises(UserError, match=message):
        FAMILY.plan(Request(prompt="x", **wish), variant, Shape(1280, 720, 77, 30.0), task)


def test_it_is_drawn_through_the_engine(folder, tmp_path) -> None:
    Image.fromarray(clip(1, 48, 1)[0]).save(tmp_path / "who.png")
    for name, seed in (("poses", 2), ("ground", 3)):
        frames = images(clip(seed, 48))
        frames[0].save(tmp_path / f"{name}.webp", save_all=True, append_images=frames[1:], duration=125, lossless=True)
    mask = np.zeros((48, 48, 3), np.uint8)
    mask[:, 24:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    wish = {"prompt": "she waves", "model": str(folder), "motion_template": str(tmp_path / "poses.webp"), "seed": 1}
    animated = resolve(Request(**wish, first=str(tmp_path / "who.png"))).recipe
    replaced = resolve(
        Request(
            **wish,
            video=str(tmp_path / "ground.webp"),
            mask=str(tmp_path / "mask.png"),
            reference=(str(tmp_path / "who.png"),),
        )
    ).recipe
    assert [condition.role for condition in animated.conditions] == ["frame", "motion"]
    assert {condition.role for condition in replaced.conditions} == {"video", "mask", "reference", "motion"}
    longer = resolve(
        Request(
            prompt="x",
            model=str(folder),
            motion_template="walk",
            seconds=11,
            seed=1,
            reference=(str(tmp_path / "who.png"),),
        )
    ).recipe
    assert longer.task == "text-to-video" and longer.pieces.count == 2 and longer.num_frames == 88
    for recipe in (animated, replaced, longer):
        (frames,) = run(recipe, lambda _: None)
        assert frames.shape == (recipe.num_frames, recipe.height, recipe.width, 3)
