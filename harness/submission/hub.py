"""Upload the pack of a board to a dataset repository of Hugging Face."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.board.board import Board
from harness.errors import UserError, in_one_line
from harness.submission.pack import write_pack

INSTALL = 'pip install "finetune-harness[hub]"'
_ADDRESS = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)(?:/(?P<folder>[\w./-]+))?")


@dataclass(frozen=True)
class HubTarget:
    """Where a pack is uploaded.

    Args:
        repository: `owner/name` of a dataset repository.
        folder: in the repository; "" for its top.
    """

    repository: str
    folder: str = ""


def hub_target(text: str) -> HubTarget:
    """Read an address `hf://owner/name[/folder]`, and check that an upload can begin.

    Raises: UserError for another form, without huggingface_hub, and without a token.
    """
    match = _ADDRESS.fullmatch(text)
    folder = "" if match is None else (match["folder"] or "").strip("/")
    if match is None or ".." in folder.split("/"):
        raise UserError(f"--to {text}: write hf://OWNER/NAME or hf://OWNER/NAME/FOLDER, a dataset repository of Hugging Face")
    if find_spec("huggingface_hub") is None:
        raise UserError(f"--to {text}: needs huggingface_hub: {INSTALL}")
    from huggingface_hub import get_token

    if not get_token():
        raise UserError(f"--to {text}: no token of Hugging Face is known here; run `hf auth login`, or set HF_TOKEN")
    return HubTarget(match["repository"], folder)


def upload(board: Board, target: HubTarget) -> str:
    """Upload the pack of a board. Returns: its address. Raises: UserError when the server refuses, or cannot be reached."""
    from huggingface_hub import HfApi

    name = "/".join(filter(None, [target.folder, f"{board.name}.zip"]))
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    with TemporaryDirectory() as folder:
        pack = Path(folder) / "pack.zip"
        write_pack(board, pack)
        try:
            api.create_repo(target.repository, repo_type="dataset", exist_ok=True)
            api.upload_file(
                path_or_fileobj=str(pack),
                path_in_repo=name,
                repo_id=target.repository,
                repo_type="dataset",
                commit_message=f"Records of {board.name}",
            )
        except Exception as error:  # of many classes, of the package and of what it sends with
            reason = in_one_line(error, limit=300)
            raise UserError(f"--to hf://{target.repository}: published here, and not uploaded: {reason}") from error
    return f"hf://datasets/{target.repository}/{name}"
