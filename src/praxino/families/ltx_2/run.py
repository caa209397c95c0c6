"""A recipe, loaded networks and pictures to denoising loops and, at their end, to frames and sound."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from praxino.errors import ModelError
from praxino.families import LoopState, _in_context, _low_rank
from praxino.families._guider import guider_of, kept, running_in
from praxino.families._stock import preview as linear
from praxino.families.ltx_2 import conditioning, loop, text
from praxino.families.ltx_2.lora import targets
from praxino.families.ltx_2.settings import from_options
from praxino.families.ltx_2.upsampler import FACTOR
from praxino.media.compressed import as_compressed
from praxino.recipe import Lora, Recipe
from praxino.sampling.noise import NoiseSource

if TYPE_CHECKING:
    from praxino.families.ltx_2.load import Parts

VIDEO, SOUND, DENOISED, GENERATOR = "latents", "sound_latents", "denoised", "generator"
"""What a state holds: tokens of video and sound, the estimate of the clean video, the generator's state."""
SOUND_RUNNING = "sound_guidance"
"""APG's running guidance of the sound, beside that of the video."""
FIRST = "first_"
"""Before the name of what the first stage ended with, which a second one is prepared from."""


@dataclass(frozen=True)
class Stage:
    """One denoising loop of a recipe."""

    width: int
    height: int
    shape: conditioning.Shape
    """Of its latents."""
    steps_before: int
    plan: loop.Plan

    @property
    def last_step(self) -> int:
        """The recipe's step that it ends with."""
        return self.steps_before + len(self.plan.sigmas)


@dataclass(frozen=True)
class Given:
    """All that a run's stages have in common."""

    recipe: Recipe
    parts: Parts
    pictures: list[np.ndarray]
    noise: NoiseSource
    told: text.Told


def stages_of(recipe: Recipe) -> tuple[Stage, ...]:
    """The recipe's stages, in order."""
    settings, phase = from_options(recipe.options), recipe.guidance_phases[0]
    count = settings.first_steps or len(recipe.sigmas)
    video = loop.Scales(phase.scale, phase.stg_scale, settings.modality_scale, phase.rescale)
    sound = loop.Scales(
        settings.sound_guidance, settings.sound_stg, settings.sound_modality_scale, settings.sound_rescale
    )
    plan = loop.Plan(recipe.sigmas[:count], video, sound, phase.stg_blocks, settings.cross_timestep, guider_of(recipe))
    first = _stage(recipe, recipe.width, recipe.height, 0, plan)
    if count == len(recipe.sigmas):
        return (first,)
    plain = loop.Scales(1.0, 0.0, 1.0, 1.0)
    refining = loop.Plan(recipe.sigmas[count:], plain, plain, (), settings.cross_timestep)
    return first, _stage(recipe, FACTOR * recipe.width, FACTOR * recipe.height, count, refining)


def _stage(recipe: Recipe, width: int, height: int, steps_before: int, plan: loop.Plan) -> Stage:
    settings = from_options(recipe.options)
    frames = (recipe.num_frames - 1) // settings.temporal_ratio + 1
    shape = frames, height // settings.spatial_ratio, width // settings.spatial_ratio
    return Stage(width, height, shape, steps_before, plan)


def denoise(
    recipe: Recipe, parts: Parts, pictures: list[np.ndarray], noise: NoiseSource, state: LoopState | None
) -> Iterator[LoopState]:
    """See `Family.denoise`. Going on from a state, the start of its stage is prepared again."""
    first, *more = stages_of(recipe)
    lay_loras(recipe, parts, refining=False)
    given = Given(recipe, parts, pictures, noise, _told(recipe, parts, first.plan.guided))
    if state is None or state.step <= first.last_step:
        for state in _run(given, first, None, state):  # noqa: B020
            yield state
    if more and state is not None:
        yield from _refine(given, more[0], state)


def _refine(given: Given, second: Stage, state: LoopState) -> Iterator[LoopState]:
    """The second stage, from the first one's last state or from one of its own."""
    names = (VIDEO, SOUND, GENERATOR)
    if state.step == second.steps_before:
        kept = {FIRST + name: state.tensors[name] for name in names}
        reached = None
    else:
        kept = {FIRST + name: state.tensors[FIRST + name] for name in names}
        reached = state
    before = LoopState(second.steps_before, {name: kept[FIRST + name] for name in names})
    lay_loras(given.recipe, given.parts, refining=True)
    for inner in _run(given, second, before, reached):
        if inner.step > second.steps_before:
            yield LoopState(inner.step, {**inner.tensors, **kept})


def _run(given: Given, stage: Stage, before: LoopState | None, state: LoopState | None) -> Iterator[LoopState]:
    """Yield the state before the stage's first step, or the given one, and after every step."""
    if before is not None:
        given.noise.restore(before.tensors[GENERATOR])
    scene, x = prepare(given, stage, before)
    if state is None:
        state = LoopState(stage.steps_before, {VIDEO: x[0], SOUND: x[1], GENERATOR: given.noise.state()})
    else:
        given.noise.restore(state.tensors[GENERATOR])
        x = state.tensors[VIDEO].to(given.parts.device), state.tensors[SOUND].to(given.parts.device)
    yield state
    running = running_in(state, x[0]), running_in(state, x[1], SOUND_RUNNING)
    for step in range(state.step, stage.last_step):
        done = loop.advance(given.parts.transformer, scene, stage.plan, x, step - stage.steps_before, running)
        x, running = done.x, done.running
        tensors = {VIDEO: x[0], SOUND: x[1], DENOISED: done.clean, GENERATOR: given.noise.state()}
        yield LoopState(step + 1, kept(kept(tensors, running[0]), running[1], SOUND_RUNNING))


def lay_loras(recipe: Recipe, parts: Parts, *, refining: bool) -> None:
    """Lay the recipe's LoRAs over the networks, with that of the second stage where it is that one's turn.

    In-context LoRAs are about the first stage alone: nothing is followed in the second.
    """
    more = (Lora(parts.refining_lora, 1.0, ""),) if refining and parts.refining_lora else ()
    follows = any(_in_context.is_followed(condition) for condition in recipe.conditions)
    loras = () if refining and follows else recipe.loras
    _low_rank.apply(parts.takes_loras, (*loras, *more), targets)


@torch.no_grad()
def _told(recipe: Recipe, parts: Parts, guided: bool) -> text.Told:
    texts = (recipe.negative_prompt, recipe.caption) if guided else (recipe.caption,)
    max_tokens = from_options(recipe.options).max_text_tokens
    return text.read(parts.text_encoder, parts.tokenizer, parts.connectors, texts, max_tokens)


@torch.no_grad()
def prepare(given: Given, stage: Stage, before: LoopState | None) -> tuple[loop.Scene, loop.Pair]:
    """What a stage begins with: noise, or noise over what came before, and the pictures."""
    recipe, parts = given.recipe, given.parts
    settings, device, level = from_options(recipe.options), parts.device, stage.plan.sigmas[0]
    channels = parts.transformer.config.in_channels
    latents = torch.zeros((1, channels, *stage.shape), device=device)
    if before is not None:
        latents = _upsampled(parts, conditioning.unpack(before.tensors[VIDEO].to(device), stages_of(recipe)[0].shape))
    ratios = settings.temporal_ratio, settings.spatial_ratio
    begun = conditioning.mix(latents, _held(given, stage), recipe.fps, ratios)
    video = conditioning.noised(begun, given.noise.draw(tuple(begun.tokens.shape)).to(device), level)
    sound = given.noise.draw((1, sound_length(recipe, parts), _sound_channels(parts))).to(device)
    if before is not None:
        sound = level * sound + (1 - level) * before.tensors[SOUND].to(device)
    rope = parts.transformer.rope
    coords = rope.prepare_video_coords(1, *stage.shape, device, fps=recipe.fps)
    if begun.extra_coords is not None:
        coords = torch.cat([coords, begun.extra_coords], 2)
    scene = loop.Scene(
        told=given.told if stage.plan.guided else given.told.last(),
        shape=stage.shape,
        fps=recipe.fps,
        clean=begun.clean,
        strengths=begun.strengths,
        video_coords=coords,
        sound_coords=parts.transformer.audio_rope.prepare_audio_coords(1, sound.shape[1], device),
    )
    return scene, (video, sound)


def _held(given: Given, stage: Stage) -> list[conditioning.Held]:
    """The pictures and clips that are held and, in the first stage, the clips that are followed."""
    settings, parts, held = from_options(given.recipe.options), given.parts, []
    for condition, frames in zip(given.recipe.conditions, given.pictures, strict=True):
        if not _in_context.is_followed(condition):
            shown = frames if len(frames) > 1 else as_compressed(frames[0], settings.image_crf)[None]
            pixels = conditioning.prepare(shown, stage.width, stage.height)
            encoded = conditioning.encode(parts.vae, pixels.to(parts.device))
            held.append(conditioning.Held(encoded, condition.frame, condition.strength))
        elif stage.steps_before == 0:
            clip = parts.annotators.maps(_fitting(frames, given.recipe), condition.role)
            held.append(_followed(given, stage, clip, condition.strength))
    return held


def _fitting(frames: np.ndarray, recipe: Recipe) -> np.ndarray:
    """As many of a clip's first frames as the new one has, on the grid."""
    step = from_options(recipe.options).temporal_ratio
    return frames[: (min(len(frames), recipe.num_frames) - 1) // step * step + 1]


def _followed(given: Given, stage: Stage, clip: np.ndarray, strength: float) -> conditioning.Held:
    """A clip to follow, encoded at the size that its LoRA was trained with, and where its tokens lie."""
    recipe, parts = given.recipe, given.parts
    factor = from_options(recipe.options).reference_downscale
    pixels = conditioning.prepare(clip, stage.width // factor, stage.height // factor)
    encoded = conditioning.encode(parts.vae, pixels.to(parts.device))
    frames, rows, columns = encoded.shape[-3:]
    coords = parts.transformer.rope.prepare_video_coords(1, frames, rows, columns, parts.device, fps=recipe.fps)
    coords[:, 1:] *= factor
    return conditioning.Held(encoded, 0, strength, coords)


def sound_length(recipe: Recipe, parts: Parts) -> int:
    """Latents of the sound that goes with the frames."""
    config = parts.sound_vae.config
    per_second = config.sample_rate / config.mel_hop_length / float(parts.sound_vae.temporal_compression_ratio)
    return round(recipe.num_frames / recipe.fps * per_second)


def _mel_latents(parts: Parts) -> int:
    return parts.sound_vae.config.mel_bins // parts.sound_vae.mel_compression_ratio


def _sound_channels(parts: Parts) -> int:
    return parts.sound_vae.config.latent_channels * _mel_latents(parts)


def _upsampled(parts: Parts, latents: Tensor) -> Tensor:
    """Normalised latents (1, C, f, h, w) with twice as many rows and columns."""
    if parts.upsampler is None:
        raise ModelError("this model has no latent upsampler, which --upscale needs; fetch its folder whole.")
    plain = _denormalised(parts.vae, latents).to(parts.upsampler.dtype)
    larger = parts.upsampler(plain).float()
    mean, deviation = parts.vae.latents_mean, parts.vae.latents_std
    return (larger - conditioning.per_channel(mean, larger)) / conditioning.per_channel(deviation, larger)


def _denormalised(vae: Any, latents: Tensor) -> Tensor:
    mean, deviation = vae.latents_mean, vae.latents_std
    return latents * conditioning.per_channel(deviation, latents) + conditioning.per_channel(mean, latents)


@torch.no_grad()
def decode(recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.decode`."""
    clean = conditioning.unpack(state.tensors[VIDEO].to(parts.device), stages_of(recipe)[-1].shape)
    latents = _denormalised(parts.vae, clean.to(parts.transformer.dtype)).to(parts.vae.dtype)
    frames = parts.vae.decode(latents, None, return_dict=False)[0][0].transpose(0, 1)
    frames = (frames * 0.5 + 0.5).clamp(0, 1).float()
    size = recipe.upscale or (recipe.width, recipe.height)
    if frames.shape[-2:] != (size[1], size[0]):
        frames = F.interpolate(frames, size=(size[1], size[0]), mode="bilinear", align_corners=False)
    return (frames * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()


@torch.no_grad()
def sound(recipe: Recipe, parts: Parts, state: LoopState) -> tuple[np.ndarray, int]:
    """The sound of the final state, (C, N) float32 in [-1, 1], and its samples a second."""
    refined = len(stages_of(recipe)) > 1
    keeps_first = refined and from_options(recipe.options).keeps_first_sound
    tokens = state.tensors[FIRST + SOUND if keeps_first else SOUND].to(parts.device)
    vae = parts.sound_vae
    plain = tokens * vae.latents_std.to(tokens) + vae.latents_mean.to(tokens)
    latents = plain.unflatten(2, (-1, _mel_latents(parts))).transpose(1, 2)
    mel = vae.decode(latents.to(vae.dtype), return_dict=False)[0]
    samples = parts.vocoder(mel)[0].float().clamp(-1, 1)
    return samples.cpu().numpy(), int(parts.vocoder.config.output_sampling_rate)


@torch.no_grad()
def preview(recipe: Recipe, parts: Parts, state: LoopState) -> np.ndarray:
    """See `Family.preview`: the middle latent frame of the clip as it would be with no noise left."""
    stage = next(one for one in stages_of(recipe) if state.step <= one.last_step)
    clean = conditioning.unpack(state.tensors.get(DENOISED, state.tensors[VIDEO]), stage.shape)
    if parts.preview is None:
        vae, ratio = parts.vae, from_options(recipe.options).spatial_ratio
        parts.preview = linear.fit(
            lambda pictures: torch.cat([
                conditioning.encode(vae, picture[None, :, None].to(vae.device))[:, :, 0] for picture in pictures
            ]),
            ratio,
        )  # fmt: skip
    return linear.draw(clean[:, :, stage.shape[0] // 2], parts.preview)
