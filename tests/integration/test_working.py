"""What is said to be alive at once while networks compute, against every tensor that they make."""

from __future__ import annotations

import weakref
from typing import Any

import diffusers
import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from praxino.accel.working import DECODERS, DENOISERS, FRAME_BYTES
from praxino.bench.published import configs

META, BF16 = torch.device("meta"), torch.bfloat16
TEXT = 256


class Alive(TorchDispatchMode):
    """The most bytes that are held at once, of all that is made meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.held: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        given = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if torch.is_tensor(leaf)}
        for tensor in filter(torch.is_tensor, tree_leaves(made)):
            storage = tensor.untyped_storage()
            if (key := storage._cdata) not in given and key not in self.held:
                self.held[key] = storage.nbytes()
                self.now += storage.nbytes()
                weakref.finalize(storage, self._let_go, key)
        self.peak = max(self.peak, self.now)
        return made

    def _let_go(self, key: int) -> None:
        self.now -= self.held.pop(key, 0)


@pytest.fixture
def fused(monkeypatch):
    """On meta tensors torch has no fused attention: what it would make is made."""
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda query, key, value, *_, **__: query.new_empty(query.shape)
    )


def empty(*shape: int, device: torch.device = META, dtype: torch.dtype = BF16) -> torch.Tensor:
    return torch.empty(shape, dtype=dtype, device=device) if device == META else torch.zeros(shape, dtype=dtype)


def made(kind: str, device: torch.device = META, dtype: torch.dtype = BF16, **config: Any) -> Any:
    with device:
        return getattr(diffusers, kind)(**config).to(dtype).eval()


def peak(call: Any) -> int:
    with torch.no_grad(), Alive() as alive:
        call()
    return alive.peak


def allegro(device: torch.device, frames: int, height: int, width: int, **config: Any) -> tuple[Any, int, int]:
    network = made("AllegroTransformer3DModel", device, num_layers=2, **config)
    text = empty(1, TEXT, network.config.caption_channels, device=device)
    latents = empty(1, 4, frames, height, width, device=device)
    seen, read = empty(1, frames, height, width, device=device), empty(1, TEXT, device=device)

    def call() -> Any:
        return network(latents, text, empty(1, device=device), seen + 1, read + 1, None, return_dict=False)

    return call, network.inner_dim, frames * height * width // 4


def hunyuan(device: torch.device, frames: int, height: int, width: int, **config: Any) -> tuple[Any, int, int]:
    network = made("HunyuanVideoTransformer3DModel", device, num_layers=1, num_single_layers=1, **config)
    told = {
        "encoder_hidden_states": empty(1, TEXT, network.config.text_embed_dim, device=device),
        "encoder_attention_mask": empty(1, TEXT, device=device) + 1,
        "pooled_projections": empty(1, network.config.pooled_projection_dim, device=device),
        "guidance": empty(1, device=device),
    }
    latents, step = empty(1, 16, frames, height, width, device=device), empty(1, device=device)
    inner = network.config.num_attention_heads * network.config.attention_head_dim
    return lambda: network(latents, step, **told, return_dict=False), inner, frames * height * width // 4


def wan(device: torch.device, frames: int, height: int, width: int, **config: Any) -> tuple[Any, int, int]:
    network = made("WanTransformer3DModel", device, num_layers=2, **config)
    text = empty(1, TEXT, network.config.text_dim, device=device)
    latents, step = empty(1, 16, frames, height, width, device=device), empty(1, device=device)
    inner = network.config.num_attention_heads * network.config.attention_head_dim
    return lambda: network(latents, step, text, return_dict=False), inner, frames * height * width // 4


def flux(device: torch.device, frames: int, height: int, width: int, **config: Any) -> tuple[Any, int, int]:
    network = made("FluxTransformer2DModel", device, num_layers=1, num_single_layers=1, guidance_embeds=True, **config)
    tokens = frames * height * width // 4
    told = {
        "encoder_hidden_states": empty(1, TEXT, network.config.joint_attention_dim, device=device),
        "pooled_projections": empty(1, network.config.pooled_projection_dim, device=device),
        "timestep": empty(1, device=device), "guidance": empty(1, device=device),
        "img_ids": empty(tokens, 3, device=device), "txt_ids": empty(TEXT, 3, device=device),
    }  # fmt: skip
    x = empty(1, tokens, network.config.in_channels, device=device)
    inner = network.config.num_attention_heads * network.config.attention_head_dim
    return lambda: network(x, **told, return_dict=False), inner, tokens


def unet(device: torch.device, frames: int, height: int, width: int, **config: Any) -> tuple[Any, int, int]:
    network = made("UNet2DConditionModel", device, cross_attention_dim=768, attention_head_dim=8, **config)
    latents, text = empty(1, 4, height, width, device=device), empty(1, 77, 768, device=device)
    return lambda: network(latents, 1, text, return_dict=False), network.config.block_out_channels[0], height * width


PASSES = {
    "AllegroTransformer3DModel": (allegro, (22, 90, 160)),
    "FluxTransformer2DModel": (flux, (1, 128, 128)),
    "HunyuanVideoTransformer3DModel": (hunyuan, (33, 90, 160)),
    "UNet2DConditionModel": (unet, (1, 64, 64)),
    "WanTransformer3DModel": (wan, (21, 90, 160)),
}
"""Of each class, how it is called, and the latents of what it was published for (frames, height, width)."""
TOLD: dict[str, tuple[dict[str, Any], dict[str, Any], int, int]] = {
    "AuraFlowTransformer2DModel": (
        {"num_mmdit_layers": 1, "num_single_dit_layers": 1, "pos_embed_max_size": 9216},
        {"hidden_states": (1, 4, 128, 128), "encoder_hidden_states": (1, TEXT, 2048), "timestep": (1,)}, 3072, 4096,
    ),
    "CogVideoXTransformer3DModel": (
        {"num_attention_heads": 48, "num_layers": 2, "use_rotary_positional_embeddings": True},
        {"hidden_states": (1, 13, 16, 60, 90), "encoder_hidden_states": (1, 226, 4096), "timestep": (1,),
         "image_rotary_emb": [(13 * 30 * 45, 64)] * 2}, 3072, 13 * 30 * 45,
    ),
    "EasyAnimateTransformer3DModel": (
        {"in_channels": 16, "out_channels": 16, "patch_size": 2, "num_layers": 2, "mmdit_layers": 2},
        {"hidden_states": (1, 16, 13, 48, 84), "encoder_hidden_states": (1, TEXT, 3584), "timestep": (1,)},
        3072, 13 * 24 * 42,
    ),
    "LTXVideoTransformer3DModel": (
        {"num_layers": 2},
        {"hidden_states": (1, 4992, 128), "encoder_hidden_states": (1, TEXT, 4096), "timestep": (1, 4992),
         "encoder_attention_mask": (1, TEXT), "video_coords": (1, 3, 4992)}, 2048, 4992,
    ),
    "QwenImageTransformer2DModel": (
        {"num_layers": 2},
        {"hidden_states": (1, 4096, 64), "encoder_hidden_states": (1, TEXT, 3584), "timestep": (1,)}, 3072, 4096,
    ),
    "SD3Transformer2DModel": (
        {"sample_size": 128, "num_layers": 2, "num_attention_heads": 24, "joint_attention_dim": 4096,
         "caption_projection_dim": 1536, "pooled_projection_dim": 2048, "pos_embed_max_size": 192},
        {"hidden_states": (1, 16, 128, 128), "encoder_hidden_states": (1, TEXT, 4096),
         "pooled_projections": (1, 2048), "timestep": (1,)}, 1536, 4096,
    ),
}  # fmt: skip
"""Of further classes: the config, the shapes of what they are told, the width and the number of tokens."""
MORE = {"QwenImageTransformer2DModel": {"img_shapes": [[(1, 64, 64)]]}}


@pytest.mark.slow
@pytest.mark.parametrize("kind", TOLD)
def test_a_pass_of_other_classes_holds_what_is_said(fused, kind):
    config, shapes, width, tokens = TOLD[kind]
    network = made(kind, **config)
    told = {
        name: tuple(empty(*one) for one in shape) if isinstance(shape, list) else empty(*shape)
        for name, shape in shapes.items()
    }
    held = peak(lambda: network(**told, **MORE.get(kind, {}), return_dict=False)) / 2 / width / (tokens + TEXT)
    said = DENOISERS[kind].alive
    assert held <= said <= 1.15 * held, f"{held:.2f} for a token, in widths"


SLACK = {"WanTransformer3DModel": 2.0}
"""Wan's own residual stream is in float32 here, which diffusers' is not."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", PASSES)
def test_a_pass_holds_what_is_said(fused, kind):
    build, latents = PASSES[kind]
    call, width, tokens = build(META, *latents)
    held = peak(call) / 2 / width / (tokens + TEXT)
    said = DENOISERS[kind].alive
    assert held <= said <= held * SLACK.get(kind, 1.15), f"{held:.2f} for a token, in widths"


TINY: dict[str, dict[str, Any]] = {
    "AllegroTransformer3DModel": {
        "num_attention_heads": 4, "attention_head_dim": 24, "cross_attention_dim": 96, "caption_channels": 64,
    },
    "HunyuanVideoTransformer3DModel": {
        "num_attention_heads": 4, "attention_head_dim": 32, "rope_axes_dim": (8, 12, 12), "text_embed_dim": 64,
        "pooled_projection_dim": 16, "guidance_embeds": True, "num_refiner_layers": 1,
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", TINY)
def test_real_tensors_take_as_much(kind):
    """With attention as torch computes it: were its square held, thousands of tokens would show it."""
    build, _ = PASSES[kind]
    call, width, tokens = build(torch.device("cpu"), 5, 48, 64, **TINY[kind])
    held = peak(call) / 2 / width / (tokens + TEXT)
    assert 0.7 * held <= DENOISERS[kind].alive <= 1.3 * held, f"{held:.2f} for a token, in widths"


WAN_2_2 = configs()["configs"]["wanvae5"]["config"]
DECODED = {
    "AutoencoderKL": ({"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4,
                       "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4},
                      (4, 128, 128), (1, 1024, 1024), 128, 1),
    "AutoencoderKLWan": (WAN_2_2, (48, 5, 30, 52), (17, 480, 832), 256, 2),
    "AutoencoderKLAllegro": ({}, (4, 6, 90, 160), (24, 720, 1280), 128, 1),
    "AutoencoderKLHunyuanVideo": ({}, (16, 16, 32, 32), (61, 256, 256), 128, 1),
    "AutoencoderKLQwenImage": ({}, (16, 1, 128, 128), (1, 1024, 1024), 96, 1),
    "AutoencoderKLQwenImage21": ({}, (64, 1, 64, 64), (1, 1024, 1024), 144, 1),
}  # fmt: skip
"""Config, latents without the batch, frames with height and width, channels and patch of the last layer."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", DECODED)
def test_decoding_holds_what_is_said(kind):
    config, latents, (frames, height, width), channels, patch = DECODED[kind]
    vae = made(kind, dtype=torch.float32, **config)
    if kind == "AutoencoderKLAllegro":
        vae.enable_tiling()
    vae.use_framewise_decoding = False
    z = empty(1, *latents, dtype=torch.float32)
    found = DECODERS.get(kind)
    together = min(frames, found.frames if found and found.frames else frames)
    side = found.tile_px if found and found.tile_px else max(height, width)
    places = min(height, side) * min(width, side) // patch**2
    held = peak(lambda: vae.decode(z, return_dict=False)) - frames * height * width * FRAME_BYTES
    alive = held / 4 / channels / together / places
    said = found.alive if found else 6.0
    assert 0.97 * alive <= said <= 1.35 * alive, f"{alive:.2f} for a place, in channels"
