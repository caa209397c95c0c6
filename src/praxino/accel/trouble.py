"""Whether an error means that memory ran out, on whichever device. Imports no torch."""

from __future__ import annotations

import sys


def is_out_of_memory(problem: BaseException | None) -> bool:
    """Whether a problem, or what it came from, is the refusal of an allocator.

    A GPU's is torch.OutOfMemoryError; torch's for the CPU is a RuntimeError which says "can't allocate memory" (c10,
    core/impl/alloc_cpu.cpp).
    """
    torch = sys.modules.get("torch")
    while problem is not None:
        if isinstance(problem, MemoryError) or (torch and isinstance(problem, torch.OutOfMemoryError)):
            return True
        if isinstance(problem, RuntimeError) and "can't allocate memory" in str(problem):
            return True
        problem = problem.__cause__
    return False
