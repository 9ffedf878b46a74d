"""Files and folders that a command is told to write."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UserError
from harness.store.files import dangling_link, missing_folder


def check_folder_above(path: Path, option: str) -> None:
    """Check, before any work, that the folder is there in which a file or a folder is to appear.

    A folder that is missing is likelier misspelt than wanted. What else can be wrong with it is said when it is written to.

    Args:
        option: of the command, with which the message begins.
    Raises: UserError.
    """
    try:
        path.parent.lstat()
    except FileNotFoundError:
        if dangling_link(path.parent) is None:
            raise UserError(f"{option} {path}: {missing_folder(path.parent)}") from None
    except OSError:
        pass
