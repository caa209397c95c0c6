"""What a character, poses, a face and a clip become before the loop. Knows the loaded networks, no file.

Source: Wan-Video/Wan2.2 at 42bf4cf, wan/animate.py (prepare_source, generate, get_i2v_mask) and
wan/modules/animate/preprocess/process_pipepline.py. Where a character is given as a reference, frames are those that
the clip goes on from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from praxino.families.wan import latents, loop, maps, pictures, text
from praxino.families.wan.conditioning import Given, fill, known_mask
from praxino.families.wan_animate.variants import FACE, POSE, PROMPT
from praxino.sampling.noise import NoiseSource

if TYPE_CHECKING:
    from praxino.families.wan.load import Parts

NO_FACE = -1.0
"""The pixels of a face that says nothing, as the authors give it beside the negative text."""


@torch.no_grad()
def prepare(parts: Parts, given: Given, noise: NoiseSource) -> loop.Start:
    """Draw the noise, read the words, and put the pictures where they belong."""
    recipe = given.recipe
    width, height = recipe.width, recipe.height
    frames = latents.num_latent_frames(recipe.num_frames)
    ratio = parts.vae.config.scale_factor_spatial
    drawn = noise.draw((1, parts.vae.config.z_dim, frames + 1, height // ratio, width // ratio))
    character = padded((_all(given, "reference") or _all(given, "frame"))[0][0], width, height)
    features = text.embed_picture(parts, pictures.for_clip(character[None], parts.image_encoder.config.image_size))
    poses = pictures.clip_covering(_poses(parts, given), width, height)
    face = _face(parts, given)
    guided = any(phase.scale > 1 for phase in recipe.guidance_phases)
    return loop.Start(
        latents=drawn.to(parts.device),
        text=text.embed(parts, recipe.caption or PROMPT),
        negative=text.embed(parts, recipe.negative_prompt) if guided else None,
        channels=torch.cat((_character(parts, character), _clip(parts, given)), dim=2).to(parts.device),
        inputs={
            "encoder_hidden_states_image": features,
            "pose_hidden_states": latents.encode(parts.vae, poses).to(parts.device),
            "face_pixel_values": face,
        },
        negative_inputs={"face_pixel_values": torch.full_like(face, NO_FACE)},
    )


def padded(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture (H, W, 3) uint8, whole, between black bars: (height, width, 3) uint8."""
    high, wide = picture.shape[:2]
    if high / wide > height / width:
        size = height, max(int(height / high * wide), 1)
    else:
        size = max(int(width / wide * high), 1), width
    pixels = torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float()
    resized = F.interpolate(pixels, size=size, mode="bilinear", align_corners=False).round().byte()
    canvas = np.zeros((height, width, 3), np.uint8)
    y, x = (height - size[0]) // 2, (width - size[1]) // 2
    canvas[y : y + size[0], x : x + size[1]] = resized[0].permute(1, 2, 0).numpy()
    return canvas


def _poses(parts: Parts, given: Given) -> np.ndarray:
    """The clip of poses, (F, H, W, 3) uint8: ready, or made of one of somebody."""
    count = given.recipe.num_frames
    ready = _all(given, "motion") or _whole(given, POSE)
    if ready:
        return fill(ready[0], count)
    filmed = fill(_all(given, "annotate")[0], count)
    return maps.make("pose", filmed, {name: made for name, (_, made) in parts.makers.items()})


def _whole(given: Given, role: str) -> list[np.ndarray]:
    """The clips of a role that says of what kind it is, as "control:pose" does."""
    return [frames for condition, frames in given.pairs if condition.role == role]


def _all(given: Given, role: str) -> list[np.ndarray]:
    """The pictures or clips of a role, each (F, H, W, 3) uint8."""
    return [frames for _, frames in given.of(role)]


def _character(parts: Parts, character: np.ndarray) -> Tensor:
    """The character as a known frame before those of the clip, (1, 20, 1, h, w)."""
    encoded = latents.encode(parts.vae, pictures.to_pixels(character[None]))
    return torch.cat((known_mask(torch.ones(1), encoded), encoded), dim=1)


def _clip(parts: Parts, given: Given) -> Tensor:
    """What is known around the character with a mask of it, (1, 20, f, h, w): a clip, the frames gone on from."""
    recipe = given.recipe
    width, height, count = recipe.width, recipe.height, recipe.num_frames
    clip, stays = torch.zeros(count, 3, height, width), torch.zeros(count, 1, height, width)
    for frames in _all(given, "video"):
        clip = pictures.clip_covering(fill(frames, count), width, height)
        mask = pictures.mask_of(fill(_all(given, "mask")[0], count), width, height)
        clip, stays = torch.where(mask > 0, torch.full((), -1.0), clip), 1 - mask
    if given.of("reference"):
        for frames in _all(given, "frame"):
            clip[: len(frames)], stays[: len(frames)] = pictures.squashed(frames, width, height), 1
    encoded = latents.encode(parts.vae, clip)
    cells = F.interpolate(stays, encoded.shape[-2:], mode="nearest")
    return torch.cat((staying_mask(cells).to(encoded), encoded), dim=1)


def staying_mask(stays: Tensor) -> Tensor:
    """What of each frame stays, (F, 1, h, w), as 4 channels a latent frame, (1, 4, f, h, w)."""
    ratio = latents.TEMPORAL_RATIO
    spread = torch.cat((stays[:1].repeat(ratio, 1, 1, 1), stays[1:]))[:, 0]
    return spread.view(-1, ratio, *spread.shape[1:]).transpose(0, 1)[None]


def _face(parts: Parts, given: Given) -> Tensor:
    """The face as the motion encoder takes it, (1, 3, F, side, side) in [-1, 1]; NO_FACE without one."""
    side, count = parts.transformer.config.motion_encoder_size, given.recipe.num_frames
    faces = _whole(given, FACE)
    if not faces:
        return torch.full((1, 3, count, side, side), NO_FACE, device=parts.device)
    clip = pictures.clip_covering(fill(faces[0], count), side, side)
    return clip.transpose(0, 1)[None].to(parts.device)
