"""A wish to a picture through the engine: resolve finds what is wrong, run draws, a checkpoint goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from praxino.engine.resolve import Resolution, resolve
from praxino.engine.run import run
from praxino.errors import Cancelled, UserError
from praxino.events import StepEvent
from praxino.request import Request

from .test_control import write_controlnet
from .test_reference import write_adapter


@pytest.fixture(scope="module")
def wishes(models, picture, mask, tmp_path_factory):
    """Files to wish with, and the SDXL miniature's folder."""
    root = tmp_path_factory.mktemp("wishes")
    model = models("sdxl")
    Image.fromarray(picture).save(root / "photo.png")
    Image.fromarray(mask).save(root / "mask.png")
    write_controlnet(model, root / "controlnet")
    write_adapter(model, root / "adapter" / "ip.safetensors")
    layer = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
    save_file(
        {f"{layer}.lora_A.weight": torch.ones(2, 32), f"{layer}.lora_B.weight": torch.ones(32, 2)},
        root / "lora.safetensors",
    )
    save_file({"clip_l": torch.ones(1, 16), "clip_g": torch.ones(1, 32)}, root / "dot.safetensors")
    return root, model.folder


def resolved(wishes: Any, **wish: Any) -> Resolution:
    root, folder = wishes
    named = {key: str(root / value) if key in ("image", "mask") else value for key, value in wish.items()}
    return resolve(Request(**{"prompt": "a red cat", "model": str(folder), "seed": 3, "size": "64x64", **named}))


def draw(resolution: Resolution, **more: Any) -> np.ndarray:
    (clip,) = run(resolution.recipe, lambda event: None, **more)
    assert clip.dtype == np.uint8
    return clip[0]


def test_everything_at_once(wishes) -> None:
    root, _ = wishes
    resolution = resolved(
        wishes, prompt="a dot cat (on the mat)1.2", image="photo.png", mask="mask.png", negative_prompt="blurry",
        control=(f"canny={root}/photo.png:0.5",), controlnet=(str(root / "controlnet"),),
        reference=(f"{root}/photo.png:0.4", f"{root}/mask.png:0.2"), ip_adapter=f"{root}/adapter/ip.safetensors",
        lora=(f"{root}/lora.safetensors:0.5",), embedding=(f"{root}/dot.safetensors",), scheduler="dpm++-2m",
    )  # fmt: skip
    roles = [companion.role for companion in resolution.recipe.companions]
    assert roles == ["controlnet:canny", "ip-adapter", "image-encoder", "embedding:dot"]
    assert all(companion.sha256 for companion in resolution.recipe.companions)
    drawn = draw(resolution)
    assert drawn.shape == (64, 64, 3)
    assert np.array_equal(drawn, draw(resolution))
    plain = draw(resolved(wishes))
    assert not np.array_equal(drawn, plain)
    assert np.array_equal(plain, draw(resolved(wishes)))


def test_samples_are_single_runs(wishes) -> None:
    resolution = resolved(wishes, n=2, scheduler="euler-ancestral")
    both = run(resolution.recipe, lambda event: None)
    second = draw(resolved(wishes, seed=4, scheduler="euler-ancestral"))
    assert np.array_equal(both[1][0], second)
    assert not np.array_equal(both[0], both[1])


def test_margins_are_drawn(wishes) -> None:
    resolution = resolved(wishes, image="photo.png", expand="right=64", size=None)
    assert (resolution.recipe.width, resolution.recipe.height) == (128, 64)
    assert resolution.recipe.task == "outpainting" and resolution.recipe.options["strength"] == 1.0
    assert draw(resolution).shape == (64, 128, 3)


def test_a_run_that_was_stopped_goes_on(wishes, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PRAXINO_CHECKPOINT_SECONDS", "0")
    resolution = resolved(wishes, image="photo.png", strength=0.7, steps=8, scheduler="unipc")
    assert resolution.recipe.steps == 5
    whole = draw(resolution)
    steps = []

    def stop(event: StepEvent) -> None:
        if event.stage == "denoise":
            steps.append(event.step)
            if event.step == 3:
                raise Cancelled

    with pytest.raises(Cancelled):
        run(resolution.recipe, stop, checkpoint=tmp_path)
    assert steps == [1, 2, 3] and (tmp_path / "state.safetensors").exists()
    went_on = []
    (clip,) = run(resolution.recipe, lambda event: went_on.append((event.stage, event.step)), checkpoint=tmp_path)
    later = [step for stage, step in went_on if stage == "denoise"]
    assert later[0] > 1 and later[-1] == 5
    assert np.array_equal(clip[0], whole)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"image": "photo.png", "strength": 0.1, "steps": 5}, "not one step"),
        ({"scheduler": "euler", "sigmas": (0.9, 0.5)}, "--sigmas"),
        ({"stg": 1.0}, "--stg: .* cannot be steered by stg"),
        ({"guidance": 1.0, "negative_prompt": "blurry"}, "--negative changes nothing"),
        ({"control": ("scribble=x.png",)}, "no way to make such a map"),
        ({"lora_blocks": "unet.*"}, "add --lora"),
        ({"embedding": ("dot.safetensors",)}, "no prompt has its word"),
        ({"lora": ("missing.safetensors",)}, "missing.safetensors"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_loaded(wishes, wish: dict[str, Any], told: str) -> None:
    root, _ = wishes
    if "control" in wish:
        wish = {"control": (f"scribble={root}/photo.png",), "controlnet": (str(root / "controlnet"),)}
    with pytest.raises(UserError, match=told):
        resolved(wishes, **wish)


def test_poses_without_scipy_are_told_in_one_line(wishes, monkeypatch) -> None:
    import importlib.util

    root, _ = wishes
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'praxino\[control\]'"):
        resolved(wishes, control=(f"pose={root}/photo.png",), controlnet=(str(root / "controlnet"),))


def test_a_companion_that_is_not_here_is_told_with_how_to_fetch_it(wishes) -> None:
    root, _ = wishes
    with pytest.raises(UserError, match=r"controlnet-depth-sdxl-1\.0"):
        resolved(wishes, control=(f"depth-map={root}/photo.png",))
    with pytest.raises(UserError, match="ip-adapter_sdxl"):
        resolved(wishes, reference=(f"{root}/photo.png",))


def test_folder_names_that_are_paths_stay_paths(wishes) -> None:
    """The recipe names companions as the user did."""
    root, _ = wishes
    resolution = resolved(
        wishes, control=(f"canny-map={root}/photo.png",), controlnet=(str(root / "controlnet"),)
    )  # fmt: skip
    assert Path(resolution.recipe.companions[0].path) == root / "controlnet"
