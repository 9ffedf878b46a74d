"""`harness publish --to hf://…`: the pack goes into a dataset repository; what is absent is said before anything is written."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from in_process import command

from harness.errors import UserError
from harness.submission import hub
from harness.submission.archive import read_pack
from harness.submission.hub import HubTarget, hub_target

pytestmark = pytest.mark.skipif(find_spec("huggingface_hub") is None, reason="needs the extra [hub]")


class FakeApi:
    """Stands in for the server: keeps what is uploaded."""

    calls: list[tuple[object, ...]]
    fails = False

    def __init__(self, endpoint=None):
        self.endpoint = endpoint

    def create_repo(self, repository, *, repo_type, exist_ok):
        FakeApi.calls.append(("create", repository, repo_type, exist_ok))

    def upload_file(self, *, path_or_fileobj, path_in_repo, repo_id, repo_type, commit_message):
        if FakeApi.fails:
            raise ConnectionError("no route to host")
        FakeApi.calls.append(("upload", repo_id, repo_type, path_in_repo, commit_message, read_pack(Path(path_or_fileobj))))


@pytest.fixture(autouse=True)
def _server(monkeypatch):
    monkeypatch.setattr(FakeApi, "calls", [], raising=False)
    monkeypatch.setattr("huggingface_hub.HfApi", FakeApi)
    monkeypatch.setenv("HF_TOKEN", "hf_test")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hf://me/records", HubTarget("me/records")),
        ("hf://me/records/2026/summer/", HubTarget("me/records", "2026/summer")),
    ],
)
def test_an_address_is_a_repository_and_a_folder(text, expected):
    assert hub_target(text) == expected


@pytest.mark.parametrize(
    "text", ["me/records", "hf://records", "https://me/records", "hf://me/records/../other", "hf://me/re cords"]
)
def test_another_address_is_refused(text):
    with pytest.raises(UserError, match="write hf://OWNER/NAME"):
        hub_target(text)


def test_the_pack_of_the_board_is_uploaded_after_it_is_published(here):
    done = command("publish", "tiny", "--allow-mixed", "--to", "hf://me/records/2026")
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1] == "uploaded hf://datasets/me/records/2026/tiny.zip"
    create, upload = FakeApi.calls
    assert create == ("create", "me/records", "dataset", True)
    assert upload[1:5] == ("me/records", "dataset", "2026/tiny.zip", "Records of tiny")
    assert "results/small__mle__s0.json" in upload[5]


def test_a_server_that_cannot_be_reached_is_one_line(here, monkeypatch):
    monkeypatch.setattr(FakeApi, "fails", True)
    done = command("publish", "tiny", "--allow-mixed", "--to", "hf://me/records")
    assert done.code == 2
    expected = "error: --to hf://me/records: published here, and not uploaded: ConnectionError: no route to host"
    assert done.err.splitlines()[-1] == expected


def test_without_a_token_nothing_is_published(here, monkeypatch):
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    page = here / "tiny" / "README.md"
    before = page.stat().st_mtime_ns
    done = command("publish", "tiny", "--to", "hf://me/records")
    assert done.code == 2
    assert "no token of Hugging Face is known here; run `hf auth login`, or set HF_TOKEN" in done.err
    assert page.stat().st_mtime_ns == before


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(hub, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r'needs huggingface_hub: pip install "finetune-harness\[hub\]"'):
        hub_target("hf://me/records")
