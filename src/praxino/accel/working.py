"""What networks compute with, beside their weights: the most that is alive at once, by their classes in diffusers.

Attention is counted without its square: torch's fused kernels never hold it. The figures are the peaks of one pass as
this package runs it, counted from every tensor made (tests/integration/test_working.py); a class that is not here is
reckoned to be as greedy as the greediest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from praxino.families import Shape, Variant

UNET_RATIO, TOKEN_SIDE_PX = 8, 32
"""A UNet sees each latent, of 8 x 8 pixels; a token is of 32 x 32 pixels at most, whatever the grid."""
TILE_SIDE_PX = 512
FRAME_BYTES = 2 * 3 * 4
"""Of a pixel of the finished frames: float32, once in the VAE's hands and once in ours."""


@dataclass(frozen=True)
class Denoiser:
    """What a denoiser holds for each token."""

    alive: float = 32.0
    """Values, in widths of its hidden states, for each sample that it computes."""
    batch: int = 2
    """Samples that it computes at once where there is guidance."""
    token_frames: int = 0
    """Frames that a token stands for; 0: as many as the grid steps by."""
    token_px: int = 0
    """The side of a token, in pixels; 0: what sizes are multiples of, TOKEN_SIDE_PX at most."""
    most_latents: int = 0
    """Frames of latents that it is shown at a time; 0: all."""


@dataclass(frozen=True)
class Decoder:
    """What a VAE holds while it decodes."""

    alive: float = 6.0
    """Values for each place of its last layer, in that layer's channels."""
    frames: int = 0
    """Frames that it decodes together; 0: all."""
    tile_px: int = 0
    """The side of the tiles that it always decodes in; 0: none."""


DENOISERS = {
    "AllegroTransformer3DModel": Denoiser(12.5, token_frames=4),
    "AuraFlowTransformer2DModel": Denoiser(14),
    "CogVideoXTransformer3DModel": Denoiser(13.5, token_frames=4),
    "EasyAnimateTransformer3DModel": Denoiser(12.5),
    "FluxTransformer2DModel": Denoiser(18, batch=1),
    "HunyuanVideoFramepackTransformer3DModel": Denoiser(19, batch=1, token_frames=4, most_latents=12),
    "HunyuanVideoTransformer3DModel": Denoiser(19, batch=1, token_px=16),
    "LTXVideoTransformer3DModel": Denoiser(30, batch=3),
    "QwenImage21Transformer2DModel": Denoiser(token_px=16),
    "QwenImageTransformer2DModel": Denoiser(16, batch=1),
    "SD3Transformer2DModel": Denoiser(14),
    "UNet2DConditionModel": Denoiser(27),
    "WanAnimateTransformer3DModel": Denoiser(21, batch=1),
    "WanTransformer3DModel": Denoiser(21, batch=1),
    "WanVACETransformer3DModel": Denoiser(42, batch=1),
}
"""LTX-Video modulates each token for itself; Wan's residual stream is in float32, as its authors keep it; VACE holds
what each of its layers hints at. FramePack's is HunyuanVideo's, Wan Animate's Wan's. Of Qwen-Image 2.1 only the side
of a token is known."""
DECODERS = {
    "AutoencoderKLAllegro": Decoder(7, frames=24, tile_px=320),
    "AutoencoderKLCogVideoX": Decoder(22.5, frames=8),
    "AutoencoderKLHunyuanVideo": Decoder(9.5, frames=64, tile_px=256),
    "AutoencoderKLHunyuanVideo15": Decoder(6, tile_px=256),
    "AutoencoderKLMagvit": Decoder(19.5, frames=4),
    "AutoencoderKLMochi": Decoder(23, frames=12),
    "AutoencoderKLQwenImage": Decoder(18, frames=4),
    "AutoencoderKLQwenImage21": Decoder(21.5, frames=8),
    "AutoencoderKLWan": Decoder(21, frames=4),
}
"""Wan's is the wider one's, of 2.2 at 5B; that of 2.1 holds 12.5. HunyuanVideo's tiles are Tencent's. Mochi's computes
in bfloat16 beside weights and kept frames in float32."""


def denoising_bytes(kind: str, width: int, is_unet: bool, variant: Variant, shape: Shape, size: int) -> int:
    """For one step of the denoiser.

    Args:
        kind: its class, "" where it is not known.
        width: of its hidden states.
        is_unet: whether it sees latents and not tokens.
        variant: whose grid and guidance count.
        shape: of what is drawn.
        size: bytes of a value.
    """
    found = DENOISERS.get(kind, Denoiser())
    side = UNET_RATIO if is_unet else found.token_px or min(variant.grid.size_multiple, TOKEN_SIDE_PX)
    frames = (shape.num_frames - 1) // (found.token_frames or variant.grid.frame_step) + 1
    if found.most_latents:
        frames = min(frames, found.most_latents)
    tokens = math.ceil(shape.width / side) * math.ceil(shape.height / side) * frames + variant.max_text_tokens
    guided = any(phase.scale > 1 or phase.stg_scale for phase in variant.guidance_phases)
    return int((found.batch if guided else 1) * tokens * width * found.alive * size)


def decoding_bytes(kind: str, channels: int, patch: int, shape: Shape, size: int, *, tiled: bool = False) -> int:
    """For the VAE's decoder, and the frames that come of it.

    Args:
        kind: its class, "" where it is not known.
        channels: before its last layer.
        patch: a place of that layer becomes patch x patch pixels.
        shape: of what is drawn.
        size: bytes of a value.
        tiled: whether it is made to decode in tiles.
    """
    found = DECODERS.get(kind, Decoder())
    most = found.tile_px or (TILE_SIDE_PX if tiled else max(shape.width, shape.height))
    places = min(shape.width, most) * min(shape.height, most) // patch**2
    together = min(shape.num_frames, found.frames or shape.num_frames)
    finished = shape.num_frames * shape.width * shape.height * FRAME_BYTES
    return int(together * places * channels * found.alive * size) + finished
