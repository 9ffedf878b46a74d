"""A folder as some file systems of networks show it: answers that are lost, and news that comes late.

It stands between a process and a real folder, by other functions in the place of those of `os`:

- of each few renames and links one is carried out, and then fails, as when a server's answer is lost and the try again finds that
  the work is done;
- what another process has made, changed, renamed or removed is seen only a while after this process has looked there before. What
  this process does it sees at once. A file that is opened is as it is: opening asks the server.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LIES = {"link": errno.EEXIST, "rename": errno.ENOENT, "replace": errno.ENOENT}
"""What the second try of a call gives whose first try was carried out."""
WRITING = os.O_CREAT | os.O_TRUNC


@dataclass
class LyingFolder:
    """The state of what one process sees of a folder.

    Args:
        every: of so many renames and links one seems to fail; 0 for none.
        delay: seconds for which a look is kept.
    """

    root: Path
    every: int = 0
    delay: float = 0.0
    lies: int = 0
    _calls: int = 0
    _looks: dict[tuple[str, str], tuple[float, object]] = field(default_factory=dict)

    @contextmanager
    def stand_between(self) -> Iterator[LyingFolder]:
        """Replace the functions of `os` in the block. A fork in the block goes on so, with looks of its own from then on."""
        before = {name: getattr(os, name) for name in (*LIES, "stat", "open", "listdir", "scandir", "unlink", "mkdir", "rmdir")}
        for name in LIES:
            setattr(os, name, self._lying(before[name], LIES[name]))
        for name in ("unlink", "mkdir", "rmdir"):
            setattr(os, name, self._changing(before[name]))
        for name in ("stat", "listdir"):
            setattr(os, name, self._late(name, before[name]))
        os.open = self._opening(before["open"])
        try:
            yield self
        finally:
            for name, function in before.items():
                setattr(os, name, function)

    def _is_below(self, path: object) -> bool:
        return isinstance(path, str | Path) and os.path.abspath(path).startswith(f"{self.root}/")

    def _forget(self, *paths: object) -> None:
        """Forget looks at paths, which this process has changed, and at their folders."""
        changed = {os.path.abspath(str(path)) for path in paths}
        changed |= {os.path.dirname(path) for path in changed}
        self._looks = {
            key: look
            for key, look in self._looks.items()
            if key[1] not in changed and not any(key[1].startswith(f"{os.path.abspath(str(path))}/") for path in paths)
        }

    def _lying(self, function: Callable[..., None], number: int) -> Callable[..., None]:
        def call(source: Any, target: Any, **options: Any) -> None:
            function(source, target, **options)
            if self._is_below(target):
                self._forget(source, target)
                self._calls += 1
                if self.every and self._calls % self.every == 0:
                    self.lies += 1
                    raise OSError(number, os.strerror(number), str(source))

        return call

    def _changing(self, function: Callable[..., None]) -> Callable[..., None]:
        def call(path: Any, *arguments: Any, **options: Any) -> None:
            try:
                function(path, *arguments, **options)
            finally:
                self._forget(path)

        return call

    def _late(self, name: str, function: Callable[..., object]) -> Callable[..., object]:
        def call(path: Any = ".", *arguments: Any, **options: Any) -> object:
            if not self.delay or not self._is_below(path):
                return function(path, *arguments, **options)
            key = f"{name} {arguments} {options}", os.path.abspath(path)
            seen, result = self._looks.get(key, (-1e9, None))
            if time.monotonic() - seen >= self.delay:
                result = _outcome(function, path, *arguments, **options)
                self._looks[key] = time.monotonic(), result
            if isinstance(result, OSError):
                raise type(result)(result.errno, result.strerror, str(path))
            return list(result) if isinstance(result, list) else result

        return call

    def _opening(self, function: Callable[..., int]) -> Callable[..., int]:
        def call(path: Any, flags: int, *arguments: Any, **options: Any) -> int:
            if self._is_below(path) and self.delay and not flags & WRITING:
                seen, result = self._looks.get(("open", os.path.abspath(path)), (-1e9, None))
                if isinstance(result, OSError) and time.monotonic() - seen < self.delay:  # it was not there a moment ago
                    raise type(result)(result.errno, result.strerror, str(path))
                opened = _outcome(function, path, flags, *arguments, **options)
                self._looks["open", os.path.abspath(path)] = time.monotonic(), opened
                if isinstance(opened, OSError):
                    raise opened
                self._looks = {key: look for key, look in self._looks.items() if key[1] != os.path.abspath(path)}
                return int(str(opened))
            handle = function(path, flags, *arguments, **options)
            if flags & WRITING:
                self._forget(path)
            return handle

        return call


def _outcome(function: Callable[..., object], *arguments: Any, **options: Any) -> object:
    try:
        return function(*arguments, **options)
    except OSError as error:
        return error
