"""Free memory, against the system's own figures and invented ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from praxino.accel import memory
from praxino.accel.memory import capability_of, main_memory, memory_of

NO_CGROUP = Path("/nonexistent")


def test_a_cpu_has_the_machines_memory(monkeypatch):
    monkeypatch.setattr(memory, "CGROUP", NO_CGROUP)
    found = memory_of("cpu")
    assert not found.has_own
    assert found.device_total == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert found.device_free is not None and 0 < found.device_free <= found.device_total


def test_a_container_has_less(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("700000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 200000\nactive_file 7\n")
    assert main_memory() == (500_000, 1_000_000)
    (tmp_path / "memory.max").write_text("max\n")
    assert main_memory()[1] > 1_000_000


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """An nvidia-smi that answers for the GPUs 0 and GPU-abc."""
    program = tmp_path / "nvidia-smi"
    program.write_text(
        '#!/bin/sh\ncase "$1" in --id=0) echo "1000, 2000";; --id=GPU-abc) echo "30, 40";; *) exit 6;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    return program


def test_a_gpu_is_asked_without_torch(tool, monkeypatch):
    found = memory_of("cuda")
    assert (found.device_free, found.device_total, found.has_own) == (1000 * 2**20, 2000 * 2**20, True)
    assert memory_of("cuda:7").device_free is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-abc")
    assert memory_of("cuda:1").device_free == 30 * 2**20


def test_what_kind_a_gpu_is(tool):
    assert [capability_of(device) for device in ("cuda", "cpu", "mps")] == [(0, 0)] * 3
    tool.write_text('#!/bin/sh\n[ "$1 $2" = "--id=0 --query-gpu=compute_cap" ] && echo 8.9\n')
    assert capability_of("cuda") == capability_of("cuda:0") == (8, 9)
    assert capability_of("cuda:1") == (0, 0)


def test_a_gpu_that_cannot_be_asked(tool):
    tool.write_text("#!/bin/sh\necho broken\n")
    assert capability_of("cuda") == (0, 0)
    assert memory_of("cuda").device_free is None
    assert memory_of("xpu").device_free is None


def test_choosing_needs_no_torch():
    """The CLI tells what fits, and a server resolves, without loading it."""
    code = "import praxino.accel.plan, praxino.accel.memory, praxino.accel.weight, praxino.accel.trouble, sys\n"
    code += "praxino.accel.memory.memory_of('cpu')\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
