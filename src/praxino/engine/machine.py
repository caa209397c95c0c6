"""What this machine can run on, found out without importing torch."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from praxino import settings


@dataclass(frozen=True)
class Machine:
    """The device that a run would use."""

    device: str
    """cpu, cuda, cuda:1, mps, ..."""

    def dtype(self, preferred: str) -> str:
        """The number format to use where a model prefers `preferred`: CPUs compute in float32."""
        return "float32" if self.device == "cpu" else preferred


def this_machine() -> Machine:
    """PRAXINO_DEVICE when it is set, else the best device that is found."""
    return Machine(settings.value("PRAXINO_DEVICE") or _best_device())


def _best_device() -> str:
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi")
    if driver and not hidden and _torch_has_cuda():
        return "cuda"
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "mps"
    return "cpu"


def _torch_has_cuda() -> bool:
    """Whether the installed torch was built for CUDA, read from its version file: importing it takes seconds."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    version = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    return re.search(r"^cuda\b[^=]*= *['\"]", version, re.MULTILINE) is not None
