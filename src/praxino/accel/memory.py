"""How much memory a device has, how much of it is free, and what kind it is. Asks torch only where that is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Memory:
    """Bytes; None where they cannot be found out."""

    device_free: int | None
    device_total: int | None
    main_free: int | None
    """The machine's own, where the device has another one."""
    has_own: bool
    """Whether the device's memory is another than the machine's."""


def memory_of(device: str) -> Memory:
    """The memory of cpu, cuda:1, ...; a CPU's is what the system and the container leave to this process."""
    kind, _, index = device.partition(":")
    free, total = main_memory()
    if kind == "cuda":
        own = _by_torch(device) or _by_nvidia_smi(int(index or 0)) or (None, None)
        return Memory(own[0], own[1], free, has_own=True)
    if kind == "xpu":
        return Memory(None, None, free, has_own=True)
    return Memory(free, total, free, has_own=False)


def main_memory() -> tuple[int, int]:
    """What is free and what there is of main memory, in bytes."""
    import psutil

    machine = psutil.virtual_memory()
    limit, used = _cgroup("memory.max"), _cgroup("memory.current")
    if limit is None or used is None or limit >= machine.total:
        return machine.available, machine.total
    reclaimable = _cgroup_stat("inactive_file")
    return max(0, min(machine.available, limit - used + reclaimable)), limit


def _cgroup(name: str) -> int | None:
    try:
        text = (CGROUP / name).read_text(encoding="ascii").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _cgroup_stat(name: str) -> int:
    try:
        lines = (CGROUP / "memory.stat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name} ")), 0)


def _by_torch(device: str) -> tuple[int, int] | None:
    """What is free counts what torch holds for itself and does not use."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device), total


def _by_nvidia_smi(index: int) -> tuple[int, int] | None:
    try:
        free, total = (int(part) * 2**20 for part in _nvidia_smi(index, "memory.free,memory.total").split(","))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return free, total


def capability_of(device: str) -> tuple[int, int]:
    """What kind of GPU cuda:1, ... is, by Nvidia's numbers, as in (9, 0); (0, 0) of another device, or if not known."""
    kind, _, index = device.partition(":")
    if kind != "cuda":
        return 0, 0
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        return torch.cuda.get_device_capability(device)
    try:
        major, minor = map(int, _nvidia_smi(int(index or 0), "compute_cap").split("."))
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0, 0
    return major, minor


def _nvidia_smi(index: int, fields: str) -> str:
    """What Nvidia's tool tells of a GPU that this process may use. Raises OSError or SubprocessError if it cannot."""
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    named = visible[index] if index < len(visible) else str(index)
    query = ["nvidia-smi", f"--id={named}", f"--query-gpu={fields}", "--format=csv,noheader,nounits"]
    return subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
