"""The weights that published variants are said to have, counted from the networks' own configs, without memory."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

import pytest
import torch

from praxino.accel.weight import STAGES, Shapes, Stage, of_shapes, published, stage_of_folder
from praxino.bench.published import configs
from praxino.families import Variant, families

REFERENCE = configs()
VARIANTS: dict[str, Variant] = {
    name: variant
    for family in families().values()
    for name, variant in family.variants.items()
    if variant.networks
}  # fmt: skip


def kind_of(name: str) -> Any:
    module, _, kind = REFERENCE["configs"][name]["class"].partition(":")
    return getattr(import_module(module), kind)


@cache
def shapes_of(name: str) -> Shapes:
    """What a network's files would hold: tied weights once."""
    kind, config = kind_of(name), REFERENCE["configs"][name]["config"]
    configured = getattr(kind, "config_class", None)
    with torch.device("meta"):
        network = kind(configured(**config)) if configured else kind(**config)
    tensors = {id(tensor): (key, tensor) for key, tensor in network.state_dict(keep_vars=True).items()}
    return {key: tuple(tensor.shape) for key, tensor in tensors.values()}


def test_every_variant_with_networks_has_a_config() -> None:
    assert set(VARIANTS) == set(REFERENCE["variants"])


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_networks_weigh_what_their_configs_make(name: str) -> None:
    components: dict[str, str] = REFERENCE["variants"][name]
    networks = VARIANTS[name].networks
    assert set(networks) == set(components)
    found: dict[Stage, Shapes] = {stage: {} for stage in STAGES}
    for folder, config in components.items():
        shapes = shapes_of(config)
        assert networks[folder].parameters == sum(torch.Size(shape).numel() for shape in shapes.values()), folder
        found[stage_of_folder(folder)] |= {f"{folder}:{key}": shape for key, shape in shapes.items()}
    assert networks["vae"].kind == kind_of(components["vae"]).__name__
    assert all(networks[folder].kind in ("", kind_of(config).__name__) for folder, config in components.items())
    assert published(networks) == of_shapes(found)
