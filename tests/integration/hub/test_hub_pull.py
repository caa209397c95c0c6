"""Pulling with the real client from a server that speaks its protocol; the cache is read back by that client too."""

import dataclasses
import hashlib
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import constants, hf_hub_download, scan_cache_dir, snapshot_download
from safetensors.numpy import save

from praxino.errors import ModelError
from praxino.weights import catalog, hub_cache, pull
from praxino.weights.fingerprint import fingerprint
from praxino.weights.hub import Hub
from praxino.weights.source import Source
from praxino.weights.verify import verify

FILE = "ltx-video-2b-v0.9.5.safetensors"
TEXT = {"text_encoder/config.json", "text_encoder/model.safetensors", "tokenizer/spiece.model"}
TOKEN = "hf_good"


def fetch(name, revision=None):
    counted = []
    planned = pull.plan(name, Hub(), revision)
    path = pull.fetch(planned, counted.append)
    return path, planned, sum(counted)


def names_in(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def blobs(repo):
    return sorted(path.name for path in (hub_cache.repository(repo) / "blobs").glob("*"))


def test_a_published_checkpoint_comes_with_what_it_needs_and_no_more(hub, lightricks):
    path, planned, num_bytes = fetch("ltx-video-0.9.5")
    assert path.read_bytes() == lightricks.files[FILE]
    assert names_in(path.parent) == {FILE, "LICENSE.md", *TEXT}
    assert num_bytes == planned.total_bytes == sum(len(lightricks.files[name]) for name in names_in(path.parent))
    entry = catalog.find("ltx-video-0.9.5")
    assert (entry.path, entry.kept, entry.variant.name) == (path, "pulled", "ltx-video-0.9.5")
    assert catalog.find("ltx-video-0.9").path is None


def test_the_real_client_finds_what_was_pulled(hub, lightricks):
    path, _, _ = fetch("ltx-video-0.9.5")
    found = hf_hub_download("Lightricks/LTX-Video", FILE, cache_dir=hub_cache.root(), local_files_only=True)
    assert found == str(path)
    scanned = scan_cache_dir(hub_cache.root())
    (repository,) = scanned.repos
    assert (scanned.warnings, scanned.incomplete_files) == ([], frozenset())
    assert (repository.repo_id, list(repository.refs)) == ("Lightricks/LTX-Video", ["main"])
    assert all(file.blob_path.parent.name == "blobs" for file in repository.refs["main"].files)


def test_what_the_real_client_fetched_is_found(hub, lightricks):
    folder = snapshot_download("Lightricks/LTX-Video", cache_dir=hub_cache.root(), endpoint=hub.url)
    assert catalog.find("ltx-video-0.9.5").path == Path(folder, FILE)
    assert catalog.find("Lightricks/LTX-Video").path == Path(folder)
    assert catalog.find("Lightricks/LTX-Video").variant.name == "ltx-video-0.9"
    hub.requests.clear()
    assert fetch("ltx-video-0.9.5")[2] == 0
    assert hub.fetched() == []


def test_what_other_tools_add_does_not_make_it_another_model(hub, lightricks):
    lightricks.files["vae/diffusion_pytorch_model.fp16.safetensors"] = b"x" * 2000
    path, _, _ = fetch("Lightricks/LTX-Video")
    before = fingerprint(path)
    for name in (FILE, "vae/diffusion_pytorch_model.fp16.safetensors"):
        hf_hub_download("Lightricks/LTX-Video", name, cache_dir=hub_cache.root(), endpoint=hub.url)
    assert fingerprint(path) == before
    (path / "vae" / "diffusion_pytorch_model.safetensors").resolve().write_bytes(b"changed")
    assert fingerprint(path) != before


def test_a_model_named_by_its_place_in_the_cache(hub, lightricks, praxino):
    path, _, _ = fetch("Lightricks/LTX-Video")
    told = json.loads(praxino("models", "show", str(path), "--json")[1])
    assert (told["here"], told["path"]) == ("at a path", str(path))


def test_a_whole_repository_without_its_copies_and_programs(hub, lightricks):
    lightricks.files["transformer/diffusion_pytorch_model.fp16.safetensors"] = b"x" * 2000
    lightricks.files["transformer/diffusion_pytorch_model.bin"] = b"x" * 2000
    path, planned, _ = fetch("Lightricks/LTX-Video")
    wanted = set(lightricks.files) - {"README.md", "convert.py", FILE, "ltx-video-2b-v0.9.safetensors"}
    assert names_in(path) == {name for name in wanted if ".fp16." not in name and not name.endswith(".bin")}
    assert (planned.name, catalog.find("Lightricks/LTX-Video").path) == ("Lightricks/LTX-Video", path)


@pytest.mark.parametrize("inside", ["lora/sketch.safetensors", "lora"])
def test_a_file_or_folder_of_a_repository_is_a_companion(hub, lightricks, inside):
    lightricks.files["lora/sketch.safetensors"] = save({"weight": np.zeros(3000, np.uint8)})
    name = f"Lightricks/LTX-Video/{inside}"
    path, _, _ = fetch(name)
    assert catalog.locate(name) == path
    assert catalog.locate_file(name).name == "sketch.safetensors"
    assert names_in(hub_cache.snapshot(Source.parse(name))) == {"lora/sketch.safetensors", "LICENSE.md"}


def test_a_checkpoint_named_by_its_file_comes_with_what_it_needs(hub, lightricks):
    path, _, _ = fetch(f"Lightricks/LTX-Video/{FILE}")
    assert catalog.find("ltx-video-0.9.5").path == path


def test_another_revision_has_a_name_of_its_own(hub, lightricks, praxino):
    code, out, _ = praxino("models", "pull", "ltx-video-0.9.5", "--revision", "v2", "--json")
    *_, last = map(json.loads, out.splitlines())
    assert (code, last["name"]) == (0, f"Lightricks/LTX-Video/{FILE}@v2")
    assert catalog.find("ltx-video-0.9.5").path is None
    assert catalog.locate(last["name"]) == Path(last["path"])
    assert Path(last["path"]).parent.name == "c" * 40
    code, _, err = praxino("models", "show", "Lightricks/LTX-Video")
    assert (code, "here: v2" in err) == (2, True)


def test_a_commit_can_be_named(hub, lightricks):
    path, planned, _ = fetch("ltx-video-0.9.5", "c" * 40)
    assert path.parent.name == "c" * 40
    assert catalog.locate(planned.name) == path


def test_a_revision_that_moves_on_is_followed(hub, lightricks):
    old, _, _ = fetch("ltx-video-0.9.5")
    lightricks.files[FILE] += b"more"
    lightricks.revisions["main"] = "d" * 40
    assert catalog.find("ltx-video-0.9.5").path == old
    new, _, num_bytes = fetch("ltx-video-0.9.5")
    assert num_bytes == len(lightricks.files[FILE])
    assert catalog.find("ltx-video-0.9.5").path == new != old
    assert old.read_bytes() + b"more" == new.read_bytes()


def test_a_dropped_connection_is_taken_up_again(hub, large):
    hub.drop_after = 12 * 2**20
    path, planned, num_bytes = fetch("someone/large")
    assert (path / "model.safetensors").read_bytes() == large.files["model.safetensors"]
    assert num_bytes == planned.total_bytes
    assert [wanted for _, path, wanted, _ in hub.requests if "/cdn/" in path] == ["", f"bytes={10 * 2**20}-"]


@pytest.mark.parametrize("ignores_ranges", [False, True])
def test_a_part_that_was_left_is_gone_on_from(hub, large, ignores_ranges):
    data = large.files["model.safetensors"]
    part = hub_cache.repository("someone/large") / "blobs" / f"{hashlib.sha256(data).hexdigest()}.incomplete"
    part.parent.mkdir(parents=True)
    part.write_bytes(data[:3000])
    hub.ignores_ranges = ignores_ranges
    planned = pull.plan("someone/large", Hub())
    missing_bytes = planned.missing_bytes
    assert missing_bytes == len(data) - 3000 + 2
    path, _, num_bytes = fetch("someone/large")
    assert (path / "model.safetensors").read_bytes() == data
    assert num_bytes == missing_bytes
    assert ("GET", "/cdn/someone/large/model.safetensors", "bytes=3000-", "") in hub.requests
    assert len(blobs("someone/large")) == 2


def test_a_part_of_other_bytes_is_caught(hub, large):
    data = large.files["model.safetensors"]
    part = hub_cache.repository("someone/large") / "blobs" / f"{hashlib.sha256(data).hexdigest()}.incomplete"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 3000)
    with pytest.raises(ModelError, match="wrong hash"):
        fetch("someone/large")
    assert (fetch("someone/large")[0] / "model.safetensors").read_bytes() == data


def test_a_wrong_hash_is_caught_and_nothing_is_kept(hub, lightricks, praxino):
    hub.corrupt = True
    code, out, err = praxino("models", "pull", "ltx-video-0.9.5")
    assert (code, out) == (1, "")
    assert "came with a wrong hash" in err
    assert catalog.find("ltx-video-0.9.5").path is None
    assert [name for name in blobs("Lightricks/LTX-Video") if not name.endswith(".incomplete")] == []


def test_a_blob_that_was_cut_short_is_fetched_again(hub, lightricks):
    path, _, _ = fetch("ltx-video-0.9.5")
    path.resolve().write_bytes(b"short")
    assert fetch("ltx-video-0.9.5")[2] == len(lightricks.files[FILE])
    assert verify("ltx-video-0.9.5").well


def test_two_at_once_fetch_every_file_once(hub, lightricks):
    problems = []

    def work():
        try:
            fetch("ltx-video-0.9.5")
        except Exception as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(hub.fetched()) == len(set(hub.fetched()))
    assert verify("ltx-video-0.9.5").well


@pytest.mark.parametrize("logged_in", [False, True])
def test_the_token_goes_to_the_hub_and_to_no_other_host(hub, lightricks, monkeypatch, logged_in):
    lightricks.private = True
    if logged_in:
        Path(constants.HF_TOKEN_PATH).parent.mkdir()
        Path(constants.HF_TOKEN_PATH).write_text(TOKEN)
    else:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
    fetch("ltx-video-0.9.5")
    assert {token for _, path, _, token in hub.requests if "/cdn/" not in path} == {TOKEN}
    assert {token for _, path, _, token in hub.requests if "/cdn/" in path} == {""}


def test_a_repository_that_lacks_a_part_is_not_a_model(hub, lightricks, praxino):
    del lightricks.files["vae/diffusion_pytorch_model.safetensors"]
    code, _, err = praxino("models", "pull", "Lightricks/LTX-Video")
    assert (code, "it lacks vae/" in err) == (1, True)
    assert praxino("models", "show", "Lightricks/LTX-Video")[0] == 2


def test_events_for_programs(hub, lightricks, praxino):
    code, out, err = praxino("models", "pull", "ltx-video-0.9.5", "--json")
    planned, *progress, pulled = map(json.loads, out.splitlines())
    assert (code, err) == (0, "")
    assert (planned["event"], planned["revision"], planned["num_files"]) == ("plan", "b" * 40, 5)
    assert "OpenRAIL" in planned["licence"]
    assert {event["event"] for event in progress} == {"progress"}
    assert progress[-1]["bytes"] == progress[-1]["total_bytes"] == planned["total_bytes"] == planned["missing_bytes"]
    assert (pulled["event"], pulled["path"]) == ("pulled", str(catalog.find("ltx-video-0.9.5").path))


def test_what_people_are_told(hub, lightricks, praxino, monkeypatch):
    lightricks.gated = TOKEN
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    code, out, err = praxino("models", "pull", "ltx-video-0.9.5")
    path = catalog.find("ltx-video-0.9.5").path
    assert (code, out) == (0, f"{path}\n")
    assert err.splitlines() == [
        "LTX-Video 2B 0.9.5, revision bbbbbbbbbbbb",
        "licence: OpenRAIL-M (ltx-video-2b-v0.9.5.license.txt); it restricts uses: read it first",
        "gated: accept its licence on the Hub, then set HF_TOKEN or run: hf auth login",
        "5 files, 15 kB",
        f"ltx-video-0.9.5 is here: {path}",
    ]
    assert praxino("models", "pull", "ltx-video-0.9.5", "--quiet") == (0, f"{path}\n", "")


def test_restrictions_and_gates_are_told_before_anything_is_fetched(hub, lightricks, praxino, monkeypatch):
    known = catalog.published()
    strict = dataclasses.replace(known["ltx-video-0.9.5"], restrictions="not for use in the EU", gated=True)
    monkeypatch.setattr(catalog, "published", lambda: known | {strict.name: strict})
    lightricks.gated = "hf_other"
    code, _, err = praxino("models", "pull", strict.name)
    assert code == 2
    lines = err.splitlines()
    assert lines[2:4] == [
        "restrictions: not for use in the EU",
        "gated: accept its licence on the Hub, then set HF_TOKEN or run: hf auth login",
    ]
    assert "is gated: its authors want to know who fetches it" in lines[-2]


def test_the_licence_of_any_repository_is_told(hub, large, praxino):
    large.files = {"config.json": b"{}", "model.safetensors": b"x" * 2000}
    assert "licence: apache-2.0" in praxino("models", "pull", "someone/large")[2]


def test_list_and_show_know_what_is_here(hub, lightricks, praxino):
    path, planned, _ = fetch("ltx-video-0.9.5")
    (listed,) = [
        model for model in json.loads(praxino("models", "list", "--json")[1]) if model["name"] == "ltx-video-0.9.5"
    ]
    assert (listed["here"], listed["installed"], listed["revision"]) == ("pulled", True, "main")
    told = json.loads(praxino("models", "show", "ltx-video-0.9.5", "--json")[1])
    assert (told["path"], told["size_bytes"]) == (str(path), planned.total_bytes)


def test_a_checkpoint_of_two_passes_comes_with_its_upsampler(hub, lightricks):
    """A family's name pulls the checkpoint that it stands for."""
    upsampler = "ltxv-spatial-upscaler-0.9.8.safetensors"
    lightricks.files |= {"ltxv-2b-0.9.8-distilled.safetensors": b"x" * 5000, upsampler: b"y" * 5000}
    _, planned, _ = fetch("ltx-video")
    assert (planned.name, catalog.find("ltx-video").name) == ("ltx-video-0.9.8-2b-distilled",) * 2
    second = planned.variant.options["second_pass"]["upsampler"]
    assert catalog.locate(second).read_bytes() == lightricks.files[upsampler]
