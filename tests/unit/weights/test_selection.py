import pytest

from praxino.errors import UserError
from praxino.weights.selection import choose

SDXL = [
    ".gitattributes", "LICENSE.md", "README.md", "model_index.json", "01.png", "sd_xl_base_1.0.safetensors",
    "sd_xl_offset_example-lora_1.0.safetensors", "scheduler/scheduler_config.json", "text_encoder/config.json",
    "text_encoder/flax_model.msgpack", "text_encoder/model.fp16.safetensors", "text_encoder/model.onnx",
    "text_encoder/model.safetensors", "text_encoder/openvino_model.bin", "text_encoder/openvino_model.xml",
    "tokenizer/merges.txt", "tokenizer/vocab.json", "unet/config.json", "unet/diffusion_pytorch_model.fp16.safetensors",
    "unet/diffusion_pytorch_model.safetensors", "unet/model.onnx_data",
]  # fmt: skip
"""As stabilityai/stable-diffusion-xl-base-1.0 is laid out."""


def test_a_pipeline_in_one_precision_without_its_single_files_and_programs():
    assert set(choose(SDXL).files) == {
        "LICENSE.md", "model_index.json", "scheduler/scheduler_config.json", "text_encoder/config.json",
        "text_encoder/model.safetensors", "tokenizer/merges.txt", "tokenizer/vocab.json", "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
    }  # fmt: skip
    assert choose(SDXL).pickles == ()


def test_a_precision_that_is_the_only_one_is_taken():
    names = [name for name in SDXL if name != "unet/diffusion_pytorch_model.safetensors"]
    assert "unet/diffusion_pytorch_model.fp16.safetensors" in choose(names).files


def test_shards_of_another_precision():
    names = [
        "model_index.json",
        "t/config.json",
        "t/model-00001-of-00002.safetensors",
        "t/model.safetensors.index.json",
    ]
    other = ["t/model.fp16-00001-of-00001.safetensors", "t/model.safetensors.index.fp16.json"]
    assert choose(names + other).files == tuple(sorted(names))


def test_a_file_with_what_it_needs():
    chosen = choose(SDXL, "sd_xl_base_1.0.safetensors", ("tokenizer/*",))
    assert chosen.files == ("sd_xl_base_1.0.safetensors", "tokenizer/merges.txt", "tokenizer/vocab.json", "LICENSE.md")


def test_a_folder():
    assert choose(SDXL, "tokenizer").files == ("tokenizer/merges.txt", "tokenizer/vocab.json", "LICENSE.md")


@pytest.mark.parametrize("wanted", [{"inside": "nothing.safetensors"}, {"patterns": ("nothing/*",)}])
def test_what_is_not_there(wanted):
    with pytest.raises(UserError, match=r"there is no nothing.* there are sd_xl_base_1.0.safetensors, .* and 2 more"):
        choose(SDXL, **wanted)


@pytest.mark.parametrize(
    ("names", "pickles"),
    [
        (["config.json", "pytorch_model.bin"], ["pytorch_model.bin"]),
        (["config.json", "pytorch_model.bin", "model.safetensors"], []),
        (["annotator.pth", "readme.txt"], ["annotator.pth"]),
        (["lora.safetensors", "training/optimizer.pt"], []),
        (
            ["model_index.json", "unet/config.json", "unet/x.bin", "vae/config.json", "vae/x.safetensors"],
            ["unet/x.bin"],
        ),
        (["model_index.json", "unet/config.json", "unet/x.safetensors", "logs/events.bin"], []),
    ],
)
def test_pickles_that_nothing_better_stands_for(names, pickles):
    chosen = choose(names)
    assert list(chosen.pickles) == pickles
    assert not set(chosen.files) & set(pickles)


def test_programs_are_never_chosen():
    assert choose(["model.safetensors", "modeling.py", "run.sh", "x.so", "x.gguf"]).files == ("model.safetensors",)
