"""`harness doctor`."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import typer

from harness.cli.arguments import AsJson, RunsDir
from harness.cli.output import print_json, print_table
from harness.errors import UserError
from harness.plugin_code import DISABLED
from harness.process.environment import cores

REINSTALL = "install the harness again: pip install finetune-harness"
WIDTH = 80
"""Characters of the column that says what was found; a longer text goes on in the next line."""
LEAST_DISK = 2e9
"""Bytes that must be free for runs."""
LEAST_MEMORY = 1e9
"""Bytes of free memory below which several jobs at once are too many."""


class Finding(NamedTuple):
    """One thing that was looked at.

    Args:
        check: what was looked at.
        found: what is there.
        ok: False for what keeps boards from running.
        advice: what the user can do about it; empty where nothing needs doing.
    """

    check: str
    found: str
    ok: bool = True
    advice: str = ""


def doctor(runs_dir: RunsDir = None, as_json: AsJson = False) -> None:
    """Example: harness doctor

    Check this machine and installation. Exit 1 when something keeps boards from running.
    """
    findings = [
        Finding("python", platform.python_version()),
        *_torch(),
        *_machine(),
        _runs_folder(runs_dir),
        *_plugins(),
        _git(),
    ]
    if as_json:
        print_json([finding._asdict() for finding in findings])
    else:
        print_table([row for finding in findings for row in _rows(finding)])
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _rows(finding: Finding) -> Iterator[dict[str, str]]:
    mark = "ok" if finding.ok else "FAULT"
    first, *others = textwrap.wrap(finding.found, WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
    yield {"": mark, "check": finding.check, "found": first, "advice": finding.advice}
    yield from ({"": "", "check": "", "found": line, "advice": ""} for line in others)


def _torch() -> list[Finding]:
    try:
        import torch
    except ImportError as error:
        return [Finding("torch", str(error), ok=False, advice=REINSTALL)]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    threads = torch.get_num_threads()
    return [
        Finding("torch", torch.__version__),
        Finding("device", device),
        Finding("torch threads", str(threads), advice="cells run with one thread each" if threads > 1 else ""),
        Finding("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "not set")),
    ]


def _machine() -> list[Finding]:
    import psutil

    free = psutil.virtual_memory().available
    return [
        Finding("cores", f"{cores()} for this process, {os.cpu_count()} in all"),
        Finding(
            "free memory",
            f"{free / 1e9:.1f} GB",
            advice="" if free >= LEAST_MEMORY else "little memory: run with --jobs 1",
        ),
    ]


def _runs_folder(runs_dir: Path | None) -> Finding:
    from harness.store.runs_folder import RunsFolder

    try:
        runs = RunsFolder.of(runs_dir)
        runs.check_writable()
    except UserError as error:
        return Finding("runs folder", str(error), ok=False, advice="choose another with --runs-dir or HARNESS_RUNS")
    free = shutil.disk_usage(runs.root).free
    return Finding(
        "runs folder",
        f"{runs.root}, writable, {free / 1e9:.1f} GB free",
        ok=free >= LEAST_DISK,
        advice="" if free >= LEAST_DISK else "free some disk space",
    )


def _plugins() -> list[Finding]:
    from harness.plugins import registry

    installed = registry()
    working = installed.plugins
    return [
        Finding("plugins", ", ".join(working) or "none", ok=bool(working), advice="" if working else REINSTALL),
        Finding("listeners", ", ".join(installed.listeners()) or "none"),
        *(
            Finding(f"plugin {plugin.plugin}", plugin.reason, ok=False, advice="mend or uninstall it")
            for plugin in installed.broken
        ),
        *(Finding(f"plugin {name}", f"left out by {DISABLED}") for name in installed.disabled),
        *_installed_twice(),
    ]


def _installed_twice() -> Iterator[Finding]:
    """Yield distributions with plugins that are installed in two folders of the path: the first hides the second."""
    from importlib import metadata

    from harness.hookspecs import GROUP

    folders: dict[str, list[str]] = {}
    for found in metadata.distributions():
        # pip writes the file INSTALLER; what lies in a checkout without it is the source of an editable install.
        if found.read_text("INSTALLER") is not None and found.entry_points.select(group=GROUP):
            folders.setdefault(found.name, []).append(f"{found.version} in {found.locate_file('')}")
    for name, places in folders.items():
        if len(places) > 1:
            yield Finding(
                f"distribution {name}",
                f"installed {len(places)} times: {'; '.join(places)}",
                advice="the first hides the others; uninstall all but one",
            )


def _git() -> Finding:
    try:
        version = subprocess.run(["git", "--version"], capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return Finding("git", "not found", advice="records will not name a commit")
    return Finding("git", version.strip().removeprefix("git version "))
