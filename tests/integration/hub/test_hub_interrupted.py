"""A pull whose process is stopped while a file comes: the part stays, and the next pull goes on from it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from praxino.errors import UserError
from praxino.weights import catalog, hub_cache, pull
from praxino.weights.hub import Hub
from praxino.weights.verify import verify

PATIENCE_SECONDS = 120
PIECE = 10 * 2**20
"""The client writes in pieces of this size."""


def part_in(repo):
    parts = list((hub_cache.repository(repo) / "blobs").glob("*.incomplete"))
    return max(parts, key=lambda path: path.stat().st_size) if parts else None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_pull_goes_on(hub, large, number):
    hub.stall_after = 12 * 2**20
    child = subprocess.Popen(
        [sys.executable, "-m", "praxino", "models", "pull", "someone/large"], stderr=subprocess.PIPE, text=True
    )
    assert hub.stalled.wait(PATIENCE_SECONDS)
    until = time.monotonic() + PATIENCE_SECONDS
    while (part := part_in("someone/large")) is None or part.stat().st_size < PIECE:
        assert time.monotonic() < until
        time.sleep(0.02)
    child.send_signal(number)
    _, err = child.communicate(timeout=PATIENCE_SECONDS)
    if number == signal.SIGKILL:
        assert child.returncode == -signal.SIGKILL
    else:
        assert child.returncode == 130
        assert err.splitlines()[-1] == (
            "praxino: cancelled; what has come is kept, and the same command goes on from it"
        )
    assert part.stat().st_size == PIECE
    with pytest.raises(UserError, match="not pulled"):
        catalog.locate("someone/large")

    hub.stall_after = None
    hub.requests.clear()
    path = pull.fetch(pull.plan("someone/large", Hub()))
    assert (path / "model.safetensors").read_bytes() == large.files["model.safetensors"]
    assert [wanted for _, path, wanted, _ in hub.requests if "/cdn/" in path] == [f"bytes={PIECE}-"]
    assert verify("someone/large").well
    assert part_in("someone/large") is None


def test_nothing_is_here_before_all_of_it_is(hub, lightricks):
    planned = pull.plan("ltx-video-0.9.5", Hub())
    planned.transfer.bring([file for file in planned.files if file.path.startswith("text_encoder/")], lambda _: None)
    assert catalog.find("ltx-video-0.9.5").path is None
    assert not (hub_cache.repository("Lightricks/LTX-Video") / "snapshots").exists()
    assert os.listdir(hub_cache.repository("Lightricks/LTX-Video")) == ["blobs"]
