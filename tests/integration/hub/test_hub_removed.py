"""Verifying and removing what was pulled."""

import json

import pytest
from huggingface_hub import scan_cache_dir, snapshot_download

from praxino.weights import catalog, hub_cache, pull
from praxino.weights.hub import Hub
from praxino.weights.removal import remove
from praxino.weights.verify import verify

FILE = "ltx-video-2b-v0.9.5.safetensors"
OTHER = "ltx-video-2b-v0.9.safetensors"
REPOSITORY = "Lightricks/LTX-Video"


def fetch(name, revision=None):
    return pull.fetch(pull.plan(name, Hub(), revision))


def bytes_in(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def test_all_is_well(lightricks, praxino):
    fetch("ltx-video-0.9.5")
    code, out, err = praxino("models", "verify", "ltx-video-0.9.5")
    assert (code, out, err) == (0, "", "ltx-video-0.9.5 is as it must be: 5 files, 15 kB read\n")
    code, out, _ = praxino("models", "verify", "ltx-video-0.9.5", "--json")
    *_, last = map(json.loads, out.splitlines())
    assert (code, last["well"], last["checked"]) == (0, True, 5)


@pytest.mark.parametrize("name", [FILE, "tokenizer/spiece.model", "text_encoder/config.json"])
def test_a_changed_byte_is_found(lightricks, praxino, name):
    blob = (fetch("ltx-video-0.9.5").parent / name).resolve()
    blob.write_bytes(bytes([blob.read_bytes()[0] ^ 1]) + blob.read_bytes()[1:])
    code, out, err = praxino("models", "verify", "ltx-video-0.9.5")
    assert (code, out) == (1, "")
    assert f"ltx-video-0.9.5 is not as it was: {name} is damaged." in err
    assert "praxino models remove ltx-video-0.9.5" in err


@pytest.mark.parametrize("what", ["link", "blob"])
def test_a_file_that_is_gone_is_found_and_can_be_had_again(lightricks, praxino, what):
    path = fetch("ltx-video-0.9.5").parent / "tokenizer" / "spiece.model"
    (path if what == "link" else path.resolve()).unlink()
    finding = verify("ltx-video-0.9.5")
    assert not finding.well
    assert any("tokenizer" in name for name in finding.missing)
    assert catalog.find("ltx-video-0.9.5").path is None
    assert "praxino models pull ltx-video-0.9.5" in praxino("models", "verify", "ltx-video-0.9.5")[2]
    fetch("ltx-video-0.9.5")
    assert verify("ltx-video-0.9.5").well


def test_what_another_one_needs_stays(lightricks, praxino):
    first, second = fetch("ltx-video-0.9.5"), fetch("ltx-video-0.9")
    before = bytes_in(hub_cache.root())
    freed = remove("ltx-video-0.9.5", dry_run=True)
    assert (bytes_in(hub_cache.root()), freed.num_bytes) == (before, len(lightricks.files[FILE]))
    code, out, err = praxino("models", "remove", "ltx-video-0.9.5")
    assert (code, out, err) == (0, f"{first}\n", "freed 8 kB\n")
    assert before - bytes_in(hub_cache.root()) == len(lightricks.files[FILE])
    assert catalog.find("ltx-video-0.9.5").path is None
    assert catalog.find("ltx-video-0.9").path == second
    assert verify("ltx-video-0.9").well
    assert scan_cache_dir(hub_cache.root()).warnings == []


def test_with_the_last_one_everything_goes(lightricks):
    fetch("ltx-video-0.9.5")
    fetch("ltx-video-0.9")
    remove("ltx-video-0.9.5")
    remove("ltx-video-0.9")
    assert not hub_cache.repository(REPOSITORY).exists()


def test_another_revision_stays(lightricks):
    fetch("ltx-video-0.9.5")
    lightricks.files[FILE] += b"more"
    path = fetch("ltx-video-0.9.5", "v2")
    freed = remove("ltx-video-0.9.5")
    assert freed.num_bytes == len(lightricks.files[FILE]) - 4
    assert catalog.locate(f"{REPOSITORY}/{FILE}@v2") == path
    assert path.read_bytes() == lightricks.files[FILE]


def test_a_whole_repository(hub, lightricks, praxino):
    snapshot_download(REPOSITORY, cache_dir=hub_cache.root(), endpoint=hub.url)
    held = bytes_in(hub_cache.repository(REPOSITORY) / "blobs")
    assert remove(REPOSITORY).num_bytes == held
    assert not hub_cache.repository(REPOSITORY).exists()


def test_a_pull_that_never_ended(lightricks):
    planned = pull.plan("ltx-video-0.9.5", Hub())
    planned.transfer.bring([file for file in planned.files if file.path == FILE], lambda _: None)
    assert remove("ltx-video-0.9.5").num_bytes == len(lightricks.files[FILE])
    assert not hub_cache.repository(REPOSITORY).exists()


def test_a_damaged_cache_is_told(lightricks, praxino):
    path = fetch("ltx-video-0.9.5")
    path.resolve().unlink()
    code, _, err = praxino("models", "remove", "ltx-video-0.9.5")
    assert (code, "is damaged" in err) == (1, True)
