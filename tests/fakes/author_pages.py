"""Pages for plugin authors as what they promise to be: the files of a whole package, and the commands to try it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("toml", "python", "yaml")
FENCED = re.compile(r"^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED_FILE = re.compile(r"`(?P<name>[^`\n]+)`[^`\n]*:\n\n\Z")
"""The end of a paragraph that names the file in the block after it."""
COMMANDS = ("harness", "pytest", "python", "export")
RUNNER = Path(__file__).with_name("run_commands.py")


@dataclass(frozen=True)
class Ran:
    """A command of a page, its exit code, and what it printed on stdout and stderr."""

    command: str
    code: int
    out: str
    err: str


@dataclass(frozen=True)
class AuthorPage:
    """A page that writes a plugin, read from its Markdown."""

    path: Path

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def blocks(self, *languages: str) -> list[tuple[str | None, str]]:
        """Return the text of each block in these languages, with the name of the file that it is, or None."""
        blocks = []
        for block in FENCED.finditer(self.text):
            if block["language"] in languages:
                named = NAMED_FILE.search(self.text, 0, block.start())
                blocks.append((named["name"] if named else None, block["text"]))
        return blocks

    def write_package(self, folder: Path) -> None:
        """Write every file of the page into a folder."""
        for name, text in self.blocks(*LANGUAGES):
            if name is not None:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text, encoding="utf-8")

    @property
    def commands(self) -> list[str]:
        """The lines of the page's shell blocks that need no network: all but those of pip."""
        lines = [line.split("#")[0].strip() for _, text in self.blocks("bash") for line in text.splitlines()]
        return [line for line in lines if line.startswith(COMMANDS)]


def install(folders: Sequence[Path], site: Path) -> None:
    """Install packages into a folder of their own, with one call of pip and without the network."""
    offline = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", *offline, "--target", str(site), *map(str, folders)]
    subprocess.run(command, check=True)


def run_commands(plan: Mapping[Path, Sequence[str]], site: Path) -> dict[Path, list[Ran]]:
    """Run the commands of each folder in that folder, all in one process; a folder's commands end at the first that fails.

    Returns: what ran, by folder. Raises: AssertionError, with all output, when the process itself fails.
    """
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    asked = json.dumps({str(folder): list(commands) for folder, commands in plan.items()})
    command = [sys.executable, str(RUNNER), str(site / "ran.json")]
    ended = subprocess.run(command, input=asked, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise AssertionError(ended.stdout + ended.stderr)
    report = json.loads((site / "ran.json").read_text(encoding="utf-8"))
    return {Path(folder): [Ran(**ran) for ran in steps] for folder, steps in report.items()}
