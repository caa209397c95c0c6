from pathlib import Path

import pytest

from praxino.errors import UserError
from praxino.families import families
from praxino.weights import catalog, records
from praxino.weights.fingerprint import fingerprint


def test_known_models_have_a_family_and_data():
    entries = catalog.entries()
    assert len({entry.name for entry in entries}) == len(entries)
    assert all(entry.variant.licence for entry in entries)


def test_an_unknown_name_is_answered_with_the_nearest():
    name = catalog.entries()[0].name
    with pytest.raises(UserError, match=f"did you mean .*{name}"):
        catalog.find(name[:-1] + "q")


def test_a_folder_without_a_checkpoint_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no checkpoint"):
        catalog.find(str(tmp_path))


@pytest.mark.parametrize("ask", [catalog.find, catalog.locate, catalog.locate_file])
def test_a_pickle_is_refused_with_how_to_make_a_safe_copy(ask, tmp_path):
    file = tmp_path / "dream.ckpt"
    file.write_bytes(b"PK")
    with pytest.raises(UserError, match=r"is a pickle.*\n.*praxino models import .*dream.ckpt .*--allow-pickle"):
        ask(str(file))


def test_a_folder_of_pickles_is_refused_before_it_is_loaded(tmp_path):
    families()["sdxl"].miniature(tmp_path / "m")
    weights = tmp_path / "m" / "text_encoder" / "model.safetensors"
    catalog.find(str(tmp_path / "m"))
    weights.rename(weights.with_name("pytorch_model.bin"))
    with pytest.raises(UserError, match=r"pytorch_model.bin is a pickle.*\n.*import .*m --name NAME --allow-pickle"):
        catalog.find(str(tmp_path / "m"))


def test_a_name_that_is_no_path_at_all():
    with pytest.raises(UserError, match="no model"):
        catalog.find("x" * 5000)


def test_a_missing_model_says_where_to_get_it():
    for family in families().values():
        for variant in family.variants.values():
            if variant.source:
                with pytest.raises(UserError, match="is not on this machine"):
                    catalog.Entry(variant.name, family, variant, None).require_path()


def test_a_familys_name_stands_for_a_published_checkpoint_of_it(monkeypatch):
    first, second, *_ = families()["sdxl"].variants
    assert catalog.find("sdxl").name == first
    assert catalog.find("ltx-video").name == "ltx-video-0.9.8-2b-distilled", "neither the bundled nor the oldest one"
    monkeypatch.setattr(catalog, "_pulled", lambda variant: Path("somewhere") if variant.name == second else None)
    assert catalog.find("sdxl").name == second


def test_fingerprint_sees_every_weighed_file(tmp_path):
    (tmp_path / "a.json").write_text("1")
    (tmp_path / "README.md").write_text("1")
    before = fingerprint(tmp_path)
    (tmp_path / "README.md").write_text("2")
    assert fingerprint(tmp_path) == before
    (tmp_path / "a.json").write_text("2")
    assert fingerprint(tmp_path) != before
    (tmp_path / "a.json").rename(tmp_path / "b.json")
    assert fingerprint(tmp_path) != before


def test_fingerprint_of_a_large_file_sees_its_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("praxino.weights.fingerprint.WHOLE_BYTES", 10)
    monkeypatch.setattr("praxino.weights.fingerprint._PIECE_BYTES", 4)
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"a" * 400)
    before = fingerprint(file)
    file.write_bytes(b"a" * 399 + b"b")
    assert fingerprint(file) != before
    file.write_bytes(b"b" + b"a" * 399)
    assert fingerprint(file) != before


def test_only_the_folder_of_a_name_is_looked_at(monkeypatch):
    looked = []
    seen = catalog.identify
    monkeypatch.setattr(catalog, "identify", lambda path, name="": looked.append(path.name) or seen(path, name))
    other = records.models_folder() / "other"
    other.mkdir(parents=True)
    assert catalog.find("pocket").name == "pocket"
    assert looked == ["pocket"]
    assert "other" not in {entry.name for entry in catalog.entries()}
    assert "other" in looked
