import json

import pytest

from harness.errors import UserError
from harness.report.base_copies import copy, read_copy
from harness.store import outputs
from harness.store.manifests import MANIFEST
from harness.store.seal import sealed


@pytest.fixture
def made(board, train_base):
    return train_base(board, "net", "b" * 64)


def test_a_copy_is_read_under_any_name_by_its_key(made, tmp_path):
    copy(made, tmp_path / "net")
    found = read_copy(tmp_path / "net", made.folder.name)
    assert (found.facts, found.files) == (made.facts, made.files)
    assert read_copy(tmp_path / "net", "of another base") is None
    assert read_copy(tmp_path / "absent", made.folder.name) is None


def test_files_are_compared_with_their_hashes_where_they_are_used(made, tmp_path):
    copy(made, tmp_path / "net")
    (tmp_path / "net" / "weights.safetensors").unlink()
    assert read_copy(tmp_path / "net", made.folder.name, compares_files=False) is not None
    with pytest.raises(UserError, match=r"net: damaged: weights.safetensors: No such file"):
        read_copy(tmp_path / "net", made.folder.name)


@pytest.mark.parametrize("schema", [1, 2])
def test_a_manifest_that_was_edited_is_damaged_and_one_of_an_older_version_says_nothing(made, tmp_path, schema):
    copy(made, tmp_path / "net")
    manifest = tmp_path / "net" / MANIFEST
    content = {name: value for name, value in json.loads(manifest.read_text()).items() if name != "sha256"}
    if schema == 1:
        content.pop("schema")
        manifest.write_text(json.dumps(content))
    else:
        manifest.write_text(sealed(content).replace('"parameters": 5', '"parameters": 6'))
    fault = "its manifest has no checksum" if schema == 1 else "its checksum does not match"
    with pytest.raises(UserError, match=fault):
        read_copy(tmp_path / "net", made.folder.name)


def test_what_is_there_stays(made, tmp_path):
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "mine").write_text("")
    copy(made, tmp_path / "net")
    assert [path.name for path in (tmp_path / "net").iterdir()] == ["mine"]


def test_a_manifest_without_the_facts_of_a_base_is_damaged(runs, tmp_path):
    empty = outputs.once(runs, "base", "0123", lambda _: {})
    copy(empty, tmp_path / "net")
    with pytest.raises(UserError, match=r"net: damaged: no facts of a base in its manifest"):
        read_copy(tmp_path / "net", "0123")
