"""Frames that come while later ones are still decoded: those of diffusers' decoder as a whole, and the same files."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from praxino.engine.early import EarlyFile
from praxino.engine.machine import Machine
from praxino.engine.output import save_clips
from praxino.engine.resolve import resolve
from praxino.engine.run import draw
from praxino.families import DecodesInChunks, families
from praxino.families._hunyuan import latents as hunyuan
from praxino.families._pixels import to_uint8
from praxino.families.cogvideox import latents as cogvideox
from praxino.families.mochi import latents as mochi
from praxino.request import Request

WISHES: dict[str, dict[str, Any]] = {
    "cogvideox": {"frames": 17, "size": "32x32"},
    "hunyuan-video": {"frames": 69, "size": "64x64"},
    "mochi": {"frames": 19, "size": "32x32"},
}
"""Of each family whose decoder is taken apart here: a clip that comes in several chunks."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    @cache
    def made(name: str):
        path = tmp_path_factory.mktemp(name)
        families()[name].miniature(path)
        return path

    return made


@pytest.fixture(scope="module")
def vae(folder):
    @cache
    def read(name: str) -> Any:
        family = families()[name]
        return family.load(folder(name), family.identify(folder(name)), "float32", "cpu").vae

    return read


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize(("num_latents", "sizes"), [(1, [1]), (3, [9]), (5, [9, 8]), (8, [8, 8, 8, 8])])
@torch.no_grad()
def test_cogvideox_comes_in_groups(vae, num_latents, sizes, tiled) -> None:
    network = vae("cogvideox")
    z = drawn(1, num_latents, network.config.latent_channels, 4, 4)
    network.use_tiling = tiled
    try:
        chunks = list(cogvideox.decode_chunks(network, z))
        wanted = network.decode((z / network.config.scaling_factor).transpose(1, 2)).sample[0]
    finally:
        network.use_tiling = False
    assert [len(chunk) for chunk in chunks] == ([sum(sizes)] if tiled else sizes)
    assert np.array_equal(np.concatenate(chunks), to_uint8(wanted))


@pytest.mark.parametrize("tile_px", [256, 16])
@pytest.mark.parametrize(("num_latents", "sizes"), [(16, [61]), (17, [49, 16]), (25, [49, 48]), (26, [49, 48, 4])])
@torch.no_grad()
def test_hunyuan_comes_in_tiles(vae, num_latents, sizes, tile_px) -> None:
    network = vae("hunyuan-video")
    z = drawn(1, network.config.latent_channels, num_latents, 2, 3)
    network.enable_tiling(tile_px, tile_px, tile_sample_stride_height=tile_px // 2)
    try:
        chunks = list(hunyuan.decode_chunks(network, z))
        wanted = network.decode(z / network.config.scaling_factor).sample[0]
    finally:
        hunyuan.tile(network)
    assert [chunk.shape[1] for chunk in chunks] == sizes
    assert torch.equal(torch.cat(chunks, 1), wanted)


@pytest.mark.parametrize("tiled", [False, True])
@pytest.mark.parametrize(("num_latents", "sizes"), [(1, [1]), (2, [7]), (5, [7, 12, 6])])
@torch.no_grad()
def test_mochi_goes_on_from_what_it_has_decoded(vae, num_latents, sizes, tiled) -> None:
    network = vae("mochi")
    z = drawn(1, 12, num_latents, 4, 4)
    if tiled:
        network.enable_tiling(16, 16, 16, 16)
    network.use_framewise_decoding = False
    try:
        mean, deviation = (
            torch.tensor(values).view(1, -1, 1, 1, 1)
            for values in (network.config.latents_mean, network.config.latents_std)
        )
        wanted = network.decode(z * deviation / network.config.scaling_factor + mean).sample[0]
        network.use_framewise_decoding = True
        chunks = list(mochi.decode_chunks(network, z, torch.float32))
    finally:
        network.use_tiling, network.use_framewise_decoding = False, True
    assert [len(chunk) for chunk in chunks] == ([sum(sizes)] if tiled else sizes)
    off = np.abs(np.concatenate(chunks).astype(int) - to_uint8(wanted))
    assert off.max() <= 1 and (off > 0).mean() < 1e-3


@pytest.mark.parametrize("name", WISHES)
def test_a_file_that_grows_is_the_file_that_is_written_at_once(folder, tmp_path, name) -> None:
    family = families()[name]
    assert isinstance(family, DecodesInChunks)
    request = Request("a red cat", model=str(folder(name)), steps=1, seed=5, format="mp4", **WISHES[name])
    recipe = resolve(request, machine=Machine("cpu")).recipe
    path, puts = tmp_path / "early.mp4", []

    class Noted(EarlyFile):
        def begin(self, recipe: Any) -> Any:
            put = super().begin(recipe)
            assert put is not None
            return lambda frames: (puts.append(len(frames)), put(frames))

    with Noted(path, True) as early:
        early.save(draw(recipe, lambda event: None, early=early), recipe)
    assert len(puts) > 1 and sum(puts) == recipe.num_frames
    (whole,) = save_clips(draw(recipe, lambda event: None), recipe, tmp_path / "whole.mp4")
    assert path.read_bytes() == whole.read_bytes()
