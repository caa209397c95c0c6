"""A pull on a machine without the network, from what another tool or machine had fetched."""

import shutil

import pytest
from huggingface_hub import hf_hub_download, snapshot_download

from praxino.errors import ModelError, UserError
from praxino.weights import catalog, hub_cache, pull
from praxino.weights.carried import Carried
from praxino.weights.verify import verify

FILE = "ltx-video-2b-v0.9.5.safetensors"


@pytest.fixture
def carried(hub, lightricks, tmp_path):
    """A cache that the real client filled elsewhere; the Hub is out of reach from then on."""
    cache = tmp_path / "stick" / "hub"
    snapshot_download("Lightricks/LTX-Video", cache_dir=cache, endpoint=hub.url)
    snapshot_download("Lightricks/LTX-Video", local_dir=tmp_path / "plain", endpoint=hub.url)
    hub.requests.clear()
    return cache


@pytest.mark.parametrize("where", ["stick/hub", "stick", "stick/hub/models--Lightricks--LTX-Video"])
def test_from_a_cache(hub, lightricks, carried, tmp_path, praxino, where):
    code, out, _ = praxino("models", "pull", "ltx-video-0.9.5", "--from", str(tmp_path / where), "-q")
    path = catalog.find("ltx-video-0.9.5").path
    assert (code, out) == (0, f"{path}\n")
    assert path.read_bytes() == lightricks.files[FILE]
    assert path.is_relative_to(hub_cache.root())
    assert verify("ltx-video-0.9.5").well
    assert hf_hub_download("Lightricks/LTX-Video", FILE, cache_dir=hub_cache.root(), local_files_only=True) == str(path)
    assert hub.requests == []


def test_from_a_folder_that_was_downloaded(hub, lightricks, carried, tmp_path):
    planned = pull.plan("ltx-video-0.9.5", Carried(tmp_path / "plain"))
    assert pull.fetch(planned).read_bytes() == lightricks.files[FILE]
    assert verify("ltx-video-0.9.5").well
    assert hub.requests == []


def test_a_part_is_gone_on_from(lightricks, carried):
    planned = pull.plan("ltx-video-0.9.5", Carried(carried))
    (file,) = [file for file in planned.files if file.path == FILE]
    part = hub_cache.repository("Lightricks/LTX-Video") / "blobs" / f"{file.hash}.incomplete"
    part.parent.mkdir(parents=True)
    part.write_bytes(lightricks.files[FILE][:5000])
    counted = []
    pull.fetch(planned, counted.append)
    assert sum(counted) == planned.total_bytes - 5000
    assert verify("ltx-video-0.9.5").well


def test_what_was_damaged_on_the_way_is_caught(carried):
    (blob,) = [path for path in carried.rglob(FILE)]
    data = blob.read_bytes()
    blob.resolve().write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(ModelError, match="wrong hash"):
        pull.fetch(pull.plan("ltx-video-0.9.5", Carried(carried)))
    assert catalog.find("ltx-video-0.9.5").path is None


def test_a_cache_that_lost_its_links_is_told_apart(carried, tmp_path):
    shutil.copytree(carried, tmp_path / "flat")
    with pytest.raises(UserError, match="tar, rsync -a, cp -a"):
        pull.plan("ltx-video-0.9.5", Carried(tmp_path / "flat"))


def test_another_revision_was_carried(carried):
    with pytest.raises(UserError, match="but not its revision 'v2'"):
        pull.plan("ltx-video-0.9.5", Carried(carried), "v2")


def test_plain_files_are_imported_instead(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(UserError, match=r"praxino models import .* --name NAME"):
        pull.plan("ltx-video-0.9.5", Carried(tmp_path))
