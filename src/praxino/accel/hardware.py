"""What of a machine decides which means of speed pay. Imports no torch."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CPU_FACTS = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Hardware:
    """What of a machine decides which means pay."""

    device: str
    """cpu, cuda:1, ..."""
    computes_bfloat16: bool
    """Whether it multiplies matrices faster in bfloat16 than in float32."""
    compiles: bool = False
    """Whether there is what compiling for it needs."""
    capability: tuple[int, int] = (0, 0)
    """Of an Nvidia GPU, as in (9, 0); asked for where there is torchao."""
    has_torchao: bool = False


def cpu_computes_bfloat16(listed: Path = CPU_FACTS) -> bool:
    """Whether the CPU has instructions for products of bfloat16 matrices."""
    return bool(_words(listed) & {"avx512_bf16", "amx_bf16", "bf16"})


def cpu_multiplies_int8(listed: Path = CPU_FACTS) -> bool:
    """Whether the CPU is an x86 with instructions for products of 8-bit numbers."""
    return bool(_words(listed) & {"avx512_vnni", "avx_vnni", "amx_int8"})


@cache
def _words(listed: Path) -> frozenset[str]:
    """What the system tells of the CPU, nothing but on Linux."""
    if platform.system() != "Linux":
        return frozenset()
    try:
        return frozenset(listed.read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return frozenset()
