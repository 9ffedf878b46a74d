"""Feeds hostile files to the readers of the product, in a process of bounded memory where nothing but reading is tolerated.

    python tests/hostile/read_hostile_files.py --cases 100 --seed 1 [--reader "board.yaml"] [--only NUMBER]

A file must be read, or refused by a UserError. Any other exception is a crash. Python's audit events tell when anything is run,
imported, started, or opened for writing. Prints a line of JSON for each reader: files, read, refused, crashes, the largest memory
and the longest time.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "fakes"))

import hostile_readers
import torch

from harness.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 30
LARGEST_MB = 600
"""Memory that reading may take beyond the process's own, which is up to 400 MB in a command."""
ROOM = 2 * 2**30
FORBIDDEN = (
    "exec",
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.remove",
    "os.rmdir",
    "os.rename",
    "subprocess.",
    "socket.",
    "shutil.",
    "ctypes.",
    "pty.",
)


@dataclass
class Tally:
    """The outcomes of one reader's files."""

    reader: str
    files: int = 0
    read: int = 0
    refused: int = 0
    largest_mb: float = 0.0
    longest_s: float = 0.0
    crashes: list[str] = field(default_factory=list)


class Watch:
    """Notes forbidden audit events while a file is read."""

    def __init__(self) -> None:
        self.is_on, self.events = False, list[str]()
        self.packages = {name.partition(".")[0] for name in sys.modules}
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.is_on:
            return
        if event == "exec" and self._is_installed(arguments[0]):
            return  # a module that a reader imports when it is first needed
        if event.startswith(FORBIDDEN) or (event == "open" and self._writes(arguments)):
            self.events.append(f"{event} {arguments!r}"[:300])
        if event == "import" and str(arguments[0]).partition(".")[0] not in self.packages | set(sys.stdlib_module_names):
            self.events.append(f"{event} {arguments!r}"[:300])

    @staticmethod
    def _is_installed(code: object) -> bool:
        """Whether code is of this repository or of the installed packages, where no hostile file lies."""
        file = Path(getattr(code, "co_filename", ""))
        return any(file.is_relative_to(place) for place in (ROOT, sys.prefix, sys.base_prefix))

    @staticmethod
    def _writes(arguments: tuple[object, ...]) -> bool:
        flags = arguments[2] if len(arguments) > 2 else 0
        return (
            isinstance(flags, int)
            and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC))
            and arguments[0] != os.devnull
        )


def peak_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def read_one(reader: hostile_readers.Reader, path: Path, tally: Tally, watch: Watch, number: int) -> None:
    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory begins anew
    watch.events.clear()
    before = peak_mb()
    began = time.process_time()  # other work on the machine does not count; the alarm ends a file that waits
    signal.alarm(10 * SECONDS)
    outcome = "refused"
    watch.is_on = True
    try:
        reader.read(path)
        outcome = "read"
    except UserError as error:
        # More lines than faults would be a message that a name in the file split.
        if not str(error).strip() or "Traceback" in str(error):
            outcome = f"a message without words: {str(error)[:200]!r}"
    except BaseException as error:
        outcome = f"{type(error).__name__}: {str(error)[:150]} at {traceback.extract_tb(error.__traceback__)[-1]}"
    finally:
        watch.is_on = False
        signal.alarm(0)
    seconds = time.process_time() - began
    memory = peak_mb() - before
    tally.files += 1
    tally.read += outcome == "read"
    tally.refused += outcome == "refused"
    tally.longest_s, tally.largest_mb = max(tally.longest_s, round(seconds, 2)), max(tally.largest_mb, round(memory))
    faults = [] if outcome in ("read", "refused") else [outcome]
    faults += [f"audit: {event}" for event in watch.events]
    faults += [f"took {seconds:.0f} s"] if seconds > SECONDS else []
    faults += [f"took {memory:.0f} MB"] if memory > LARGEST_MB else []
    tally.crashes += [f"case {number}: {fault}" for fault in faults]


def run(name: str, seed: int, numbers: range, watch: Watch) -> Tally:
    reader, tally = hostile_readers.READERS[name], Tally(name)
    for number in numbers:
        folder = Path(tempfile.mkdtemp(prefix="hostile-"))
        try:
            content = hostile_readers.case(name, seed, number)
            path = hostile_readers.written(content, folder / "files", reader.suffix)
            print(f"{name}, case {number}, seed {seed}", file=sys.stderr, flush=True)  # noqa: T201 - a crash of the process names it
            read_one(reader, path, tally, watch, number)
        finally:
            shutil.rmtree(folder)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10, help="files of each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", default="", help="only readers whose name begins as this regular expression says")
    parser.add_argument("--only", type=int, help="the number of one file")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable()
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        hostile_readers.warm_up(Path(folder))
    in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + ROOM, in_use + ROOM))
    watch = Watch()
    numbers = range(options.cases) if options.only is None else range(options.only, options.only + 1)
    for name in hostile_readers.READERS:
        if re.match(options.reader, name):
            print(json.dumps(asdict(run(name, options.seed, numbers, watch))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
