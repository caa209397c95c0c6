"""Weights and inputs that are the same everywhere, from names and shapes alone, so that only results are stored.

RandomState's stream is frozen by numpy's promise.
"""

from __future__ import annotations

import zlib

import numpy as np

UNET = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ["DownBlock3D", "CrossAttnDownBlock3D", "CrossAttnDownBlock3D"],
    "mid_block_type": "UNetMidBlock3DCrossAttn",
    "up_block_types": ["CrossAttnUpBlock3D", "CrossAttnUpBlock3D", "UpBlock3D"],
    "block_out_channels": [32, 32, 64],
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
    "cross_attention_dim": 48,
    "transformer_layers_per_block": [1, 1, 2],
    "attention_head_dim": [2, 4, 8],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 80,
}
CONTROLNET = {
    "in_channels": 4,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "block_out_channels": [32, 32, 64],
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
    "cross_attention_dim": 48,
    "transformer_layers_per_block": [1, 1, 2],
    "attention_head_dim": [2, 4, 8],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 80,
    "conditioning_embedding_out_channels": [8, 8, 16, 16],
}
VAE = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [8, 8, 8, 8],
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "latent_channels": 4,
    "sample_size": 64,
    "scaling_factor": 0.13025,
}
SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
WIDTH, HEIGHT, NUM_FRAMES, STEPS, SEED = 96, 64, 3, 3, 7
"""Of the pipelines' runs."""


def normal(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Unit noise, float32, of its own for each name."""
    return np.random.RandomState(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)


def weights(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """A network's tensors: norms about 1, the rest so that activations keep their size; no positions."""
    found = {}
    for name, shape in shapes.items():
        if "pos_encoder" in name:
            continue
        if len(shape) > 1:
            found[name] = normal(name, shape) / np.float32(np.sqrt(np.prod(shape[1:])))
        elif name.endswith("weight"):
            found[name] = 1 + normal(name, shape) / 4
        else:
            found[name] = normal(name, shape) / 8
    return found


def inputs(num_frames: int, height: int, width: int) -> dict[str, np.ndarray]:
    """What the UNet is given for two clips."""
    return {
        "sample": normal("sample", (2, 4, num_frames, height, width)),
        "states": normal("states", (2, 7, 48)),
        "pooled": normal("pooled", (2, 32)),
        "time_ids": np.float32([[1920, 1080, 0, 0, 512, 512], [1024, 512, 8, 0, 672, 384]]),
    }
