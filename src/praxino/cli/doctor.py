"""`praxino doctor`: what this installation and this machine can do. Imports torch only when asked to."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from praxino import __version__, settings
from praxino.cli.memory import plans_here
from praxino.cli.speed import speeds_here
from praxino.cli.terminal import examine
from praxino.cli.wording import aligned, amount

PACKAGES = ("torch", "diffusers", "transformers", "peft", "av", "pillow", "numpy", "click")


@click.command("doctor")
@click.option("--deep", is_flag=True, help="also import torch and compute something with it (seconds)")
@click.option("--json", "as_json", is_flag=True, help="print a JSON object")
def command(deep: bool, as_json: bool) -> None:
    """Say what is installed and what is wrong.

    The exit code is 1 when something is wrong.
    """
    findings = examine_all(deep)
    wrong = problems(findings)
    if as_json:
        click.echo(json.dumps({**findings, "problems": wrong}, indent=2))
    else:
        click.echo(aligned(rows(findings)))
        for problem in wrong:
            click.echo(f"problem: {problem}")
        if not wrong:
            click.echo("all is well")
    click.get_current_context().exit(1 if wrong else 0)


def examine_all(deep: bool = False) -> dict[str, Any]:
    """Everything found out, as plain JSON."""
    found = {
        "praxino": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "packages": {name: _version(name) for name in PACKAGES},
        "cpu": {"name": _cpu_name(), "cores": _cores()},
        "gpus": _gpus(),
        "memory_bytes": _memory_bytes(),
        "home": {"path": str(settings.home()), "free_bytes": _free_bytes(settings.home())},
        "terminal": dataclasses.asdict(examine(sys.stderr)),
        "model": _default_model(),
        "plans": plans_here(),
        "speeds": speeds_here(),
    }
    return found | ({"torch": _try_torch()} if deep else {})


def problems(findings: dict[str, Any]) -> list[str]:
    """What keeps Praxino from working, each with its fix."""
    missing = [name for name, found in findings["packages"].items() if found is None]
    wrong = [f"{name} is not installed; run: pip install {name}" for name in missing]
    if "error" in findings["model"]:
        wrong.append(findings["model"]["error"])
    if "error" in findings.get("torch", {}):
        wrong.append(f"torch does not work: {findings['torch']['error']}")
    return wrong


def rows(findings: dict[str, Any]) -> list[tuple[str, str]]:
    """The findings for people."""
    terminal, model = findings["terminal"], findings["model"]
    able = [name for name in ("tty", "moves", "truecolor", "unicode") if terminal[name]]
    packages = [f"{name} {found or 'missing'}" for name, found in findings["packages"].items()]
    memory, free = findings["memory_bytes"], findings["home"]["free_bytes"]
    table = [
        ("praxino", findings["praxino"]),
        ("python", findings["python"]),
        ("system", findings["system"]),
        ("packages", ", ".join(packages)),
        ("cpu", f"{findings['cpu']['name']}, {findings['cpu']['cores']} cores"),
        ("gpu", "; ".join(findings["gpus"]) or "none found"),
        ("memory", amount(memory) if memory else "unknown"),
        ("home", f"{findings['home']['path']} ({amount(free)} free)"),
        ("terminal", f"{terminal['columns']}x{terminal['rows']}, {', '.join(able) or 'not a terminal'}"),
        ("model", model.get("error") or f"{model['name']}, {amount(model['size_bytes'])}, {model['path']}"),
    ]
    for index, told in enumerate(findings["plans"]):
        peak = "" if told["device_bytes"] is None else f", expected to take {amount(told['device_bytes'])} at most"
        table.append(("" if index else "memory plans", f"{told['model']}: {told['plan']}{peak}"))
    for index, (quality, told) in enumerate(findings["speeds"].items()):
        table.append(("" if index else "speed", f"{quality}: {told}"))
    if "torch" in findings:
        table.append(("torch", ", ".join(f"{name} {value}" for name, value in findings["torch"].items())))
    return table


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _cores() -> int:
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1


def _gpus() -> list[str]:
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return ["Apple GPU (mps)"]
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    query = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ["NVIDIA driver found, but nvidia-smi fails"]
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()]


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _free_bytes(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _default_model() -> dict[str, Any]:
    from praxino.errors import PraxinoError
    from praxino.request import Request
    from praxino.weights.catalog import find
    from praxino.weights.fingerprint import size_bytes

    try:
        entry = find(Request().model)
        path = entry.require_path()
    except PraxinoError as problem:
        return {"error": str(problem)}
    return {"name": entry.name, "path": str(path), "size_bytes": size_bytes(path)}


def _try_torch() -> dict[str, Any]:
    began = time.monotonic()
    try:
        import torch

        imported = time.monotonic() - began
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        ones = torch.ones(64, 64, device=device)
        right = bool((ones @ ones == 64).all())
    except Exception as problem:
        return {"error": f"{type(problem).__name__}: {problem}"}
    if not right:
        return {"error": f"a product of matrices is wrong on {device}"}
    return {"import_seconds": round(imported, 2), "device": device, "threads": torch.get_num_threads()}
