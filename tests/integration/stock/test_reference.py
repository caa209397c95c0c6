"""IP-Adapters: pictures whose look is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from praxino.errors import ModelError, UserError
from praxino.families._stock import reference

ENCODER_WIDTH, HIDDEN = 16, 32
"""Of what the image encoder says in the end, and before."""


def projection(width: int) -> dict[str, torch.Tensor]:
    """What makes tokens of the encoder's one vector, in the plain adapter."""
    return {
        "proj.weight": torch.randn(4 * width, ENCODER_WIDTH) / 4,
        "proj.bias": torch.zeros(4 * width),
        "norm.weight": torch.ones(width),
        "norm.bias": torch.zeros(width),
    }


def resampler(width: int) -> dict[str, torch.Tensor]:
    """What makes tokens of the encoder's hidden states, in the adapters called plus: four layers of one head."""
    found = {
        "latents": torch.randn(1, 4, width),
        "proj_in.weight": torch.randn(width, HIDDEN) / 4,
        "proj_in.bias": torch.zeros(width),
        "proj_out.weight": torch.randn(width, width) / 4,
        "proj_out.bias": torch.zeros(width),
        "norm_out.weight": torch.ones(width),
        "norm_out.bias": torch.zeros(width),
    }
    for layer in range(4):
        for norm in ("0.norm1", "0.norm2", "1.0"):
            found[f"layers.{layer}.{norm}.weight"] = torch.ones(width)
            found[f"layers.{layer}.{norm}.bias"] = torch.zeros(width)
        shapes = {"0.to_q": (64, width), "0.to_kv": (128, width), "0.to_out": (width, 64)}
        shapes |= {"1.1": (4 * width, width), "1.3": (width, 4 * width)}
        found |= {f"layers.{layer}.{name}.weight": torch.randn(shape) / 8 for name, shape in shapes.items()}
    return found


def write_adapter(model: Any, file: Path, projector: Any = projection) -> Path:
    """An IP-Adapter and its image encoder for a miniature, as h94/IP-Adapter lies."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(1)
    unet = model.parts.base.unet
    width = unet.config.cross_attention_dim
    tensors = {f"image_proj.{name}": tensor for name, tensor in projector(width).items()}
    crossing = [name for name in unet.attn_processors if name.endswith("attn2.processor")]
    for index, name in enumerate(crossing):
        hidden = unet.get_submodule(name.removesuffix(".processor")).to_q.out_features
        for side in "kv":
            tensors[f"ip_adapter.{2 * index + 1}.to_{side}_ip.weight"] = torch.randn(hidden, width) / 4
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, file)
    config = CLIPVisionConfig(
        hidden_size=HIDDEN, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=32,
        patch_size=8, projection_dim=ENCODER_WIDTH,
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).save_pretrained(file.parent / "image_encoder")
    return file


@pytest.fixture(scope="module")
def adapters(models, tmp_path_factory):
    root = tmp_path_factory.mktemp("adapters")
    plus = write_adapter(models("sdxl"), root / "plus" / "ip.safetensors", resampler)
    names = ("sdxl", "stable-diffusion")
    return {name: write_adapter(models(name), root / name / "ip.safetensors") for name in names} | {"sdxl plus": plus}


def draw(model: Any, file: Path, given: list[Any], **wish: Any) -> np.ndarray:
    references = tuple("x.png" for role, _, _ in given if role == "reference")
    return model.draw(given=given, reference=references, companions=[("ip-adapter", file)], **wish)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sdxl", "StableDiffusionXLPipeline"),
        ("sdxl plus", "StableDiffusionXLPipeline"),
        ("stable-diffusion", "StableDiffusionPipeline"),
    ],
)
def test_a_look_is_taken_and_let_go(models, adapters, picture, name: str, kind: str) -> None:
    model, file = models(name.removesuffix(" plus")), adapters[name]
    before = model.draw()
    drawn = draw(model, file, [("reference", picture, 0.6)])
    call: Any = model.by_hand(kind)
    call.pipeline.load_ip_adapter(str(file.parent), subfolder="", weight_name=file.name)
    call.pipeline.set_ip_adapter_scale(0.6)
    guidance = model.variant.guidance_phases[0].scale
    wanted = call(ip_adapter_image=Image.fromarray(picture), height=64, width=64, guidance_scale=guidance)
    assert np.array_equal(drawn, wanted)
    assert not np.array_equal(drawn, before)
    assert np.array_equal(model.draw(), before)
    assert model.parts.base.image_encoder is None and model.parts.base.feature_extractor is None


def test_several_looks_each_with_its_weight(models, adapters, picture) -> None:
    model, file = models("sdxl"), adapters["sdxl"]
    other = 255 - picture
    both = draw(model, file, [("reference", picture, 0.6), ("reference", other, 0.3)])
    assert not np.array_equal(both, draw(model, file, [("reference", picture, 0.3), ("reference", other, 0.6)]))
    alone = draw(model, file, [("reference", picture, 0.6), ("reference", other, 0.0)])
    assert np.array_equal(alone, draw(model, file, [("reference", picture, 0.6)]))
    assert np.array_equal(draw(model, file, [("reference", picture, 0.0)]), model.draw())


def test_style_and_layout_reach_their_blocks_alone(models, adapters, picture) -> None:
    model, file = models("sdxl"), adapters["sdxl"]
    drawn = {
        use: draw(model, file, [("reference", picture, 1.0)], reference_use=use) for use in ("all", "style", "layout")
    }
    assert len({frames.tobytes() for frames in drawn.values()}) == 3

    def touched(use: str) -> set[str]:
        draw(model, file, [("reference", picture, 0.5)], reference_use=use)
        scales = {
            name: getattr(processor, "scale", [0]) for name, processor in model.parts.base.unet.attn_processors.items()
        }
        return {name.partition(".transformer")[0] for name, scale in scales.items() if scale != [0] and any(scale)}

    assert touched("style") == {"up_blocks.0.attentions.1"}
    assert touched("layout") == {"down_blocks.2.attentions.1"}


def test_a_look_is_taken_while_a_picture_is_changed(models, adapters, picture, mask) -> None:
    model, file = models("stable-diffusion"), adapters["stable-diffusion"]
    given = [("image", picture, 1.0), ("mask", mask, 1.0)]
    steered: dict[str, Any] = {"reference": ("x.png",), "companions": [("ip-adapter", file)]}
    looked = [*given, ("reference", 255 - picture, 1.0)]
    assert not np.array_equal(model.draw("inpainting", looked, **steered), model.draw("inpainting", given))


def test_an_adapter_without_its_encoder_is_refused(models, adapters, picture, tmp_path) -> None:
    moved = tmp_path / "ip.safetensors"
    moved.write_bytes(adapters["sdxl"].read_bytes())
    with pytest.raises(ModelError, match="image encoder of width 16"):
        draw(models("sdxl"), moved, [("reference", picture, 1.0)])
    save_file({"weight": torch.zeros(1)}, moved)
    with pytest.raises(ModelError, match="no IP-Adapter"):
        draw(models("sdxl"), moved, [("reference", picture, 1.0)])


def test_an_adapter_of_another_model_is_refused_and_leaves_nothing(models, adapters, picture) -> None:
    model = models("sdxl")
    before = model.draw()
    with pytest.raises(ModelError):
        draw(model, adapters["stable-diffusion"], [("reference", picture, 1.0)])
    assert reference.ADAPTER not in model.parts.kept
    assert np.array_equal(model.draw(), before)


@pytest.fixture(scope="module")
def timed_adapter(models, tmp_path_factory) -> Path:
    """An IP-Adapter for Stable Diffusion 3 and its SigLIP, beside it."""
    from diffusers.models.attention_processor import SD3IPAdapterJointAttnProcessor2_0
    from diffusers.models.embeddings import IPAdapterTimeImageProjection
    from transformers import SiglipImageProcessorPil, SiglipVisionConfig, SiglipVisionModel

    torch.manual_seed(2)
    transformer = models("sd3").parts.base.transformer
    projector = IPAdapterTimeImageProjection(
        embed_dim=HIDDEN, output_dim=16, hidden_dim=16, heads=1, num_queries=4, timestep_in_dim=8
    )
    tensors = {f"image_proj.{name}": tensor for name, tensor in projector.state_dict().items()}
    for index, _ in enumerate(transformer.attn_processors):
        layer = SD3IPAdapterJointAttnProcessor2_0(
            hidden_size=16, ip_hidden_states_dim=16, head_dim=8, timesteps_emb_dim=16
        )
        tensors |= {f"ip_adapter.{index}.{name}": tensor for name, tensor in layer.state_dict().items()}
    file = tmp_path_factory.mktemp("timed") / "ip-adapter.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    config = SiglipVisionConfig(
        hidden_size=HIDDEN,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    SiglipVisionModel(config).save_pretrained(file.parent / "image_encoder")
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(file.parent / "image_encoder")
    return file


def test_stable_diffusion_3_takes_a_look_and_lets_it_go(models, timed_adapter, picture) -> None:
    from transformers import SiglipImageProcessorPil, SiglipVisionModel

    model, wish = models("sd3"), {"ip_adapter": "named"}
    before = model.draw()
    drawn = draw(model, timed_adapter, [("reference", picture, 0.6)], **wish)
    folder = timed_adapter.parent / "image_encoder"
    call: Any = model.by_hand(
        "StableDiffusion3Pipeline",
        image_encoder=SiglipVisionModel.from_pretrained(folder),
        feature_extractor=SiglipImageProcessorPil.from_pretrained(folder),
    )
    call.pipeline.load_ip_adapter(
        str(timed_adapter.parent), subfolder="", weight_name=timed_adapter.name, image_encoder_folder=None
    )
    call.pipeline.set_ip_adapter_scale(0.6)
    wanted = call(ip_adapter_image=Image.fromarray(picture), height=64, width=64, guidance_scale=7.0)
    assert np.array_equal(drawn, wanted)
    assert not np.array_equal(drawn, before)
    given = [("image", picture, 0.5), ("reference", 255 - picture, 0.6)]
    changed = model.draw(
        "image-to-image", given, reference=("x.png",), companions=[("ip-adapter", timed_adapter)], **wish
    )
    assert not np.array_equal(changed, model.draw("image-to-image", given[:1]))
    assert np.array_equal(draw(model, timed_adapter, [("reference", picture, 0.0)], **wish), before)
    assert np.array_equal(model.draw(), before)


def test_adapters_of_another_kind_and_several_references_are_refused(models, adapters, timed_adapter, picture) -> None:
    with pytest.raises(ModelError, match="no IP-Adapter for Stable Diffusion 3"):
        draw(models("sd3"), adapters["sdxl"], [("reference", picture, 0.6)], ip_adapter="named")
    with pytest.raises(ModelError, match="no IP-Adapter for a UNet"):
        draw(models("sdxl"), timed_adapter, [("reference", picture, 0.6)])
    with pytest.raises(UserError, match="reads one"):
        models("sd3").recipe(reference=("a.png", "b.png"), ip_adapter="named")
