"""Wan Animate's transformer by its authors' names: those of their own module, at its real width.

tests/reference/wan_animate/names.json: the names and shapes of WanAnimateModel (Wan-Video/Wan2.2 at 42bf4cf) with five
layers. Nothing but shapes is made of them here.
"""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from praxino.families import _original
from praxino.families.wan_animate import original
from praxino.families.wan_animate.miniature import TRANSFORMER, write

NAMES = json.loads((Path(__file__).parents[2] / "reference" / "wan_animate" / "names.json").read_text())


def test_every_name_of_the_authors_has_its_place_and_shape():
    from diffusers import WanAnimateTransformer3DModel

    with torch.device("meta"):
        tensors = {name: torch.empty(shape) for name, shape in NAMES.items()}
        network = WanAnimateTransformer3DModel(num_layers=5, added_kv_proj_dim=5120)
    found = {name: tensor.shape for name, tensor in original.renamed(tensors).items()}
    assert found == {name: tensor.shape for name, tensor in network.state_dict().items()}
    config = original.config_of(_original.shapes_of(tensors), {})
    for name, value in dict(network.config).items():
        if name in config and name != "motion_encoder_channel_sizes":
            assert config[name] == value, name
    with torch.device("meta"):
        again = WanAnimateTransformer3DModel(**config)
    assert {name: tensor.shape for name, tensor in again.state_dict().items()} == found


def in_authors_names(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The parts of a miniature that only Animate has."""
    found = {}
    for name, tensor in tensors.items():
        if name.startswith("face_adapter."):
            _, number, layer, kind = name.split(".")
            if layer == "to_v":
                continue
            if layer == "to_k":
                tensor = torch.cat((tensor, tensors[name.replace("to_k", "to_v")]))
            layer = {"to_q": "linear1_q", "to_k": "linear1_kv", "to_out": "linear2"}.get(
                layer, f"{layer.removeprefix('norm_')}_norm"
            )
            found[f"face_adapter.fuser_blocks.{number}.{layer}.{kind}"] = tensor
    return found


def test_fused_keys_and_values_are_cut_by_rows(tmp_path):
    write(tmp_path)
    ours = load_file(tmp_path / "transformer" / "diffusion_pytorch_model.safetensors")
    theirs = in_authors_names(ours)
    appearance = {f"{original.APPEARANCE}0.0.weight": torch.ones(4, 3, 1, 1)}
    blur = {f"{original.APPEARANCE}1.conv2.0.kernel": torch.ones(4, 4)}
    found = original.renamed({**theirs, **appearance, **blur})
    assert found.keys() == {name for name in ours if name.startswith("face_adapter.")} | {
        "motion_encoder.conv_in.weight"
    }
    assert all(torch.equal(found[name], ours[name]) for name in found if name.startswith("face_adapter."))


@pytest.mark.parametrize("sides", [1, 7])
def test_the_side_of_the_face_is_told_by_the_depth_of_its_encoder(sides):
    shapes = {f"{original.APPEARANCE}0.0.weight": (4, 3, 1, 1)}
    shapes |= {f"{original.APPEARANCE}{n}.conv2.1.weight": (8, 4, 3, 3) for n in range(1, sides + 1)}
    assert max(original._widths(shapes)) == 4 << sides
    assert sides != 1 or max(original._widths(shapes)) == TRANSFORMER["motion_encoder_size"]
