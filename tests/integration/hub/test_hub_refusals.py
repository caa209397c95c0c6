"""Every way in which the Hub can say no, or not answer: a sentence and a fix, nothing half written, no torch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from praxino.errors import ModelError, UserError
from praxino.weights import hub_cache, pull
from praxino.weights.hub import Hub

FULL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (15 * 2**20, 15 * 2**20))
from praxino.cli import main
main(["models", "pull", "someone/large"])
"""
TALK = """
import contextlib, io, json, os, sys
from praxino.cli import outcome
told = []
for args in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = outcome.run(args)
    told.append([args, code, err.getvalue()])
    heavy = {"torch", "diffusers", "transformers"} & set(sys.modules)
    assert not heavy, (args, heavy)
json.dump(told, sys.stdout)
"""


def refused(praxino, *args):
    code, out, err = praxino("models", "pull", *args)
    assert out == ""
    assert err.startswith("praxino: ")
    assert len(err.splitlines()) <= 3
    return code, err


def test_there_is_no_such_repository(hub, praxino, monkeypatch):
    code, err = refused(praxino, "someone/nothing")
    assert code == 2
    assert f"there is no model someone/nothing on {hub.url}, or it is private (401)" in err
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    assert "or it is private (404)" in refused(praxino, "someone/nothing")[1]


def test_a_token_that_is_not_accepted(hub, lightricks, praxino, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_stale")
    code, err = refused(praxino, "ltx-video-0.9.5")
    assert code == 2
    assert "the Hub does not accept your token (401)" in err
    assert f"Make a new one at {hub.url}/settings/tokens" in err


def test_a_gated_repository_without_an_account(hub, lightricks, praxino):
    lightricks.gated = "hf_other"
    code, _, err = praxino("models", "pull", "ltx-video-0.9.5", "-q")
    assert code == 2
    assert "Lightricks/LTX-Video is gated: its authors want to know who fetches it" in err
    assert f"Accept the licence at {hub.url}/Lightricks/LTX-Video, then put a token in HF_TOKEN" in err


def test_a_gated_repository_without_access(hub, lightricks, praxino, monkeypatch):
    lightricks.gated = "hf_other"
    monkeypatch.setenv("HF_TOKEN", "hf_good")
    code, _, err = praxino("models", "pull", "ltx-video-0.9.5", "-q")
    assert code == 2
    assert "Lightricks/LTX-Video is gated, and your account has no access to it" in err
    assert hub_cache.snapshot(pull.Source("Lightricks/LTX-Video")) is None


def test_there_is_no_such_revision(hub, lightricks, praxino):
    code, err = refused(praxino, "ltx-video-0.9.5", "--revision", "v99")
    assert (code, "has no revision 'v99'" in err) == (2, True)


def test_there_is_no_such_file(hub, lightricks, praxino):
    code, err = refused(praxino, "Lightricks/LTX-Video/nothing.safetensors")
    assert code == 2
    assert "there is no nothing.safetensors among the files; there are ltx-video-2b-v0.9.5.safetensors" in err


@pytest.mark.parametrize(
    ("status", "said"), [(403, "may not read"), (429, "asks to slow down (429)"), (503, "fails (503)")]
)
def test_other_statuses(hub, lightricks, praxino, status, said):
    hub.status = status
    code, err = refused(praxino, "ltx-video-0.9.5")
    assert (code, said in err) == (2 if status == 403 else 1, True)


def test_nobody_answers(hub, praxino, monkeypatch):
    hub.shutdown()
    hub.server_close()
    code, err = refused(praxino, "ltx-video-0.9.5")
    assert code == 1
    assert f"cannot reach {hub.url}: " in err
    assert "--from FOLDER" in err


@pytest.mark.parametrize("page", [b"<html>Please log in</html>", b"[]", b'{"message": "welcome"}'])
def test_somebody_else_answers(hub, praxino, page):
    hub.page = page
    code, err = refused(praxino, "ltx-video-0.9.5")
    assert (code, "answers, but not as a Hub does" in err) == (1, True)


def test_a_mirror_without_hashes(hub, lightricks, praxino, monkeypatch):
    described = type(lightricks).described
    monkeypatch.setattr(type(lightricks), "described", lambda *args: described(*args) | {"blobId": None, "lfs": None})
    code, err = refused(praxino, "ltx-video-0.9.5")
    assert (code, "listed without its commit and hashes" in err) == (1, True)


def test_a_mirror_that_is_no_address(hub, praxino, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "mirror")
    code, err = refused(praxino, "ltx-video-0.9.5")
    assert (code, "cannot reach mirror: " in err) == (1, True)


def test_failures_are_events_too(hub, praxino):
    code, out, err = praxino("models", "pull", "someone/nothing", "--json")
    told = json.loads(out)
    assert (code, told["event"], told["error"]) == (2, "failed", "UserError")
    assert err == f"praxino: {told['message']}\n"


def test_what_is_only_pickled_is_refused_with_the_fix(hub, large, praxino):
    large.files = {"config.json": b"{}", "annotator.pth": b"x" * 5000}
    code, err = refused(praxino, "someone/large")
    assert code == 2
    assert "someone/large has annotator.pth only as a pickle" in err
    assert "praxino models import FILE --name NAME --allow-pickle" in err
    assert hub.fetched() == []


@pytest.mark.parametrize(
    "told", [{"blobId": "../../../outside"}, {"lfs": {"sha256": "../../outside", "size": 5, "pointerSize": 5}}]
)
def test_a_hash_that_leads_out_is_refused(hub, large, monkeypatch, told):
    described = type(large).described
    monkeypatch.setattr(type(large), "described", lambda *args: described(*args) | {"lfs": None} | told)
    with pytest.raises(ModelError, match="without its commit and hashes"):
        pull.plan("someone/large", Hub())


def test_a_commit_that_leads_out_is_refused(hub, large):
    large.revisions["main"] = "../../outside"
    with pytest.raises(ModelError, match="without its commit and hashes"):
        pull.plan("someone/large", Hub())


@pytest.mark.parametrize("revision", ["../../outside", "", "a b", "a@b"])
def test_a_revision_that_cannot_be_one(hub, lightricks, praxino, revision):
    code, err = refused(praxino, "ltx-video-0.9.5", "--revision", revision)
    assert (code, "is no branch, tag or commit" in err) == (2, True)


@pytest.mark.parametrize("path", ["../outside.safetensors", "/etc/outside.safetensors", "a\\b.safetensors"])
def test_a_path_that_leads_out_is_refused(hub, large, path):
    large.files = {"config.json": b"{}", path: b"x" * 5000}
    with pytest.raises(ModelError, match="would lie outside of its folder"):
        pull.plan("someone/large", Hub())


def test_the_room_is_looked_at_first(hub, large, praxino, monkeypatch):
    described = type(large).described
    monkeypatch.setattr(type(large), "described", lambda *args: described(*args) | {"size": 10**18})
    code, err = refused(praxino, "someone/large")
    assert code == 1
    assert "someone/large takes 2000000000.0 GB more, and " in err
    assert hub.fetched() == []


def test_a_file_too_large_for_the_hub_is_left_to_its_own_tool(hub, large, monkeypatch):
    described = type(large).described
    monkeypatch.setattr(type(large), "described", lambda *args: described(*args) | {"size": 51 * 10**9})
    monkeypatch.setattr(pull, "_check_room", lambda planned: None)
    with pytest.raises(UserError, match="hf download someone/large"):
        pull.fetch(pull.plan("someone/large", Hub()))
    assert hub.fetched() == []


def test_a_full_disk_leaves_no_half_file(hub, large):
    pytest.importorskip("resource")
    done = subprocess.run([sys.executable, "-c", FULL_DISK], capture_output=True, text=True)
    assert done.returncode == 1
    assert "the disk is full: model.safetensors" in done.stderr
    left = [
        path.name for path in Path(os.environ["HF_HUB_CACHE"]).rglob("*") if path.is_file() and path.suffix != ".lock"
    ]
    assert [name for name in left if len(name) > 40] == []


def talk(lines, **environ):
    """Codes and errors by command line, of one process that never imports torch."""
    done = subprocess.run(
        [sys.executable, "-c", TALK],
        input=json.dumps(lines),
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    assert all(len(err.splitlines()) <= 3 for _, code, err in told if code == 2)
    return [code for _, code, _ in told], {" ".join(args): err for args, _, err in told}


def test_the_hubs_refusals_need_no_torch(hub, lightricks, large):
    lightricks.gated = "hf_other"
    large.files = {"x.bin": b"x" * 2000}
    lines = [["models", "pull", "-q", name] for name in ("someone/nothing", "ltx-video-0.9.5", "someone/large")]
    codes, _ = talk([*lines, ["models", "remove", "ltx-video-0.9.5"]])
    assert codes == [2, 2, 2, 0]


def test_offline_and_without_torch(hub, lightricks):
    lines = [
        ["models", "list"],
        ["models", "show", "pocket"],
        ["models", "show", "ltx-video-0.9.5"],
        ["models", "pull", "ltx-video-0.9.5"],
        ["models", "pull", "pocket"],
        ["models", "pull", "ltx-vidoe-0.9.5"],
        ["models", "pull", "ltx-video-0.9.5", "--from", "nowhere"],
        ["models", "verify", "pocket"],
        ["models", "verify", "someone/nothing"],
        ["models", "remove", "pocket"],
        ["models", "remove", "nothing"],
        ["models", "import", "nowhere.safetensors", "--name", "x"],
        ["-m", "someone/nothing", "a dog"],
        ["-m", "ltx-video-0.9.5", "a dog"],
    ]
    codes, said = talk(lines, HF_HUB_OFFLINE="1")
    assert codes == [0, 0, 0, *[2] * 11]
    assert "HF_HUB_OFFLINE is set, so nothing is fetched" in said["models pull ltx-video-0.9.5"]
    assert "ships with Praxino; there is nothing to pull" in said["models pull pocket"]
    assert "did you mean ltx-video-0.9.5" in said["models pull ltx-vidoe-0.9.5"]
    assert "there is no folder nowhere" in said["models pull ltx-video-0.9.5 --from nowhere"]
    assert "nothing tells what the files of pocket must be" in said["models verify pocket"]
    assert "praxino models pull someone/nothing" in said["models verify someone/nothing"]
    assert "pocket was neither imported nor pulled, so it is not removed" in said["models remove pocket"]
    assert "Fetch it: praxino models pull ltx-video-0.9.5" in said["-m ltx-video-0.9.5 a dog"]
    assert hub.requests == []
