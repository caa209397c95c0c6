import dataclasses
import json
import struct

import pytest

from praxino.errors import ModelError
from praxino.families.ltx_video import identify as identifying
from praxino.families.ltx_video.variants import PUBLISHED


def identify(path):
    """What is found there, without where it is."""
    found = identifying.identify(path)
    if found is None or "home" not in found.options:
        return found
    home = path if path.is_dir() else path.parent
    assert found.options["home"] == str(home)
    return dataclasses.replace(found, options={k: v for k, v in found.options.items() if k != "home"})


VAE_090 = {
    "latent_channels": 128, "patch_size": 4, "patch_size_t": 1, "spatio_temporal_scaling": [True, True, True, False],
}  # fmt: skip
VAE_095 = {
    **VAE_090, "down_block_types": ["LTXVideo095DownBlock3D"] * 4, "timestep_conditioning": True,
    "spatio_temporal_scaling": [True] * 4, "spatial_compression_ratio": 32, "temporal_compression_ratio": 8,
}  # fmt: skip
SHIFTED = {"use_dynamic_shifting": True, "shift_terminal": 0.1}


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data))


def folder(path, vae=VAE_090, scheduler=SHIFTED, shape=(28, 32, 64), card=None):
    layers, heads, head_dim = shape
    write(path / "model_index.json", {
        "_class_name": "LTXPipeline",
        "transformer": ["diffusers", "LTXVideoTransformer3DModel"],
        "vae": ["diffusers", "AutoencoderKLLTXVideo"],
    })  # fmt: skip
    transformer = {"num_layers": layers, "num_attention_heads": heads, "attention_head_dim": head_dim}
    write(path / "transformer" / "config.json", transformer)
    write(path / "vae" / "config.json", vae)
    write(path / "scheduler" / "scheduler_config.json", scheduler)
    if card is not None:
        write(path / "praxino.json", {"family": "ltx-video", **card})
    return path


def single_file(path, config, shape=(28, 2048), conv_out=512, timestep=True, extra=()):
    layers, width = shape
    shapes = {
        "model.diffusion_model.patchify_proj.weight": [width, 128],
        "model.diffusion_model.adaln_single.linear.weight": [6 * width, width],
        "vae.encoder.conv_out.conv.weight": [129, conv_out, 3, 3, 3],
        "vae.decoder.conv_in.conv.weight": [1024, 128, 3, 3, 3],
        **{f"model.diffusion_model.transformer_blocks.{i}.scale_shift_table": [6, width] for i in range(layers)},
        **{name: [1] for name in extra},
    }
    if timestep:
        shapes["vae.decoder.last_time_embedder.timestep_embedder.linear_1.weight"] = [256, 256]
    header = {name: {"dtype": "BF16", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()}
    raw = json.dumps({**header, "__metadata__": {"config": json.dumps(config)}}).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw)
    return path


def test_a_diffusers_folder_of_the_first_release(tmp_path):
    assert identify(folder(tmp_path)) == PUBLISHED["ltx-video-0.9"]


def test_a_diffusers_folder_with_a_timestep_conditioned_vae(tmp_path):
    found = identify(folder(tmp_path, {**VAE_090, "timestep_conditioning": True}))
    assert found == PUBLISHED["ltx-video-0.9.1"]


def test_diffusers_folders_of_the_later_vae(tmp_path):
    assert identify(folder(tmp_path / "a", VAE_095, {})) == PUBLISHED["ltx-video-0.9.6-dev"]
    large = identify(folder(tmp_path / "b", VAE_095, {}, shape=(48, 32, 128)))
    assert large == PUBLISHED["ltx-video-0.9.8-13b-dev"]


def test_a_card_tells_what_configs_cannot(tmp_path):
    found = identify(folder(tmp_path, VAE_095, {}, card={"variant": "ltx-video-0.9.6-distilled"}))
    assert found == PUBLISHED["ltx-video-0.9.6-distilled"]


def test_an_unpublished_folder_gets_a_variant_of_its_own(tmp_path):
    small = {"latent_channels": 64, "patch_size": 4, "patch_size_t": 1, "spatio_temporal_scaling": [True, False]}
    found = identify(folder(tmp_path, small, {}, shape=(4, 4, 64)))
    assert found.name == "ltx-video-custom"
    assert (found.options["spatial_ratio"], found.options["temporal_ratio"]) == (8, 2)
    assert (found.grid.size_multiple, found.grid.frame_step, found.num_frames) == (32, 2, 121)
    assert found.schedule == "uniform"


def test_a_card_describes_a_model_of_its_own(tmp_path):
    small = {"latent_channels": 64, "patch_size": 4, "patch_size_t": 1, "spatio_temporal_scaling": [True, True]}
    card = {
        "variant": "pocket", "width": 64, "height": 64, "num_frames": 9, "fps": 10, "steps": 2, "guidance": 1.0,
        "schedule": "explicit", "sigmas": [1.0, 0.5], "causal_rope": True, "max_text_tokens": 20, "size_multiple": 32,
        "sizes": [[64, 64]], "preview": [[[0.1], [0.2], [0.3]], [0, 0, 0]],
    }  # fmt: skip
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "vocabulary.json").write_text("{}")
    found = identify(folder(tmp_path / "m", small, {}, shape=(4, 4, 64), card=card))
    assert (found.name, found.vocabulary, found.sigmas) == ("pocket", "vocabulary.json", (1.0, 0.5))
    assert found.grid.sizes == ((64, 64),)
    assert found.options["causal_rope"] is True
    assert found.options["max_text_tokens"] == found.max_text_tokens == 20
    assert (found.options["image_preparation"], found.options["image_noise"]) == ("plain", 0)
    assert found.options["preview"] == (((0.1,), (0.2,), (0.3,)), (0.0, 0.0, 0.0))


def test_a_broken_card_is_told_by_its_field(tmp_path):
    with pytest.raises(ModelError, match="fbs"):
        identify(folder(tmp_path, card={"variant": "pocket", "fbs": 10}))


def test_a_card_of_another_family_or_pipeline_is_not_ours(tmp_path):
    folder(tmp_path, card={"variant": "x"})
    write(tmp_path / "praxino.json", {"family": "hotshot-xl", "variant": "x"})
    assert identify(tmp_path) is None
    write(tmp_path / "b" / "model_index.json", {"transformer": ["diffusers", "FluxTransformer2DModel"]})
    assert identify(tmp_path / "b") is None


LINEAR_QUADRATIC = {
    "transformer": {"causal_temporal_positioning": True}, "scheduler": {"sampler": "LinearQuadratic"},
}  # fmt: skip


def test_single_files_by_header_and_metadata(tmp_path):
    early = {"scheduler": {"shifting": "SD3"}}
    first = identify(single_file(tmp_path / "a.safetensors", early, timestep=False))
    assert first == PUBLISHED["ltx-video-0.9"]
    assert identify(single_file(tmp_path / "b.safetensors", early)) == PUBLISHED["ltx-video-0.9.1"]
    later = {"conv_out": 2048}
    dev = identify(single_file(tmp_path / "c.safetensors", LINEAR_QUADRATIC, **later))
    assert dev == PUBLISHED["ltx-video-0.9.6-dev"]
    told = {**LINEAR_QUADRATIC, "allowed_inference_steps": [1.0, 0.5]}
    distilled = identify(single_file(tmp_path / "d.safetensors", told, **later))
    assert distilled == PUBLISHED["ltx-video-0.9.8-2b-distilled"]
    large = identify(single_file(tmp_path / "e.safetensors", told, shape=(48, 4096), **later))
    assert large == PUBLISHED["ltx-video-0.9.8-13b-distilled"]


def test_a_file_that_says_otherwise_about_positions_is_believed(tmp_path):
    told = {**LINEAR_QUADRATIC, "transformer": {"causal_temporal_positioning": False}}
    found = identify(single_file(tmp_path / "a.safetensors", told, conv_out=2048))
    assert found.options["causal_rope"] is False


def test_a_folder_that_holds_one_single_file(tmp_path):
    single_file(tmp_path / "weights.safetensors", LINEAR_QUADRATIC, conv_out=2048)
    (tmp_path / "other.safetensors").write_bytes(struct.pack("<Q", 2) + b"{}")
    assert identify(tmp_path) == PUBLISHED["ltx-video-0.9.6-dev"]
    write(tmp_path / "praxino.json", {"family": "ltx-video", "variant": "ltx-video-0.9.6-distilled"})
    assert identify(tmp_path).name == "ltx-video-0.9.6-distilled"


def test_a_model_with_sound_is_not_this_family(tmp_path):
    assert identify(single_file(tmp_path / "a.safetensors", {}, extra=["audio_vae.x"])) is None


@pytest.mark.parametrize("data", [b"", b"12345678", struct.pack("<Q", 5) + b"{..}x", struct.pack("<Q", 2**60)])
def test_what_is_no_safetensors_file_is_no_checkpoint(tmp_path, data):
    path = tmp_path / "x.safetensors"
    path.write_bytes(data)
    assert identify(path) is None


def test_another_familys_card_is_not_read_as_its_own(tmp_path) -> None:
    (tmp_path / "praxino.json").write_text('{"family": "sdxl", "variant": "x", "a_field_of_its_own": 1}')
    assert identify(tmp_path) is None
