"""A small board that was run and published, and its pack."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from in_process import BOARD, command, run_in_this_process, write_board

from harness.store.seal import sealed
from harness.submission.pack import zipped


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a published board, `tiny`, and the runs folder that made it. Tests copy it."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("HARNESS_RUNS", raising=False)
        run_in_this_process(patch)
        write_board(folder / "tiny", BOARD)
        ran = command("run", "tiny", "--log-every", "2")
        assert ran.code == 0, ran.err
        published = command("publish", "tiny", "--allow-mixed")
        assert published.code == 0, published.err
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    """A copy of the published board in the current folder, with the same runs folder."""
    import shutil

    shutil.copytree(made / "tiny", tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_RUNS", str(made / "runs"))
    return tmp_path


@pytest.fixture
def pack(here):
    """The pack of the board."""
    done = command("submit", "tiny", "-o", "tiny.zip")
    assert (done.code, done.out) == (0, "tiny.zip\n"), done.err
    return here / "tiny.zip"


@pytest.fixture
def change_record(here):
    """Change a published record, and give it a right seal again."""

    def change(name="small__mle__s0.json", **fields):
        path = here / "tiny" / "results" / name
        content = json.loads(path.read_text())
        del content["sha256"]
        content.update(fields)
        path.write_text(sealed(content))
        return content

    return change


@pytest.fixture
def repack(pack):
    """Write the pack again with other members."""

    def write(**changed: bytes | None) -> Path:
        with zipfile.ZipFile(pack) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        for name, content in changed.items():
            files.pop(name, None)
            if content is not None:
                files[name] = content
        pack.write_bytes(zipped(files))
        return pack

    return write
