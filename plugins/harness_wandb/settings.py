"""Settings of the tracker, and whether it can reach its server."""

from __future__ import annotations

import netrc
import os
from contextlib import suppress
from pathlib import Path
from typing import Literal
from urllib.parse import urlparse

from pydantic import Field

from harness import Config, UserError


class WandbConfig(Config):
    """Where runs go."""

    project: str | None = Field(None, description="project of the runs; none: $WANDB_PROJECT, else the name of the board")
    entity: str | None = Field(None, description="user or team; none: $WANDB_ENTITY, else the default of the account")
    mode: Literal["online", "offline"] | None = Field(
        None, description="offline writes files that `wandb sync` uploads; none: $WANDB_MODE, else online"
    )

    @property
    def is_online(self) -> bool:
        """Whether runs are sent to the server while they go on."""
        return (self.mode or os.environ.get("WANDB_MODE") or "online") == "online"


def check(config: WandbConfig) -> None:
    """Raises: UserError where runs go to the server and no key of an account is here."""
    if config.is_online and not (os.environ.get("WANDB_API_KEY") or _is_logged_in()):
        raise UserError(
            "tracker wandb: no account is known here; run `wandb login`, set WANDB_API_KEY, or write files alone with "
            "--set wandb.mode=offline"
        )


def _is_logged_in() -> bool:
    """Return whether `wandb login` has left a key for the server."""
    host = urlparse(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").hostname or ""
    files = [os.environ.get("NETRC") or "", "~/.netrc", "~/_netrc"]
    for file in [Path(name).expanduser() for name in files if name]:
        with suppress(OSError, netrc.NetrcParseError):
            if netrc.netrc(str(file)).authenticators(host) is not None:
                return True
    return False
