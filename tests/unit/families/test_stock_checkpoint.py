"""Which variant lies in a folder, read from its configs alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from praxino.errors import ModelError
from praxino.families import Variant, families
from praxino.families._stock import schedulers


def write(folder: Path, index: dict[str, Any], **configs: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "model_index.json").write_text(json.dumps(index))
    for name, config in configs.items():
        (folder / name).mkdir(exist_ok=True)
        file = "scheduler_config.json" if name == "scheduler" else "config.json"
        (folder / name / file).write_text(json.dumps(config))
    return folder


def identified(folder: Path) -> tuple[str, Variant]:
    found = [(family.name, variant) for family in families().values() if (variant := family.identify(folder))]
    ((name, variant),) = found
    return name, variant


XL = {"_class_name": "StableDiffusionXLPipeline"}
SD = {"_class_name": "StableDiffusionPipeline"}
VAE = {"block_out_channels": [128, 256, 512, 512]}


def test_an_sdxl_folder(tmp_path) -> None:
    unet = {"sample_size": 128, "in_channels": 4, "cross_attention_dim": 2048}
    euler = {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading"}
    name, variant = identified(write(tmp_path, XL, unet=unet, vae=VAE, scheduler=euler))
    assert name == "sdxl" and (variant.width, variant.height) == (1024, 1024)
    assert variant.scheduler == "euler" and variant.steps == 50 and variant.source == ""
    assert "unknown" in variant.licence


def test_a_distilled_folder_is_run_as_turbo(tmp_path) -> None:
    unet = {"sample_size": 64, "in_channels": 4}
    ancestral = {"_class_name": "EulerAncestralDiscreteScheduler", "timestep_spacing": "trailing"}
    _, variant = identified(write(tmp_path, XL, unet=unet, vae=VAE, scheduler=ancestral))
    assert (variant.width, variant.steps, variant.scheduler) == (512, 1, "euler-ancestral")
    assert variant.guidance_phases[0].scale == 1.0


def test_unets_for_masks_only_fill(tmp_path) -> None:
    unet = {"sample_size": 64, "in_channels": 9, "cross_attention_dim": 768}
    index = {"_class_name": "StableDiffusionInpaintPipeline"}
    name, variant = identified(write(tmp_path, index, unet=unet, vae=VAE, scheduler={"_class_name": "PNDMScheduler"}))
    assert name == "stable-diffusion" and variant.tasks == ("inpainting", "outpainting")


def test_stable_diffusion_2_has_no_companions_of_its_own(tmp_path) -> None:
    unet = {"sample_size": 96, "in_channels": 4, "cross_attention_dim": 1024}
    _, variant = identified(write(tmp_path, SD, unet=unet, vae=VAE, scheduler={"_class_name": "DDIMScheduler"}))
    assert (variant.width, variant.scheduler) == (768, "ddim")
    assert "ip-adapter" not in variant.options["companions"]


def test_a_card_has_the_last_word(tmp_path) -> None:
    folder = write(tmp_path, XL, unet={"sample_size": 128}, vae=VAE)
    card = {"family": "sdxl", "variant": "mine", "title": "Mine", "licence": "MIT", "steps": 8, "guidance": 2.0}
    (folder / "praxino.json").write_text(json.dumps(card))
    _, variant = identified(folder)
    assert (variant.name, variant.title, variant.licence, variant.steps) == ("mine", "Mine", "MIT", 8)
    assert variant.guidance_phases[0].scale == 2.0
    (folder / "praxino.json").write_text(json.dumps({**card, "variant": "sdxl-turbo", "steps": 2}))
    _, variant = identified(folder)
    assert (variant.source, variant.steps) == ("stabilityai/sdxl-turbo", 2)
    (folder / "praxino.json").write_text(json.dumps({**card, "family": "other"}))
    assert families()["sdxl"].identify(folder) is None
    (folder / "praxino.json").write_text(json.dumps({**card, "steps": "many"}))
    with pytest.raises(ModelError, match="steps"):
        families()["sdxl"].identify(folder)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({"_class_name": "EulerDiscreteScheduler"}, "euler"),
        ({"_class_name": "DPMSolverMultistepScheduler", "use_karras_sigmas": True}, "dpm++-2m-karras"),
        ({"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "dpmsolver++"}, "dpm++-2m"),
        ({"_class_name": "DPMSolverMultistepScheduler", "algorithm_type": "sde-dpmsolver++"}, "dpm++-sde"),
        ({"_class_name": "DEISMultistepScheduler"}, "own"),
        ({}, "own"),
    ],
)
def test_a_scheduler_config_has_a_name(config: dict[str, Any], name: str) -> None:
    assert schedulers.name_of(config, schedulers.DIFFUSION) == name
