"""What published files weigh, against the totals in their repositories' indexes."""

import dataclasses

import pytest

from praxino.families import Network, families
from praxino.weights.download import BYTES, download_bytes

PUBLISHED = {name: variant for family in families().values() for name, variant in family.variants.items()}
INDEXES = {
    "wan2.1-t2v-1.3b": {"transformer": 5_675_987_200, "text_encoder": 22_723_641_344},
    "wan2.2-t2v-a14b": {"transformer": 57_153_966_336, "text_encoder": 11_361_820_672},
    "mochi-1-preview": {"transformer": 40_110_710_976, "text_encoder": 19_049_242_624},
    "qwen-image-2.1": {"transformer": 14_230_284_408, "text_encoder": 17_534_339_488, "vae": 1_350_989_512},
    "flux-schnell": {"transformer": 23_782_357_120, "text_encoder_2": 9_524_621_312},
}
"""`total_size` of *.safetensors.index.json on the Hub, or the files' own sizes."""
STATED_GB = {
    "cogvideox-fun-2b-pose": (13.0, 2**30), "cogvideox-fun-5b-pose": (20.0, 2**30), "easyanimate-5.1": (39, 2**30),
    "hunyuan-video-1.5-480p": (52, 1e9), "wan2.2-ti2v-5b": (23, 1e9),
}  # fmt: skip
"""What model cards and users say of the whole download, and the unit that they count in."""


@pytest.mark.parametrize("name", INDEXES)
def test_files_weigh_what_their_index_says(name):
    variant = PUBLISHED[name]
    for folder, total in INDEXES[name].items():
        each = BYTES[variant.file_formats.get(folder, variant.dtype)]
        # a shared tensor, or one of a few numbers, may be counted once or twice, or kept in full precision
        assert variant.networks[folder].parameters * each == pytest.approx(total, rel=1e-4), folder


@pytest.mark.parametrize("name", STATED_GB)
def test_a_download_is_about_what_is_said_of_it(name):
    stated, unit = STATED_GB[name]
    assert download_bytes(PUBLISHED[name]) == pytest.approx(stated * unit, rel=0.05)


def test_every_published_checkpoint_has_a_size():
    without = {name for name, variant in PUBLISHED.items() if variant.source and not download_bytes(variant)}
    assert without == {"sd-x2-latent-upscaler"}, "whose config could not be had"


def test_formats_are_known_ones():
    for name, variant in PUBLISHED.items():
        assert set(variant.file_formats.values()) <= {*BYTES, ""}, name


def test_each_network_counts_in_its_own_format():
    networks = {"unet": Network(100), "vae": Network(10), "text_encoder": Network(1000)}
    variant = dataclasses.replace(
        PUBLISHED["flux-dev"], dtype="float16", networks=networks, file_formats={"vae": "float32", "text_encoder": ""}
    )
    assert download_bytes(variant) == 100 * 2 + 10 * 4


def test_nothing_is_said_of_what_ships_in_the_package_or_was_not_counted():
    assert download_bytes(PUBLISHED["pocket"]) is None
    assert download_bytes(dataclasses.replace(PUBLISHED["flux-dev"], networks={})) is None
