"""One of the processes of a test: diffusers' VAEs, tiny, decode in tiles that are dealt out, and alone.

Prints by name whether the pixels are the same bits, whether they are so afterwards, and how often the decoder was run
for them, dealt out and alone; and what came of a tile that failed in rank 1. RANK, WORLD_SIZE and the rendezvous are
set.
"""

import json

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLCogVideoX,
    AutoencoderKLFlux2,
    AutoencoderKLHunyuanVideo,
    AutoencoderKLLTXVideo,
    AutoencoderKLMochi,
    AutoencoderKLQwenImage,
    AutoencoderKLWan,
)

from praxino.accel.ranks import Ranks
from praxino.accel.tiles import dealt_out
from praxino.errors import ModelError

torch.set_num_threads(1)
SQUARE = {
    "tile_sample_min_height": 16, "tile_sample_min_width": 16, "tile_sample_stride_height": 8,
    "tile_sample_stride_width": 8,
}  # fmt: skip


def pictures():
    """Tiles of 8 by 8 latents, which are new by 6: of 12 by 10, two by two."""
    size = {
        "block_out_channels": (8, 8), "down_block_types": ("DownEncoderBlock2D",) * 2, "layers_per_block": 1,
        "up_block_types": ("UpDecoderBlock2D",) * 2, "latent_channels": 4, "norm_num_groups": 4, "sample_size": 16,
    }  # fmt: skip
    for name, kind in (("sd", AutoencoderKL), ("flux2", AutoencoderKLFlux2)):
        vae = kind(**size)
        vae.enable_tiling()
        yield name, vae, torch.randn(1, 4, 12, 10)


def at_once():
    """All frames of a tile in one call; of Tencent's also tiles in time."""
    hunyuan = AutoencoderKLHunyuanVideo(
        latent_channels=4, block_out_channels=(8, 8, 8), layers_per_block=1, norm_num_groups=4,
        down_block_types=("HunyuanVideoDownBlock3D",) * 3, up_block_types=("HunyuanVideoUpBlock3D",) * 3,
        spatial_compression_ratio=4, temporal_compression_ratio=4,
    )  # fmt: skip
    hunyuan.enable_tiling(**SQUARE, tile_sample_min_num_frames=8, tile_sample_stride_num_frames=4)
    yield "hunyuan", hunyuan, torch.randn(1, 4, 4, 5, 6)
    sizes = {"block_out_channels": (8, 8, 8, 8), "layers_per_block": (1,) * 5, "latent_channels": 4}
    sizes |= {"decoder_block_out_channels": (8, 8, 8, 8), "decoder_layers_per_block": (1,) * 5, "patch_size": 2}
    tiles = {name: 4 * side for name, side in SQUARE.items()}
    for name, noise in (("ltx", False), ("ltx, noise", True)):
        vae = AutoencoderKLLTXVideo(**sizes, decoder_inject_noise=(noise,) * 5)
        vae.enable_tiling(**tiles)
        yield name, vae, torch.randn(1, 4, 2, 5, 6)


def some_at_a_time():
    """Frames that need those before."""
    cogvideox = AutoencoderKLCogVideoX(
        block_out_channels=(8, 8, 8, 8), layers_per_block=1, latent_channels=4, norm_num_groups=2, sample_height=16,
        sample_width=16, temporal_compression_ratio=4, down_block_types=("CogVideoXDownBlock3D",) * 4,
        up_block_types=("CogVideoXUpBlock3D",) * 4,
    )  # fmt: skip
    cogvideox.enable_tiling(16, 16, 0.5, 0.5)
    yield "cogvideox", cogvideox, torch.randn(1, 4, 5, 3, 2)
    mochi = AutoencoderKLMochi(
        encoder_block_out_channels=(32,) * 4, decoder_block_out_channels=(32,) * 4, latent_channels=4,
        layers_per_block=(1,) * 5, temporal_expansions=(1, 2, 3), spatial_expansions=(2, 2, 2), latents_mean=(0,) * 4,
        latents_std=(1,) * 4,
    )  # fmt: skip
    mochi.enable_tiling(**SQUARE)
    mochi.use_framewise_decoding = True
    yield "mochi", mochi, torch.randn(1, 4, 4, 3, 2)
    sizes = {"base_dim": 4, "z_dim": 4, "dim_mult": [1, 1, 1, 1], "num_res_blocks": 1}
    sizes |= {"latents_mean": [0] * 4, "latents_std": [1] * 4}
    wan = AutoencoderKLWan(**sizes, temperal_downsample=[False, True, True])
    wan.enable_tiling(**SQUARE)
    yield "wan", wan, torch.randn(1, 4, 3, 3, 2)
    qwen = AutoencoderKLQwenImage(**sizes, temperal_downsample=[False, True, True])
    qwen.enable_tiling(**SQUARE)
    yield "qwen", qwen, torch.randn(1, 4, 2, 3, 2)


class Counted:
    """How often a decoder really computes: its first convolution is run once a call."""

    def __init__(self, vae):
        self.count = 0
        vae.decoder.conv_in.register_forward_hook(self._add)

    def _add(self, *args):
        self.count += 1

    def of(self, decode):
        before = self.count
        return decode(), self.count - before


def told_of(vae, latents):
    vae.eval()
    counted = Counted(vae)

    def decode():
        torch.manual_seed(1)
        more = (None,) if isinstance(vae, AutoencoderKLLTXVideo) else ()
        return vae.decode(latents, *more, return_dict=False)[0]

    whole, num_whole = counted.of(decode)
    with dealt_out([vae]):
        dealt, num_dealt = counted.of(decode)
    after, num_after = counted.of(decode)
    is_same = torch.equal(dealt, whole) and len(whole.unique()) > 100
    is_whole = torch.equal(after, whole) and num_after == num_whole
    return {"same": is_same, "as_before": is_whole, "dealt": num_dealt, "whole": num_whole}


def failing(vae, latents):
    """A tile that only rank 1 decodes cannot be; what each makes of it."""

    def fail(*args):
        raise ModelError("no such tile")

    if not ranks.leads:
        vae.decoder.conv_in.register_forward_hook(fail)
    try:
        with dealt_out([vae]):
            vae.decode(latents)
    except BaseException as problem:
        if ranks.leads:
            return str(ranks.problem_of(problem))
        return ranks.failed(problem)


torch.manual_seed(0)
ranks = Ranks("cpu")
with torch.no_grad():
    told = {name: told_of(vae, latents) for name, vae, latents in (*pictures(), *at_once(), *some_at_a_time())}
    _, *given = next(pictures())
    failed = failing(*given)
ranks.leave()
print(json.dumps({"told": told, "failed": failed}))
