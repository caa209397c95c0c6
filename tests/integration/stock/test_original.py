"""Single files in the layout of the original code, loaded with no network and no config beside them."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from praxino.errors import ModelError
from praxino.families import Variant, families
from praxino.families._stock import clip_tokenizer, original
from praxino.families._stock.load import quiet

from .conftest import Model

RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip
TOP = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2", "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0", "conv_out": "out.2", "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}  # fmt: skip
VAE = (
    (r"(encoder)\.down_blocks\.(\d)\.resnets\.(\d)", r"\1.down.\2.block.\3"),
    (r"encoder\.down_blocks\.(\d)\.downsamplers\.0\.conv", r"encoder.down.\1.downsample.conv"),
    (r"mid_block\.resnets\.0", "mid.block_1"), (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"mid_block\.attentions\.0", "mid.attn_1"), (r"conv_norm_out", "norm_out"), (r"conv_shortcut", "nin_shortcut"),
    (r"group_norm", "norm"), (r"to_out\.0", "proj_out"), (r"to_([qkv])", r"\1"),
)  # fmt: skip
OPEN_CLIP = (
    ("text_model.", ""), ("encoder.layers", "transformer.resblocks"), ("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"),
    ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"), ("self_attn.out_proj", "attn.out_proj"),
    ("final_layer_norm", "ln_final"), ("embeddings.position_embedding.weight", "positional_embedding"),
    ("embeddings.token_embedding", "token_embedding"),
)  # fmt: skip


def original_unet(network: Any) -> dict[str, torch.Tensor]:
    step = network.config.layers_per_block + 1

    def renamed(name: str) -> str:
        head, _, last = name.rpartition(".")
        if head in TOP:
            return f"{TOP[head]}.{last}"
        if found := re.fullmatch(r"down_blocks\.(\d)\.(resnets|attentions)\.(\d)\.(.*)", name):
            place, inside = 1 + int(found[1]) * step + int(found[3]), found[4]
            return f"input_blocks.{place}." + block(found[2], inside)
        if found := re.fullmatch(r"down_blocks\.(\d)\.downsamplers\.0\.conv\.(.*)", name):
            return f"input_blocks.{(int(found[1]) + 1) * step}.0.op.{found[2]}"
        if found := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", name):
            place = 1 if found[1] == "attentions" else 2 * int(found[2])
            return f"middle_block.{place}." + block(found[1], found[3]).partition(".")[2]
        if found := re.fullmatch(r"up_blocks\.(\d)\.(resnets|attentions)\.(\d)\.(.*)", name):
            return f"output_blocks.{int(found[1]) * step + int(found[3])}." + block(found[2], found[4])
        found = re.fullmatch(r"up_blocks\.(\d)\.upsamplers\.0\.conv\.(.*)", name)
        assert found, name
        beside = 2 if hasattr(network.up_blocks[int(found[1])], "attentions") else 1
        return f"output_blocks.{int(found[1]) * step + step - 1}.{beside}.conv.{found[2]}"

    def block(kind: str, inside: str) -> str:
        if kind == "attentions":
            return f"1.{inside}"
        head, _, last = inside.rpartition(".")
        return f"0.{RESNET[head]}.{last}"

    return {f"model.diffusion_model.{renamed(name)}": tensor for name, tensor in network.state_dict().items()}


def original_vae(network: Any) -> dict[str, torch.Tensor]:
    top, found = len(network.config.block_out_channels) - 1, {}
    for name, tensor in network.state_dict().items():
        name = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{top - int(m[1])}.block.{m[2]}", name)
        name = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{top - int(m[1])}.upsample", name)
        for old, new in VAE:
            name = re.sub(old, new, name)
        attention = "attn_1" in name and tensor.ndim == 2
        found[f"first_stage_model.{name}"] = tensor[:, :, None, None] if attention else tensor
    return found


def original_clip(network: Any, prefix: str) -> dict[str, torch.Tensor]:
    return {f"{prefix}transformer.text_model.{name}": tensor for name, tensor in network.state_dict().items()}


def original_open_clip(network: Any, prefix: str) -> dict[str, torch.Tensor]:
    found, parts = {}, {}
    for name, tensor in network.state_dict().items():
        for old, new in OPEN_CLIP:
            name = name.replace(old, new)
        if match := re.fullmatch(r"(.*)self_attn\.([qkv])_proj\.(weight|bias)", name):
            parts.setdefault(f"{match[1]}attn.in_proj_{match[3]}", {})[match[2]] = tensor
        elif name == "text_projection.weight":
            found["text_projection"] = tensor.T
        else:
            found[name] = tensor
    found |= {name: torch.cat([by["q"], by["k"], by["v"]]) for name, by in parts.items()}
    return {prefix + name: tensor for name, tensor in found.items()}


def text_config(layers: int, activation: str, width: int = 64) -> Any:
    from transformers import CLIPTextConfig

    return CLIPTextConfig(
        vocab_size=49408, hidden_size=width, intermediate_size=64, num_hidden_layers=layers, hidden_act=activation,
        num_attention_heads=width // 64, projection_dim=width, bos_token_id=0, eos_token_id=2, pad_token_id=1,
    )  # fmt: skip


def small_pipeline(kind: str, folder: Path, in_channels: int = 4) -> Any:
    """A pipeline of a kind with the real vocabulary and as few channels as its head sizes allow."""
    import diffusers
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    torch.manual_seed(5)
    xl, linear = kind == "sdxl", kind != "sd1"
    down = ["DownBlock2D", *["CrossAttnDownBlock2D"] * 2] if xl else ["CrossAttnDownBlock2D", "DownBlock2D"]
    channels = [32, 64, 64] if xl else [64, 32]
    unet: dict[str, Any] = {
        "sample_size": 8, "in_channels": in_channels, "down_block_types": down,
        "up_block_types": [name.replace("Down", "Up") for name in reversed(down)], "block_out_channels": channels,
        "layers_per_block": 2, "cross_attention_dim": 192 if xl else 64, "use_linear_projection": linear,
        "attention_head_dim": [max(1, c // 64) for c in channels] if linear else 8,
        "transformer_layers_per_block": [1, 1, 2] if xl else 1,
    }  # fmt: skip
    if xl:
        unet |= {
            "addition_embed_type": "text_time", "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 6 * 8 + 128,
        }  # fmt: skip
    for name in ("tokenizer", "tokenizer_2"):
        pad = "!" if name == "tokenizer_2" or kind == "sd2" else clip_tokenizer.END
        original.write_tokenizer(folder / name, pad)
    vae: dict[str, Any] = {
        "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4,
        "block_out_channels": [32] * 4, "layers_per_block": 1, "latent_channels": 4,
        "scaling_factor": 0.13025 if xl else 0.18215,
    }  # fmt: skip
    noise = {key: value for key, value in original.NOISE.items()}
    scheduler: Any = diffusers.EulerDiscreteScheduler(**noise)
    if kind == "sd1":
        scheduler = diffusers.PNDMScheduler(**noise, skip_prk_steps=True, set_alpha_to_one=False)
    if kind == "sd2":
        scheduler = diffusers.DDIMScheduler(
            **noise, set_alpha_to_one=False, clip_sample=False, prediction_type="v_prediction"
        )
    shared: dict[str, Any] = {
        "vae": diffusers.AutoencoderKL(**vae), "unet": diffusers.UNet2DConditionModel(**unet), "scheduler": scheduler,
        "tokenizer": CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        "text_encoder": CLIPTextModel(text_config(*((23, "gelu") if kind == "sd2" else (2, "quick_gelu")))),
    }  # fmt: skip
    if xl:
        return diffusers.StableDiffusionXLPipeline(
            **shared,
            text_encoder_2=CLIPTextModelWithProjection(text_config(2, "gelu", 128)),
            tokenizer_2=CLIPTokenizer.from_pretrained(folder / "tokenizer_2"),
        )
    kind_of = diffusers.StableDiffusionInpaintPipeline if in_channels == 9 else diffusers.StableDiffusionPipeline
    return kind_of(**shared, safety_checker=None, feature_extractor=None, requires_safety_checker=False)


def write_file(pipeline: Any, kind: str, file: Path, **more: torch.Tensor) -> Path:
    """As published: with what is kept beside the networks, and Stable Diffusion 2 with a layer that is not used."""
    tensors = original_unet(pipeline.unet) | original_vae(pipeline.vae) | more
    if kind == "sdxl":
        tensors |= original_clip(pipeline.text_encoder, "conditioner.embedders.0.")
        tensors |= original_open_clip(pipeline.text_encoder_2, "conditioner.embedders.1.model.")
    elif kind == "sd2":
        inside = original_open_clip(pipeline.text_encoder, "cond_stage_model.model.")
        last = [name for name in inside if "resblocks.22." in name]
        tensors |= inside | {name.replace("resblocks.22.", "resblocks.23."): inside[name] for name in last}
        tensors["cond_stage_model.model.text_projection"] = torch.eye(64)
        tensors["cond_stage_model.model.logit_scale"] = torch.ones(())
    else:
        tensors |= original_clip(pipeline.text_encoder, "cond_stage_model.")
        tensors["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(77)[None]
    tensors["betas"] = torch.zeros(1000)
    save_file({name: tensor.clone().contiguous() for name, tensor in tensors.items()}, file)
    return file


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("something asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def loaded(file: Path) -> Model:
    found: list[tuple[Any, Variant]] = []
    for family in families().values():
        if (variant := family.identify(file)) is not None:
            found.append((family, variant))
    ((family, variant),) = found
    return Model(family, variant, family.load(file, variant, "float32", "cpu"), file)


@pytest.mark.parametrize(("kind", "name"), [("sd1", "stable-diffusion"), ("sd2", "stable-diffusion"), ("sdxl", "sdxl")])
def test_a_single_file_is_the_folder_that_it_was_made_of(tmp_path, no_network, kind: str, name: str) -> None:
    with quiet():
        pipeline = small_pipeline(kind, tmp_path)
    pipeline.set_progress_bar_config(disable=True)
    model = loaded(write_file(pipeline, kind, tmp_path / "model.safetensors"))
    assert model.family.name == name
    for component, network in pipeline.components.items():
        if not isinstance(network, torch.nn.Module):
            continue
        wanted, got = network.state_dict(), getattr(model.parts.base, component).state_dict()
        assert list(wanted) == list(got), component
        assert all(torch.equal(wanted[key], got[key]) for key in wanted), component
    drawn = model.draw()
    guidance = model.variant.guidance_phases[0].scale
    with quiet():
        wanted = pipeline(
            "a red cat", num_inference_steps=4, guidance_scale=guidance, height=64, width=64,
            generator=torch.Generator().manual_seed(7),
        ).images[0]  # fmt: skip
    assert np.array_equal(drawn, np.array(wanted))


def test_a_file_says_how_it_was_trained(tmp_path) -> None:
    with quiet():
        pipeline = small_pipeline("sdxl", tmp_path)
    empty = torch.zeros(0)
    file = write_file(pipeline, "sdxl", tmp_path / "model.safetensors", v_pred=empty, ztsnr=empty)
    config = loaded(file).parts.base.scheduler.config
    assert config.prediction_type == "v_prediction" and config.rescale_betas_zero_snr


def test_a_file_with_a_unet_for_masks(tmp_path) -> None:
    with quiet():
        pipeline = small_pipeline("sd1", tmp_path, in_channels=9)
    model = loaded(write_file(pipeline, "sd1", tmp_path / "model.safetensors"))
    assert model.variant.tasks == ("inpainting", "outpainting")
    assert type(model.parts.base).__name__ == "StableDiffusionInpaintPipeline"


def test_what_is_not_whole_is_no_checkpoint(tmp_path) -> None:
    with quiet():
        pipeline = small_pipeline("sd1", tmp_path)
    alone = tmp_path / "unet.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in original_unet(pipeline.unet).items()}, alone)
    pickled = tmp_path / "model.ckpt"
    torch.save({"state_dict": {}}, pickled)
    for family in families().values():
        assert family.identify(alone) is None and family.identify(pickled) is None


def test_a_file_without_some_weights_is_refused(tmp_path) -> None:
    with quiet():
        pipeline = small_pipeline("sd1", tmp_path)
    file = write_file(pipeline, "sd1", tmp_path / "model.safetensors")
    tensors = load_file(file)
    del tensors["cond_stage_model.transformer.text_model.encoder.layers.1.mlp.fc2.bias"]
    save_file(tensors, file)
    with pytest.raises(ModelError, match=r"lacks .*text_encoder.encoder.layers.1.mlp.fc2.bias"):
        loaded(file)


def test_a_cut_file_is_damaged(tmp_path) -> None:
    with quiet():
        pipeline = small_pipeline("sd1", tmp_path)
    file = write_file(pipeline, "sd1", tmp_path / "model.safetensors")
    family = families()["stable-diffusion"]
    variant = family.identify(file)
    assert variant is not None
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(ModelError):
        family.load(file, variant, "float32", "cpu")


def test_the_vocabulary_is_clips(tmp_path) -> None:
    """The ids are those that OpenAI's tokenizer gives."""
    from transformers import CLIPTokenizer

    original.write_tokenizer(tmp_path, clip_tokenizer.END)
    words = CLIPTokenizer.from_pretrained(tmp_path)
    assert words("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert len(words) == 49408
    padded = words("A Photo", padding="max_length").input_ids
    assert padded == [49406, 320, 1125, *[49407] * 74]
