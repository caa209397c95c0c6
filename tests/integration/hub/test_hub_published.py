"""Published checkpoints are pulled from repositories that hold what theirs do: the files of their miniatures."""

import pytest

from praxino.families import families
from praxino.weights import catalog
from praxino.weights.source import Source

BY_FAMILY = {variant.name: family for family in families().values() for variant in family.variants.values()}
PATTERNED = {
    name: variant
    for name, family in BY_FAMILY.items()
    if (variant := family.variants[name]).files and any(pattern.endswith("/*") for pattern in variant.files)
}
PULLED = (
    "wan2.1-t2v-1.3b", "wan2.1-i2v-14b-480p", "wan2.2-t2v-a14b", "wan2.2-ti2v-5b", "wan2.1-vace-1.3b",
    "wan2.2-animate-14b", "flux-schnell", "hunyuan-video-i2v", "hunyuan-video-1.5-480p-i2v", "ltx-2",
)  # fmt: skip


@pytest.mark.parametrize("name", PULLED)
def test_a_published_checkpoint_can_be_pulled_and_knows_where_it_lies(hub, praxino, tmp_path, name):
    family, folder = BY_FAMILY[name], tmp_path / "miniature"
    variant = family.variants[name]
    family.miniature(folder, name)
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "praxino.json"]
    source = Source.of(variant)
    hub.add(source.repo, {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths})
    code, _, err = praxino("models", "pull", name)
    assert code == 0, err
    entry = catalog.find(name)
    assert (entry.kept, entry.variant.name) == ("pulled", name)
    assert str(entry.path) in (entry.variant.options.get("home"), entry.variant.options.get("folder"))
    assert {**entry.variant.options, "home": "", "folder": ""} == {**variant.options, "home": "", "folder": ""}


@pytest.mark.parametrize("name", PATTERNED)
def test_patterns_ask_for_no_network_that_a_checkpoint_has_not(name):
    """A pattern that no file matches is a pull that is refused."""
    variant = PATTERNED[name]
    others = {"tokenizer", "tokenizer_2", "scheduler", "feature_extractor"}
    asked = {pattern.partition("/")[0] for pattern in variant.files if "/" in pattern}
    assert asked <= {*variant.networks, *others}
    if not Source.of(variant).inside:
        assert {folder for folder in variant.networks if variant.file_formats.get(folder) != ""} <= asked
