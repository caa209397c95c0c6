"""Against numbers of the authors' own code (tests/reference/hotshot_xl), and against SDXL where they are one."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, ControlNetModel
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from diffusers.models.unets.unet_motion_model import UNetMotionModel
from safetensors.torch import save_file

from praxino.errors import ModelError
from praxino.families import Shape
from praxino.families.hotshot_xl import FAMILY, load_unet, run, unet
from praxino.families.hotshot_xl.layout import Layout
from praxino.families.hotshot_xl.load import Parts
from praxino.families.hotshot_xl.miniature import original_names
from praxino.families.hotshot_xl.networks import Networks
from praxino.families.hotshot_xl.text import Embedded
from praxino.recipe import Companion, Condition, Encoding, Media, Recipe
from praxino.request import Request

REFERENCE = Path(__file__).parents[2] / "reference" / "hotshot_xl"
EXACT = 2e-5


def _formula() -> Any:
    spec = importlib.util.spec_from_file_location("hotshot_formula", REFERENCE / "formula.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FORMULA = _formula()


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    return dict(np.load(REFERENCE / "reference.npz"))


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """The UNet of the formula in the original's layout."""
    folder = tmp_path_factory.mktemp("original")
    own = original_names(UNetMotionModel(**unet.motion_config(FORMULA.UNET)).state_dict())
    found = FORMULA.weights({name: tuple(tensor.shape) for name, tensor in own.items()})
    (folder / "unet").mkdir()
    save_file(
        {**own, **{name: torch.from_numpy(array) for name, array in found.items()}},
        folder / "unet" / "diffusion_pytorch_model.safetensors",
    )
    config = {"_class_name": "UNet3DConditionModel", **FORMULA.UNET}
    (folder / "unet" / "config.json").write_text(json.dumps(config))
    return folder


def given(num_frames: int) -> dict[str, Any]:
    inputs = {name: torch.from_numpy(array) for name, array in FORMULA.inputs(num_frames, 8, 12).items()}
    return {
        "sample": inputs["sample"],
        "timestep": 261,
        "encoder_hidden_states": inputs["states"].repeat_interleave(num_frames, 0),
        "added_cond_kwargs": {"text_embeds": inputs["pooled"], "time_ids": inputs["time_ids"]},
    }


@pytest.mark.parametrize("num_frames", [1, 8, 24])
def test_the_network_is_the_originals(original, stored, num_frames: int) -> None:
    with torch.no_grad():
        output = load_unet(original)(**given(num_frames)).sample
    assert np.abs(output.numpy() - stored[f"unet_{num_frames}"]).max() <= EXACT


def test_either_folder_is_read(original) -> None:
    one, other = load_unet(original), load_unet(str(original / "unet"))
    assert all(map(torch.equal, one.parameters(), other.parameters()))


def test_positions_rounded_in_the_file_are_worked_out_anew(original, stored, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    tensors = load_file(original / "unet" / "diffusion_pytorch_model.safetensors")
    rounded = {name: tensor.half().float() if "pos_encoder" in name else tensor for name, tensor in tensors.items()}
    save_file(rounded, tmp_path / "diffusion_pytorch_model.safetensors")
    (tmp_path / "config.json").write_bytes((original / "unet" / "config.json").read_bytes())
    with torch.no_grad():
        output = load_unet(tmp_path)(**given(8)).sample
    assert np.abs(output.numpy() - stored["unet_8"]).max() <= EXACT


def test_the_stock_class_computes_something_else(original, stored) -> None:
    mended = load_unet(original)
    stock = UNetMotionModel(**unet.motion_config(FORMULA.UNET)).eval()
    stock.load_state_dict(mended.state_dict())
    with torch.no_grad():
        output = stock(**given(8)).sample
    assert np.abs(output.numpy() - stored["unet_8"]).max() > 0.01


def test_one_frame_is_sdxls_unet(original) -> None:
    mended = load_unet(original)
    kinds = {name: [kind.replace("3D", "2D") for kind in FORMULA.UNET[name]] for name in ("down_block_types",)}
    ups = [kind.replace("3D", "2D") for kind in FORMULA.UNET["up_block_types"]]
    config = {**FORMULA.UNET, **kinds, "up_block_types": ups, "mid_block_type": "UNetMidBlock2DCrossAttn"}
    plain = UNet2DConditionModel(**config).eval()
    spatial = {name: tensor for name, tensor in mended.state_dict().items() if "motion_modules" not in name}
    plain.load_state_dict(spatial)
    inputs = given(1)
    with torch.no_grad():
        one = mended(**inputs).sample[:, :, 0]
        other = plain(**{**inputs, "sample": inputs["sample"][:, :, 0]}).sample
    assert (one - other).abs().max() <= 1e-6


def test_a_unet_of_another_kind_is_refused(original, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no UNet of Hotshot-XL"):
        load_unet(tmp_path)
    (tmp_path / "config.json").write_bytes((original / "unet" / "config.json").read_bytes())
    save_file({"conv_in.weight": torch.zeros(32, 4, 3, 3)}, tmp_path / "diffusion_pytorch_model.safetensors")
    with pytest.raises(ModelError, match="Missing key"):
        load_unet(tmp_path)


def test_the_published_network_has_the_originals_temporal_layers() -> None:
    """Counted in the authors' checkpoint: 15 modules of 28 tensors, 236,779,200 weights."""
    published = {
        **FORMULA.UNET,
        "block_out_channels": [320, 640, 1280],
        "cross_attention_dim": 2048,
        "transformer_layers_per_block": [1, 2, 10],
        "attention_head_dim": [5, 10, 20],
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    }
    with torch.device("meta"):
        network = UNetMotionModel(**unet.motion_config(published))
    temporal = {name: tensor for name, tensor in network.state_dict().items() if unet.TEMPORAL in name}
    assert len(original_names(temporal)) == 15 * 28
    assert sum(tensor.numel() for name, tensor in temporal.items() if not name.endswith("pe")) == 236_779_200


def filled(network: torch.nn.Module) -> torch.nn.Module:
    found = FORMULA.weights({name: tuple(tensor.shape) for name, tensor in network.state_dict().items()})
    network.load_state_dict({name: torch.from_numpy(array) for name, array in found.items()})
    return network.eval()


def drawn(original: Path, num_frames: int, monkeypatch: pytest.MonkeyPatch, **wish: Any) -> np.ndarray:
    """Frames (F, H, W, 3) uint8 of a run with the embeddings and parts that the original's pipelines were given."""
    inputs = {name: torch.from_numpy(array) for name, array in FORMULA.inputs(1, 8, 12).items()}
    monkeypatch.setattr(run.text, "embed", lambda *_: Embedded(inputs["states"], inputs["pooled"]))
    canny = Companion("controlnet:canny", "canny-net")
    vae, controlnet = filled(AutoencoderKL(**FORMULA.VAE)), filled(ControlNetModel(**FORMULA.CONTROLNET))
    networks = Networks(load_unet(original), (), vae, FORMULA.SCHEDULER)  # pyright: ignore[reportArgumentType]
    parts = Parts(Layout(original), torch.float32, "cpu", loaded=networks, companions={canny: controlnet})
    recipe = recipe_for(num_frames, **wish)
    maps = FORMULA.normal("maps", (num_frames, FORMULA.HEIGHT, FORMULA.WIDTH, 3)) * 64 + 128
    given = [np.clip(maps, 0, 255).astype(np.uint8) for _ in recipe.conditions]
    *_, state = run.denoise(recipe, parts, given, FORMULA.SEED, None)
    return run.decode(parts, state)


def recipe_for(num_frames: int, **wish: Any) -> Recipe:
    shape = Shape(FORMULA.WIDTH, FORMULA.HEIGHT, num_frames, 8.0)
    request = Request(prompt="given as embeddings", steps=FORMULA.STEPS, **wish)
    sampling = FAMILY.plan(request, FAMILY.variants["hotshot-xl"], shape, "text-to-video")
    decided = {name: value for name, value in vars(sampling).items() if name != "notes"}
    media = Media(source="maps", sha256="", data="")
    return Recipe(
        family="hotshot-xl", variant="hotshot-xl", model="original", revision="", task="text-to-video",
        prompt=request.prompt, caption=request.prompt, width=shape.width, height=shape.height, num_frames=num_frames,
        fps=shape.fps, guidance=5.0, seed=FORMULA.SEED, n=1, dtype="float32",
        conditions=tuple(Condition(0, 0.7, media, "control:canny") for _ in request.control), loras=(),
        encoding=Encoding("gif", 0, "good", 90, "none", False, False), **decided,
    )  # fmt: skip


CONTROLLED = {"control": ("canny-map=maps.gif",), "controlnet": ("canny-net",)}


@pytest.mark.parametrize(
    ("name", "num_frames", "wish"),
    [
        ("pipeline", 3, {}),
        ("pipeline_1", 1, {}),
        ("pipeline_rescaled", 3, {"rescale": 0.3}),
        ("pipeline_controlled", 3, CONTROLLED),
    ],
)
def test_a_run_draws_what_the_original_pipeline_draws(original, stored, monkeypatch, name, num_frames, wish) -> None:
    frames = drawn(original, num_frames, monkeypatch, **wish)
    wanted = np.floor(stored[name].transpose(0, 2, 3, 1) * 255).astype(np.uint8)
    off = np.abs(frames.astype(int) - wanted.astype(int))
    assert off.max() <= 1
    assert (off > 0).mean() < 0.001
