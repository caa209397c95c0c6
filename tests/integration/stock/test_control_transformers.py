"""ControlNets beside the stock transformers, bit for bit as diffusers' pipelines called by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from praxino.errors import ModelError, UserError

KINDS = {
    "sd3": ("SD3ControlNetModel", "StableDiffusion3ControlNetPipeline"),
    "hunyuan-dit": ("HunyuanDiT2DControlNetModel", "HunyuanDiTControlNetPipeline"),
    "qwen-image": ("QwenImageControlNetModel", "QwenImageControlNetPipeline"),
    "z-image": ("ZImageControlNetModel", "ZImageControlNetPipeline"),
}
COPIED = {
    "sd3": (
        "sample_size", "patch_size", "in_channels", "attention_head_dim", "num_attention_heads", "joint_attention_dim",
        "caption_projection_dim", "pooled_projection_dim", "out_channels", "pos_embed_max_size",
    ),
    "hunyuan-dit": (
        "num_attention_heads", "attention_head_dim", "in_channels", "patch_size", "sample_size", "hidden_size",
        "cross_attention_dim", "cross_attention_dim_t5", "pooled_projection_dim", "text_len", "text_len_t5",
        "use_style_cond_and_image_meta_size",
    ),
    "qwen-image": (
        "patch_size", "in_channels", "out_channels", "attention_head_dim", "num_attention_heads", "joint_attention_dim",
        "axes_dims_rope",
    ),
    "z-image": ("dim", "n_refiner_layers", "n_heads", "n_kv_heads"),
}  # fmt: skip
OWN: dict[str, dict[str, Any]] = {
    "sd3": {"num_layers": 1},
    "hunyuan-dit": {"transformer_num_layers": 4},
    "qwen-image": {"num_layers": 1},
    "z-image": {"control_layers_places": [0], "control_in_dim": 16},
}
"""What a ControlNet's config says that the denoiser's does not."""


def write(model: Any, folder: Path, **more: Any) -> Path:
    """A ControlNet beside a miniature, whose last layers are not zero as they are before training."""
    import diffusers

    torch.manual_seed(len(folder.name))
    name = model.family.name
    config = {key: model.parts.base.transformer.config[key] for key in COPIED[name]}
    network = getattr(diffusers, KINDS[name][0])(**{**config, **OWN[name], **more})
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.2)
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def controlnets(models, tmp_path_factory):
    root = tmp_path_factory.mktemp("controlnets")
    return {(name, kind): write(models(name), root / f"{name}-{kind}") for name in KINDS for kind in ("canny", "depth")}


def network(name: str, folder: Path) -> Any:
    import diffusers

    return getattr(diffusers, KINDS[name][0]).from_pretrained(folder)


def by_hand(model: Any, kind: str, nets: Any, **arguments: Any) -> np.ndarray:
    """What some pipelines draw for a map's latents comes from torch's own generator."""
    call = model.by_hand(kind, controlnet=nets, **components(model))
    guidance = model.variant.guidance_phases[0].scale
    own: dict[str, Any] = {"guidance_scale": guidance}
    if model.family.name == "qwen-image":
        own = {"true_cfg_scale": guidance, "negative_prompt": " "}
    if model.family.name == "hunyuan-dit":
        own["use_resolution_binning"] = False
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        return call(height=64, width=64, **own, **arguments)


def components(model: Any) -> dict[str, Any]:
    return {"safety_checker": None} if model.family.name == "hunyuan-dit" else {}


@pytest.mark.parametrize("name", KINDS)
def test_a_map_is_followed_and_let_go_of(models, controlnets, picture, name: str) -> None:
    model, folder = models(name), controlnets[name, "canny"]
    before = model.draw()
    steered = {"control": ("canny-map=x.png",), "controlnet": ("named",), "companions": [("controlnet:canny", folder)]}
    drawn = model.draw(given=[("control:canny", picture, 0.7)], **steered)
    wanted = by_hand(
        model, KINDS[name][1], network(name, folder),
        control_image=Image.fromarray(picture), controlnet_conditioning_scale=0.7,
    )  # fmt: skip
    assert np.array_equal(drawn, wanted)
    assert not np.array_equal(drawn, before)
    assert np.array_equal(model.draw(given=[("control:canny", picture, 0.7)], **steered), drawn)
    assert np.array_equal(model.draw(), before)


@pytest.mark.parametrize("name", ["sd3", "hunyuan-dit", "qwen-image"])
def test_two_maps_are_followed(models, controlnets, picture, name: str) -> None:
    model, given = models(name), [("control:canny", picture, 0.7), ("control:depth", picture[::-1].copy(), 0.4)]
    same = name == "qwen-image"
    folders = [controlnets[name, "canny"], controlnets[name, "canny" if same else "depth"]]
    companions = [("controlnet:canny", folders[0]), ("controlnet:depth", folders[1])]
    drawn = model.draw(
        given=given, control=("canny-map=x.png", "depth-map=y.png"), controlnet=("one", "two"), companions=companions
    )
    nets: Any = [network(name, folder) for folder in folders]
    if same:
        from diffusers.models.controlnets.controlnet_qwenimage import QwenImageMultiControlNetModel

        nets = QwenImageMultiControlNetModel(nets[:1])
    wanted = by_hand(
        model, KINDS[name][1], nets,
        control_image=[Image.fromarray(frames) for _, frames, _ in given], controlnet_conditioning_scale=[0.7, 0.4],
    )  # fmt: skip
    # Where weights happen to lie in memory rounds sums of two ControlNets differently.
    assert np.abs(drawn.astype(int) - wanted.astype(int)).max() <= 1
    assert not np.array_equal(drawn, model.draw())


@pytest.mark.parametrize(
    ("name", "kind", "more"),
    [
        ("sd3", "StableDiffusion3ControlNetInpaintingPipeline", {"extra_conditioning_channels": 1}),
        ("qwen-image", "QwenImageControlNetInpaintPipeline", {"extra_condition_channels": 4}),
    ],
)
def test_a_controlnet_fills_in_what_a_mask_covers(models, tmp_path, picture, mask, name: str, kind: str, more) -> None:
    model, folder = models(name), write(models(name), tmp_path / "inpaint", **more)
    given = [("image", picture, 1.0), ("mask", mask, 1.0), ("control:inpaint", picture, 0.9)]
    drawn = model.draw(
        "inpainting",
        given,
        control=("inpaint-map=x.png",),
        controlnet=("named",),
        companions=[("controlnet:inpaint", folder)],
    )
    wanted = by_hand(
        model, kind, network(name, folder),
        control_image=Image.fromarray(picture), control_mask=Image.fromarray(mask), controlnet_conditioning_scale=0.9,
    )  # fmt: skip
    assert np.array_equal(drawn, wanted)
    assert not np.array_equal(drawn, model.draw("inpainting", given[:2]))


def test_z_image_follows_a_map_where_a_mask_is_filled_in(models, tmp_path, picture, mask) -> None:
    model = models("z-image")
    folder = write(model, tmp_path / "masked", control_in_dim=33, add_control_noise_refiner="control_noise_refiner",
                   control_refiner_layers_places=[0])  # fmt: skip
    given = [("image", picture, 1.0), ("mask", mask, 1.0), ("control:depth", picture[::-1].copy(), 0.9)]
    drawn = model.draw(
        "inpainting",
        given,
        control=("depth-map=x.png",),
        controlnet=("named",),
        companions=[("controlnet:depth", folder)],
    )
    wanted = by_hand(
        model, "ZImageControlNetInpaintPipeline", network("z-image", folder), image=Image.fromarray(picture),
        mask_image=Image.fromarray(mask), control_image=Image.fromarray(given[2][1]), controlnet_conditioning_scale=0.9,
    )  # fmt: skip
    assert np.array_equal(drawn, wanted)


SECOND = {"control_in_dim": 33, "control_refiner_layers_places": [0]}


@pytest.mark.parametrize(
    "more",
    [
        {},
        {**SECOND, "add_control_noise_refiner": "control_layers"},
        {**SECOND, "add_control_noise_refiner": "control_noise_refiner"},
    ],
    ids=["1.0", "2.0", "2.1"],
)
def test_z_image_follows_maps_by_a_controlnet_in_one_file(models, tmp_path, picture, more) -> None:
    model = models("z-image")
    folder = write(model, tmp_path / "layout", **more)
    weights = load_file(folder / "diffusion_pytorch_model.safetensors")
    if more.get("add_control_noise_refiner") == "control_layers":
        weights |= {f"control_noise_refiner.0.{name}.weight": torch.zeros(24, 24) for name in ("before_proj", "other")}
    save_file(weights, tmp_path / "published.safetensors")
    given, steered = [("control:canny", picture, 0.7)], {"control": ("canny-map=x.png",)}
    drawn = model.draw(given=given, companions=[("controlnet:canny", tmp_path / "published.safetensors")], **steered)
    wanted = by_hand(
        model, "ZImageControlNetPipeline", network("z-image", folder),
        control_image=Image.fromarray(picture), controlnet_conditioning_scale=0.7,
    )  # fmt: skip
    assert np.array_equal(drawn, wanted)
    assert not np.array_equal(drawn, model.draw())


@pytest.mark.parametrize(
    ("layers", "places"), [(6, [0, 5, 10, 15, 20, 25]), (15, [*range(0, 30, 2)]), (3, [0, 10, 20])]
)
def test_a_controlnet_of_z_image_steers_layers_that_are_evenly_spread(layers: int, places: list[int]) -> None:
    from praxino.families.z_image.controlnet import MAPS_IN, config

    shapes = {MAPS_IN: (3840, 64), **{f"control_layers.{index}.attention.to_q.weight": (1,) for index in range(layers)}}
    base = {"n_layers": 30, "in_channels": 16, "n_refiner_layers": 2, "dim": 3840, "n_heads": 30, "n_kv_heads": 30}
    found = config(Path("x.safetensors"), shapes, {**base, "norm_eps": 1e-5, "qk_norm": True})
    assert found["control_layers_places"] == places
    assert (found["control_in_dim"], found["add_control_noise_refiner"]) == (16, None)


def test_a_file_that_is_no_controlnet_of_z_image_is_refused(models, tmp_path, picture) -> None:
    model = models("z-image")
    folder = write(model, tmp_path / "layout")
    weights = load_file(folder / "diffusion_pytorch_model.safetensors")
    broken = {
        "holds no ControlNet": {"a": torch.zeros(1)},
        "of 48 channels": {**weights, "control_all_x_embedder.2-1.weight": torch.zeros(48, 64)},
        "lacks 1 weights": {name: weight for name, weight in weights.items() if "after_proj.bias" not in name},
    }
    for told, tensors in broken.items():
        save_file(tensors, tmp_path / "file.safetensors")
        with pytest.raises(ModelError, match=told):
            model.draw(
                given=[("control:canny", picture, 1.0)], control=("canny-map=x.png",),
                companions=[("controlnet:canny", tmp_path / "file.safetensors")],
            )  # fmt: skip


def test_edges_for_stable_diffusion_35_are_read_as_its_authors_do(models, tmp_path, picture) -> None:
    from diffusers.image_processor import VaeImageProcessor

    class Bright(VaeImageProcessor):
        """The model card's."""

        def preprocess(self, image: Any, **more: Any) -> torch.Tensor:
            self.register_to_config(do_normalize=False)
            read = super().preprocess(image, **more) * 255 * 0.5 + 0.5
            self.register_to_config(do_normalize=True)
            return read

    model = models("sd3")
    folder = write(model, tmp_path / "large", use_pos_embed=False, joint_attention_dim=None, pos_embed_type=None)
    edges = np.where(picture[:, :, 2:] > 0, 255, 0).astype(np.uint8).repeat(3, axis=2)
    steered = {"control": ("canny-map=x.png",), "controlnet": ("named",), "companions": [("controlnet:canny", folder)]}
    drawn = model.draw(given=[("control:canny", edges, 0.7)], **steered)
    call = model.by_hand(KINDS["sd3"][1], controlnet=network("sd3", folder))
    call.pipeline.image_processor = Bright(vae_scale_factor=8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        wanted = call(
            control_image=Image.fromarray(edges), controlnet_conditioning_scale=0.7, guidance_scale=7.0,
            height=64, width=64,
        )  # fmt: skip
    assert np.array_equal(drawn, wanted)
    other = model.draw(
        given=[("control:depth", edges, 0.7)],
        control=("depth-map=x.png",),
        controlnet=("named",),
        companions=[("controlnet:depth", folder)],
    )
    assert not np.array_equal(other, drawn)


@pytest.mark.parametrize("name", ["sd3", "z-image"])
def test_going_on_from_a_step_draws_the_same(models, controlnets, picture, name: str) -> None:
    model = models(name)
    given, steered = [("control:canny", picture, 0.7)], {"control": ("canny-map=x.png",), "controlnet": ("named",)}
    recipe = model.recipe(given=given, companions=[("controlnet:canny", controlnets[name, "canny"])], **steered)
    parts = model.family.equip(model.parts, recipe)
    states = list(model.family.denoise(recipe, parts, [picture[None]], 7))
    again = list(model.family.denoise(recipe, parts, [picture[None]], 7, states[2]))
    assert [state.step for state in again] == [2, 3, 4]
    assert torch.equal(again[-1].tensors["frames"], states[-1].tensors["frames"])


@pytest.mark.parametrize(
    ("name", "task", "wish", "told"),
    [
        ("z-image", "text-to-image", {"control": ("canny-map=a.png", "depth-map=b.png")}, "one map at a time"),
        ("sd3", "inpainting", {"control": ("inpaint-map=a.png", "canny-map=b.png")}, "no map beside inpaint-map"),
        ("sd3", "text-to-image", {"control": ("inpaint-map=a.png",)}, "inpaint-map: .* in text-to-image"),
        ("sd3", "image-to-image", {"control": ("canny-map=a.png",)}, "does not follow such maps in image-to-image"),
        ("sd3", "inpainting", {"control": ("inpaint-map=a.png",), "strength": 0.5}, "fills in masks whole"),
        ("sd3", "text-to-image", {"control": ("depth-map=a.png",)}, "name one with --controlnet"),
    ],
)
def test_what_cannot_be_followed_is_refused_before_anything_is_loaded(models, name, task, wish, told) -> None:
    with pytest.raises(UserError, match=told):
        models(name).recipe(task, **wish)


def test_a_controlnet_of_another_model_is_named(models, controlnets, picture) -> None:
    with pytest.raises(ModelError, match="but a QwenImageControlNetModel"):
        models("sd3").draw(
            given=[("control:canny", picture, 1.0)], control=("canny-map=x.png",),
            companions=[("controlnet:canny", controlnets["qwen-image", "canny"])],
        )  # fmt: skip
    with pytest.raises(ModelError, match="one ControlNet; name the same"):
        models("qwen-image").draw(
            given=[("control:canny", picture, 1.0), ("control:depth", picture, 1.0)],
            control=("canny-map=x.png", "depth-map=x.png"),
            companions=[(f"controlnet:{kind}", controlnets["qwen-image", kind]) for kind in ("canny", "depth")],
        )  # fmt: skip
