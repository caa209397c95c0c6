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
from praxino.errors import UserError


@dataclass(frozen=True)
class Machine:
    """The device that a run would use."""

    device: str
    """cpu, cuda, cuda:1, mps, ..."""

    def dtype(self, preferred: str) -> str:
        """The number format to use where a model prefers `preferred`: CPUs compute in float32."""
        return "float32" if self.device == "cpu" else preferred


def this_machine(device: str | None = None) -> Machine:
    """This machine with the device that was named, else PRAXINO_DEVICE, else the best device that is found.

    Raises:
        UserError: there is no such device, or the installed torch cannot use it.
    """
    named = device or settings.value("PRAXINO_DEVICE")
    if named:
        _check_device(named)
    return Machine(named or _best_device())


def _check_device(name: str) -> None:
    if not re.fullmatch(r"cpu|mps|(cuda|xpu)(:\d{1,2})?", name):
        raise UserError(f"there is no device {name[:60]!r}; allowed are cpu, cuda, cuda:1, mps and xpu.")
    if name == "mps" and platform.system() != "Darwin":
        raise UserError("the device mps is found on macOS alone; use cpu, or leave the device out.")
    if name.startswith("cuda") and not _torch_has_cuda():
        raise UserError(
            f"the device is {name}, but the installed torch was built without CUDA; install a CUDA build, or use cpu."
        )


def _best_device() -> str:
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    driver = Path("/proc/driver/nvidia/version").exists() or shutil.which("nvidia-smi")
    if driver and not hidden and _torch_has_cuda():
        return "cuda"
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "mps"
    return "cpu"


def _torch_has_cuda() -> bool:
    """Whether the installed torch was built for CUDA, or for ROCm, which goes by that name.

    Read from its version file: importing it takes seconds.
    """
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    version = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    return re.search(r"^(cuda|hip)\b[^=]*= *['\"]", version, re.MULTILINE) is not None
