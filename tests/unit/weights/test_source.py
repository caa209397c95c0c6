import pytest
from huggingface_hub.utils import HFValidationError, validate_repo_id
from hypothesis import example, given
from hypothesis import strategies as st

from praxino.families import families
from praxino.weights.source import Source


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("owner/name", Source("owner/name")),
        ("owner/name/", Source("owner/name")),
        ("owner/name@v1.5", Source("owner/name", "", "v1.5")),
        ("owner/name@refs/pr/3", Source("owner/name", "", "refs/pr/3")),
        ("black-forest-labs/FLUX.1-dev/ae.safetensors", Source("black-forest-labs/FLUX.1-dev", "ae.safetensors")),
        ("owner/name/unet/x y.safetensors@main", Source("owner/name", "unet/x y.safetensors")),
        ("name", None),
        ("/owner/name", None),
        ("./owner/name", None),
        ("~/owner/name", None),
        ("owner/name/../../etc", None),
        ("owner//name", None),
        ("owner/na--me", None),
        ("C:\\models\\x", None),
        ("", None),
    ],
)
def test_what_is_written(text, source):
    assert Source.parse(text) == source


@given(st.text("ab0-_./", max_size=12))
@example("a/b.")
@example("a/-b")
def test_a_repository_is_what_the_hub_takes_for_one(text):
    source = Source.parse(text)
    if source is not None:
        validate_repo_id(source.repo)
    elif text.count("/") == 1 and text.strip("/") == text:
        with pytest.raises(HFValidationError):
            validate_repo_id(text)


@given(st.from_regex(r"[a-z]{1,9}/[a-z]{1,9}(/[a-z.]{1,9})?(@[a-z0-9]{1,9})?", fullmatch=True))
def test_it_is_written_as_it_is_read(text):
    source = Source.parse(text)
    assert source is None or Source.parse(str(source)) == source


def test_every_published_checkpoint_has_one_or_ships():
    for family in families().values():
        for variant in family.variants.values():
            assert (Source.of(variant) is None) == (not variant.source), variant.name
