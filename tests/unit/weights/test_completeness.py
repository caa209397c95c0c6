import json

import pytest

from praxino.weights.completeness import missing

INDEX = {
    "_class_name": "Pipeline",
    "_diffusers_version": "0.42.1",
    "force_zeros": True,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "EulerDiscreteScheduler"],
    "unet": ["diffusers", "UNet2DConditionModel"],
}
FILES = ("scheduler/scheduler_config.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors")


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    (tmp_path / "model_index.json").write_text(json.dumps(INDEX))
    return tmp_path


def test_a_whole_pipeline(folder):
    assert missing(folder) == []


@pytest.mark.parametrize(
    ("name", "lacking"), [(FILES[0], ["scheduler/"]), (FILES[2], ["*.safetensors"]), ("unet/config.json", [])]
)
def test_a_component_that_is_not_there(folder, name, lacking):
    (folder / name).unlink()
    assert missing(folder) == lacking


def test_a_network_without_weights(folder):
    (folder / "vae").mkdir()
    (folder / "vae" / "config.json").write_text("{}")
    (folder / "model_index.json").write_text(json.dumps(INDEX | {"vae": ["diffusers", "AutoencoderKL"]}))
    assert missing(folder) == ["vae/"]


def test_shards(folder):
    listed = {"weight_map": {"a": "x-1.safetensors", "b": "x-2.safetensors", "c": "x-2.safetensors"}}
    (folder / "unet" / "x.safetensors.index.json").write_text(json.dumps(listed))
    (folder / "unet" / "x-1.safetensors").touch()
    assert missing(folder) == ["unet/x-2.safetensors"]
    assert missing(folder, "scheduler") == []
    assert missing(folder, "unet") == ["unet/x-2.safetensors"]
    assert missing(folder, patterns=("unet/*",)) == ["unet/x-2.safetensors"]


def test_what_is_named(folder):
    assert missing(folder, "unet/config.json", ("scheduler/*",)) == []
    assert missing(folder, "single.safetensors", ("tokenizer/*",)) == ["tokenizer/*", "single.safetensors"]


def test_configs_alone_are_no_model(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert missing(tmp_path) == ["*.safetensors"]
