"""How often what was done to runs, in a file of Markdown that the next start reads again."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROW = re.compile(r"\| (?P<engine>[a-z]+) \| (?P<target>[a-z ]+) \| (?P<what>[A-Za-z ]+) \| (?P<times>[0-9]+) \|")
PAGE = """\
# Endurance

Runs of a small board were disturbed at random moments. After each round every record was the same, bit for bit, as
that of an undisturbed run; no process, no lease and no temporary file was left; and no command hung.

```bash
{command}
```

- A **command** is `harness run`. Up to three work on one board, each on a **host** of its own: a name that stands for a
  machine, with all processes of that command.
- A **job** is the process of a cell, a base or a floor. With `local` it is forked by a **server**. With Ray it has a
  **supervisor** on its **node**, which is one of two on this machine.
- The **clock** is that of a host, which jumps. The **disk** is that of the board and of its runs, which is full for a
  second.

[Kills of one run at a time](../../docs/trust.md#kills-the-last-run) have a test of their own.

The same command goes on where it stopped. {kills} of {wanted} kills, {rounds} rounds, {seconds:.0f} seconds in all.

| executor | what was hit | with what | times |
|---|---|---|---|
{rows}
"""


@dataclass
class Counts:
    """What was done so far.

    Args:
        path: the file.
        command: which goes on.
        wanted: number of kills.
    """

    path: Path
    command: str
    wanted: int
    done: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    rounds: int = 0
    seconds: float = 0.0

    @classmethod
    def read(cls, path: Path, command: str, wanted: int) -> Counts:
        """Go on with the counts of a file, where it is there. Raises: ValueError when the file is of another command."""
        counts = cls(path, command, wanted)
        if path.exists():
            text = path.read_text()
            seed = re.search("--seed [0-9]+", command)
            if seed is None or f"{seed[0]} " not in text:
                raise ValueError(f"{path} was written by another command; take another file")
            for row in ROW.finditer(text):
                counts.done[row["engine"], row["target"], row["what"]] = int(row["times"])
            found = re.search("([0-9]+) rounds, ([0-9]+) seconds", text)
            assert found is not None
            counts.rounds, counts.seconds = int(found[1]), float(found[2])
        return counts

    @property
    def kills(self) -> int:
        """How often something was done in all."""
        return self.done.total()

    def add(self, round_: Counter[tuple[str, str, str]], seconds: float) -> None:
        """Add a round that ended well, and write the file."""
        self.done += round_
        self.rounds += 1
        self.seconds += seconds
        rows = (f"| {' | '.join(kind)} | {times} |" for kind, times in sorted(self.done.items()))
        page = PAGE.format(
            command=self.command,
            kills=self.kills,
            wanted=self.wanted,
            rounds=self.rounds,
            seconds=self.seconds,
            rows="\n".join(rows),
        )
        scratch = self.path.with_name(f".{self.path.name}")
        scratch.write_text(page)
        scratch.replace(self.path)
