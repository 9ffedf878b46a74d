"""A guard around previews and plots: whatever fails there becomes one line, and the table is written all the same."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import UserError, first_line

log = logging.getLogger(__name__)


@contextmanager
def unfailing(lines: list[str], what: str) -> Iterator[None]:
    """Catch any exception of the block, and add a line that begins with `what` and ends with the reason.

    The traceback of an exception that is no UserError is logged at DEBUG.
    """
    try:
        yield
    except UserError as error:
        lines.append(f"{what}: {' '.join(str(error).split())}")
    except Exception as error:
        log.debug("%s", what, exc_info=True)
        lines.append(f"{what}: {type(error).__name__}: {first_line(str(error))}".removesuffix(": "))
