"""Makes reference.npz with Hotshot-XL's own code: run once, by hand, with nothing of Praxino in sight.

Needs hotshotco/Hotshot-XL at cc01f7f on the path, diffusers 0.21.4, huggingface_hub 0.19.4, einops and torch.
transformers is not used: the pipelines are given embeddings, and stand-ins for what they ask of text encoders.

    python make_reference.py FOLDER_OF_HOTSHOT_XL
"""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [sys.argv[1], str(HERE)]

import formula  # noqa: E402
import torch  # noqa: E402


def stand_in_for_transformers() -> None:
    import importlib.metadata
    import importlib.util

    find = importlib.util.find_spec
    hidden = ("transformers", "accelerate", "peft", "xformers")
    importlib.util.find_spec = lambda name, *rest: None if name in hidden else find(name, *rest)
    import diffusers  # noqa: F401

    stand_in = types.ModuleType("transformers")
    for name in ("CLIPTextModel", "CLIPTextModelWithProjection", "CLIPTokenizer"):
        setattr(stand_in, name, type(name, (), {}))
    sys.modules["transformers"] = stand_in


stand_in_for_transformers()

import diffusers  # noqa: E402
from diffusers import AutoencoderKL, ControlNetModel, EulerAncestralDiscreteScheduler  # noqa: E402
from diffusers.loaders import LoraLoaderMixin  # noqa: E402, F401
from hotshot_xl.models.unet import UNet3DConditionModel  # noqa: E402


def filled(network: torch.nn.Module) -> torch.nn.Module:
    own = network.state_dict()
    found = formula.weights({name: tuple(tensor.shape) for name, tensor in own.items()})
    network.load_state_dict({**own, **{name: torch.from_numpy(array) for name, array in found.items()}})
    return network.eval()


class TextEncoder(torch.nn.Module):
    dtype = torch.float32
    device = torch.device("cpu")
    config = types.SimpleNamespace(projection_dim=32)


def unet_results(unet: UNet3DConditionModel) -> dict[str, np.ndarray]:
    results = {}
    for num_frames in (1, 8, 24):
        given = {name: torch.from_numpy(array) for name, array in formula.inputs(num_frames, 8, 12).items()}
        results[f"unet_{num_frames}"] = unet(
            given["sample"], 261, given["states"],
            added_cond_kwargs={"text_embeds": given["pooled"], "time_ids": given["time_ids"]},
            enable_temporal_attentions=num_frames > 1, return_dict=False,
        )[0].numpy()  # fmt: skip
    return results


def pipeline_results(unet: UNet3DConditionModel) -> dict[str, np.ndarray]:
    from hotshot_xl.pipelines.hotshot_xl_controlnet_pipeline import HotshotXLControlNetPipeline
    from hotshot_xl.pipelines.hotshot_xl_pipeline import HotshotXLPipeline
    from PIL import Image

    parts = {
        "vae": filled(AutoencoderKL(**formula.VAE)),
        "text_encoder": TextEncoder(),
        "text_encoder_2": TextEncoder(),
        "tokenizer": None,
        "tokenizer_2": None,
        "unet": unet,
        "scheduler": EulerAncestralDiscreteScheduler(**formula.SCHEDULER),
    }
    shape = (formula.NUM_FRAMES, formula.HEIGHT, formula.WIDTH, 3)
    maps = np.clip(formula.normal("maps", shape) * 64 + 128, 0, 255).astype(np.uint8)
    plain = HotshotXLPipeline(**parts)
    controlled = HotshotXLControlNetPipeline(**parts, controlnet=filled(ControlNetModel(**formula.CONTROLNET)))
    return {
        "pipeline": drawn(plain),
        "pipeline_1": drawn(plain, video_length=1),
        "pipeline_rescaled": drawn(plain, guidance_rescale=0.7),
        "pipeline_controlled": drawn(
            controlled, control_images=[Image.fromarray(frame) for frame in maps], controlnet_conditioning_scale=0.7
        ),
    }


def drawn(pipeline: diffusers.DiffusionPipeline, **more: object) -> np.ndarray:
    """Frames as (F, 3, H, W) from 0 to 1, float32."""
    pipeline.set_progress_bar_config(disable=True)
    given = {name: torch.from_numpy(array) for name, array in formula.inputs(1, 8, 12).items()}
    arguments = {
        "prompt_embeds": given["states"][1:],
        "negative_prompt_embeds": given["states"][:1],
        "pooled_prompt_embeds": given["pooled"][1:],
        "negative_pooled_prompt_embeds": given["pooled"][:1],
        "width": formula.WIDTH,
        "height": formula.HEIGHT,
        "video_length": formula.NUM_FRAMES,
        "num_inference_steps": formula.STEPS,
        "guidance_scale": 5.0,
        "original_size": (1920, 1080),
        "target_size": (512, 512),
        "generator": torch.Generator().manual_seed(formula.SEED),
        "output_type": "tensor",
    }
    videos = pipeline(**{**arguments, **more}).videos
    return videos[0].permute(1, 0, 2, 3).numpy()


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    network = filled(UNet3DConditionModel(**formula.UNET))
    np.savez_compressed(HERE / "reference.npz", **unet_results(network), **pipeline_results(network))
