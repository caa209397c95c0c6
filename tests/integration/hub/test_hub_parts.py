"""A checkpoint that is put together from several repositories is pulled, drawn with, verified and removed as one."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from praxino.accel.weight import need_of
from praxino.engine.resolve import resolve
from praxino.engine.run import run
from praxino.errors import UserError
from praxino.families import Shape
from praxino.families.framepack import FAMILY
from praxino.families.framepack.variants import F1, FRAMEPACK, FROM_OTHERS
from praxino.request import Request
from praxino.weights import catalog, hub_cache

COMPONENTS, EYE = (FROM_OTHERS[name].source for name in ("components", "eye"))
COMMITS = ["a" * 40, "b" * 40, "c" * 40, "d" * 40]
OF_EYE = ("image_encoder", "feature_extractor")


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    folder = tmp_path_factory.mktemp("framepack") / "miniature"
    FAMILY.miniature(folder)
    return folder


@pytest.fixture
def published(hub, miniature):
    """The miniature in the repositories that the real one lies in, and what else those have."""

    def files_of(folder, but=()):
        paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "praxino.json"]
        names = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        return {name: data for name, data in names.items() if name.partition("/")[0] not in but}

    eye = {f"{name}/{path}": data for name in OF_EYE for path, data in files_of(miniature / name).items()}
    others = files_of(miniature, but=("transformer", *OF_EYE))
    index = json.loads(others["model_index.json"])
    others["model_index.json"] = json.dumps(
        {name: told for name, told in index.items() if name not in OF_EYE} | {"_class_name": "HunyuanVideoPipeline"}
    ).encode()
    transformer = files_of(miniature / "transformer")
    hub.add(FRAMEPACK.source, transformer | {"README.md": b"FramePack"}, revisions={"main": COMMITS[0]})
    hub.add(F1.source, transformer, revisions={"main": COMMITS[1]})
    whole = others | {"transformer/diffusion_pytorch_model.safetensors": b"x" * 5000, "transformer/config.json": b"{}"}
    hub.add(COMPONENTS, whole, revisions={"main": COMMITS[2]})
    hub.add(EYE, eye | {"flux1-redux-dev.safetensors": b"y" * 5000}, revisions={"main": COMMITS[3]})
    return hub


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "first.png"
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path)
    return str(path)


def wish(model, picture, **more):
    wanted = {"prompt": "a cat", "size": "64x64", "frames": 37, "steps": 1, "seed": 2, **more}
    return Request(model=model, first=picture, **wanted)


def bytes_in(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def test_one_command_brings_all_of_it_and_it_draws(published, praxino, miniature, picture):
    code, out, err = praxino("models", "pull", "framepack")
    entry = catalog.find("framepack")
    assert (code, out) == (0, f"{entry.path}\n")
    assert [line for line in err.splitlines() if "revision" in line] == [
        f"{COMPONENTS}, revision {COMMITS[2][:12]}",
        f"{EYE}, revision {COMMITS[3][:12]}",
        f"{FRAMEPACK.title}, revision {COMMITS[0][:12]}",
    ]
    assert err.splitlines()[-1] == f"framepack is here: {entry.path}"
    fetched = " ".join(published.fetched())
    assert "flux1-redux-dev" not in fetched and f"{COMPONENTS}/transformer" not in fetched
    assert (entry.kept, entry.lacking, catalog.find("hunyuan-video").path) == ("pulled", [], None)
    recipe = resolve(wish("framepack", picture)).recipe
    (frames,) = run(recipe, lambda event: None)
    whole = resolve(wish(str(miniature), picture)).recipe
    assert np.array_equal(frames, run(whole, lambda event: None)[0])
    assert praxino("models", "pull", "framepack", "--quiet") == (0, f"{entry.path}\n", "")


def test_what_is_not_read_of_a_prompt_is_told_of_what_was_pulled(published, praxino, picture):
    praxino("models", "pull", "framepack")
    (note,) = (note for note in resolve(wish("framepack", picture, prompt="x" * 300)).notes if "reads" in note)
    assert note.startswith("Llama 3 reads ") and note.endswith(f"it does not read: '{'x' * 44}'")


def test_its_repository_names_it_too_and_the_other_checkpoint_is_told_apart(published, praxino):
    assert praxino("models", "pull", F1.source)[0] == 0
    entry = catalog.find(F1.source)
    assert (entry.variant.name, entry.lacking) == ("framepack-f1", [])
    assert catalog.find("framepack-f1").path == entry.path


def test_events_for_programs(published, praxino):
    events = [json.loads(line) for line in praxino("models", "pull", "framepack", "--json")[1].splitlines()]
    plans = [event for event in events if event["event"] == "plan"]
    assert [plan["name"] for plan in plans] == [COMPONENTS, EYE, "framepack"]
    assert [event["name"] for event in events if event["event"] == "pulled"] == ["framepack"]
    *_, last = (event for event in events if event["event"] == "progress")
    assert last["bytes"] == last["total_bytes"] == sum(plan["total_bytes"] for plan in plans)


def test_it_is_weighed_and_shown_whole(published, praxino, miniature):
    praxino("models", "pull", "framepack")
    entry = catalog.find("framepack")
    shape = Shape(64, 64, 37, 30.0)
    alone = need_of(entry.path, entry.variant, shape, "float32")
    whole = need_of(miniature, FAMILY.identify(miniature), shape, "float32")
    assert (alone.encode, alone.denoise, alone.vae) == (whole.encode, whole.denoise, whole.vae)
    told = json.loads(praxino("models", "show", "framepack", "--json")[1])
    assert told["parts"] == [COMPONENTS, EYE]
    assert told["size_bytes"] == sum(
        bytes_in(hub_cache.repository(repo)) - 40 for repo in (FRAMEPACK.source, COMPONENTS, EYE)
    )
    assert f"put together with  {COMPONENTS}, {EYE}" in praxino("models", "show", "framepack")[1]


def test_a_part_that_is_gone_is_told_and_had_again(published, praxino, picture):
    praxino("models", "pull", "framepack")
    shutil.rmtree(hub_cache.repository(EYE))
    code, _, err = praxino("models", "verify", "framepack")
    assert (code, f"{EYE} is missing" in err, "models pull framepack" in err) == (1, True, True)
    with pytest.raises(UserError, match=r"'framepack' is not on this machine\.\nFetch it: praxino models pull frame"):
        resolve(wish("framepack", picture))
    with pytest.raises(UserError, match=f"put together with {EYE}, .*\nFetch all of it: .* models pull framepack"):
        resolve(wish(FRAMEPACK.source, picture))
    published.requests.clear()
    assert praxino("models", "pull", "framepack")[0] == 0
    assert {path.partition("/resolve/")[0] for path in published.fetched() if "/cdn/" not in path} == {f"/{EYE}"}
    assert praxino("models", "verify", "framepack")[0] == 0


def test_a_changed_byte_of_a_part_is_found_and_is_another_model(published, praxino, picture):
    praxino("models", "pull", "framepack")
    recipe = resolve(wish("framepack", picture)).recipe
    file = hub_cache.repository(EYE) / "snapshots" / COMMITS[3] / "image_encoder" / "model.safetensors"
    blob = file.resolve()
    blob.write_bytes(blob.read_bytes()[:-1] + bytes([blob.read_bytes()[-1] ^ 1]))
    assert f"{EYE}/image_encoder/model.safetensors is damaged" in praxino("models", "verify", "framepack")[2]
    with pytest.raises(UserError, match="the recipe was made with revision"):
        run(recipe, lambda event: None)


def test_parts_go_with_the_last_model_that_needs_them(published, praxino):
    praxino("models", "pull", "framepack")
    praxino("models", "pull", "framepack-f1")
    assert praxino("models", "remove", "framepack")[0] == 0
    assert catalog.find("framepack").path is None
    assert catalog.find("framepack-f1").lacking == [] and praxino("models", "verify", "framepack-f1")[0] == 0
    code, _, err = praxino("models", "remove", "framepack-f1")
    assert (code, bytes_in(hub_cache.root())) == (0, 0), err


def test_what_hunyuan_video_needs_stays_and_the_other_way_round(published, praxino):
    praxino("models", "pull", "framepack")
    network = hub_cache.repository(COMPONENTS) / "snapshots" / COMMITS[2] / "transformer"
    assert praxino("models", "pull", "hunyuan-video")[0] == 0
    praxino("models", "remove", "hunyuan-video")
    assert not (network / "diffusion_pytorch_model.safetensors").exists()
    assert catalog.find("framepack").lacking == [] and praxino("models", "verify", "framepack")[0] == 0


def test_all_of_it_comes_from_a_cache_that_was_carried_here(published, praxino, monkeypatch, tmp_path):
    praxino("models", "pull", "framepack")
    carried = hub_cache.root()
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "another"))
    assert catalog.find("framepack").path is None
    published.requests.clear()
    assert praxino("models", "pull", "framepack", "--from", str(carried))[0] == 0
    assert (published.requests, praxino("models", "verify", "framepack")[0]) == ([], 0)


def test_several_names_in_one_command(published, praxino):
    code, out, _ = praxino("models", "pull", EYE, f"{COMPONENTS}/vae", "--quiet")
    assert (code, len(out.splitlines())) == (0, 2)
    assert catalog.locate(EYE).is_dir() and catalog.locate(f"{COMPONENTS}/vae").name == "vae"
    code, _, err = praxino("models", "pull", EYE, COMPONENTS, "--revision", "v2")
    assert (code, "--revision is of one model" in err) == (2, True)


def test_all_that_a_wish_lacks_is_named_in_one_command(published):
    with pytest.raises(UserError) as told:
        catalog.check_here([EYE, "someone/control"])
    assert str(told.value) == (
        f"this takes {EYE} and someone/control beside the model, which are not on this machine.\n"
        f"Fetch them: praxino models pull {EYE} someone/control"
    )
    with pytest.raises(UserError, match="someone/control is not on this machine: no such file or folder, not pulled"):
        catalog.check_here(["someone/control"])
