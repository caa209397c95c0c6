"""What networks compute with follows from the shape."""

import dataclasses

import pytest

from praxino.accel.working import DENOISERS, FRAME_BYTES, decoding_bytes, denoising_bytes
from praxino.families import Grid, Shape, Variant
from praxino.recipe import GuidancePhase

VARIANT = Variant(
    name="x", title="X", source="a/b", licence="MIT", tasks=("text-to-video",), grid=Grid(16, 64, 1024, 4, 97),
    width=64, height=64, num_frames=9, fps=8, steps=4, guidance_phases=(GuidancePhase(1.0, 3.0),), max_text_tokens=100,
)  # fmt: skip
SHAPE = Shape(1024, 512, 9, 8)
TOKENS = (1024 // 16) * (512 // 16) * 3 + 100


def denoising(kind="", variant=VARIANT, shape=SHAPE, *, is_unet=False):
    return denoising_bytes(kind, 32, is_unet, variant, shape, 2)


def test_a_class_that_is_not_known_holds_as_much_as_the_greediest_in_two_passes():
    assert denoising() == 2 * TOKENS * 32 * 32 * 2
    held = [found.alive * found.batch for found in DENOISERS.values() if found.batch < 3]
    assert max(held) <= 2 * 32, "three passes are of STG, which has to be asked for"


def test_a_known_class_holds_what_was_counted():
    assert denoising("HunyuanVideoTransformer3DModel") == TOKENS * 32 * 19 * 2
    assert denoising("AllegroTransformer3DModel") == 2 * TOKENS * 32 * 12.5 * 2


def test_without_guidance_there_is_one_pass():
    plain = dataclasses.replace(VARIANT, guidance_phases=(GuidancePhase(1.0, 1.0),))
    assert denoising("AllegroTransformer3DModel", plain) == TOKENS * 32 * 12.5 * 2
    stg = dataclasses.replace(VARIANT, guidance_phases=(GuidancePhase(1.0, 1.0, stg_scale=1.0),))
    assert denoising("LTXVideoTransformer3DModel", stg) == 3 * TOKENS * 32 * 30 * 2


def test_tokens_may_be_smaller_than_the_grid_of_sizes():
    wide = dataclasses.replace(VARIANT, grid=dataclasses.replace(VARIANT.grid, size_multiple=32))
    assert denoising("HunyuanVideoTransformer3DModel", wide) == denoising("HunyuanVideoTransformer3DModel")


def test_a_unet_sees_latents():
    assert denoising(is_unet=True) == 2 * ((1024 // 8) * (512 // 8) * 3 + 100) * 32 * 32 * 2


def test_the_grid_of_lengths_is_not_always_that_of_tokens():
    """CogVideoX's first image-to-video draws 49 frames and no others; FramePack, sections of a clip of any length."""
    fixed = dataclasses.replace(VARIANT, grid=dataclasses.replace(VARIANT.grid, frame_step=48))
    cells = (1024 // 16) * (512 // 16)
    tokens = denoising("CogVideoXTransformer3DModel", fixed, Shape(1024, 512, 49, 8)) / (2 * 32 * 13.5 * 2)
    assert tokens == 13 * cells + 100
    packed = [
        denoising("HunyuanVideoFramepackTransformer3DModel", shape=Shape(1024, 512, frames, 8))
        for frames in (145, 1801)
    ]
    assert packed == [(12 * cells + 100) * 32 * 19 * 2] * 2


@pytest.mark.parametrize(
    ("kind", "together", "alive"), [("", 9, 6), ("AutoencoderKLCogVideoX", 8, 22.5), ("AutoencoderKLWan", 4, 21)]
)
def test_decoding(kind, together, alive):
    frames = 9 * 1024 * 512 * FRAME_BYTES
    assert decoding_bytes(kind, 8, 2, SHAPE, 2) == together * 1024 * 512 // 4 * 8 * alive * 2 + frames
    assert decoding_bytes(kind, 8, 2, SHAPE, 2, tiled=True) == together * 512 * 512 // 4 * 8 * alive * 2 + frames


def test_a_vae_that_always_decodes_in_tiles_needs_no_more_for_a_larger_picture():
    for shape in (SHAPE, Shape(2048, 1024, 9, 8)):
        tile = decoding_bytes("AutoencoderKLHunyuanVideo", 128, 1, shape, 2)
        tile -= 9 * shape.width * shape.height * FRAME_BYTES
        assert tile == 9 * 256 * 256 * 128 * 9.5 * 2
