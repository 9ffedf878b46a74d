"""The file of a tokenizer in the settings of `var` and `maskgit`: from the board's folder, and pinned by its hash."""

import hashlib
from typing import Any

import pydantic
import pytest
import torch
from safetensors.torch import save_file

from harness.board.components import Resolved
from harness.components import ModelUsage
from harness.interfaces import DataSpec
from harness.paths import board_context
from harness.run import setting_paths
from harness.store.runs_folder import RunsFolder
from harness_maskgit import MaskGITConfig
from harness_maskgit import check as maskgit_check
from harness_maskgit import harness_models as maskgit_models
from harness_maskgit.model import build as build_maskgit
from harness_var import VARConfig
from harness_var import check as var_check
from harness_var import harness_models as var_models
from harness_var.model import build as build_var

IMAGES = DataSpec((1, 16, 16), 4, "images")
FAMILIES: dict[str, Any] = {
    "var": (VARConfig, build_var, var_check, var_models),
    "maskgit": (MaskGITConfig, build_maskgit, maskgit_check, maskgit_models),
}


@pytest.fixture(params=FAMILIES)
def family(request):
    return FAMILIES[request.param]


def written(build, config, path, seed):
    """Write the file of a tokenizer. Returns: its hash."""
    torch.manual_seed(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(build(config(), IMAGES).tokenizer.state_dict(), path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_begins_at_the_boards_folder_wherever_the_command_runs(family, tmp_path, monkeypatch):
    config, build, check, _ = family
    sha256 = written(build, config, tmp_path / "boards/one/tok.safetensors", 0)
    written(build, config, tmp_path / "tok.safetensors", 1)
    monkeypatch.chdir(tmp_path)
    tokenizer = {"weights": "tok.safetensors", "sha256": sha256}
    settings = config.model_validate({"tokenizer": tokenizer}, context=board_context(tmp_path / "boards/one"))
    check.fits(settings, ModelUsage(IMAGES))
    assert settings.identity["tokenizer"]["weights"] == "one/tok.safetensors"
    assert check.tokenizer_file(settings.tokenizer).path == tmp_path / "boards/one/tok.safetensors"


def test_a_file_without_a_hash_is_refused_with_the_hash_that_it_has(family, tmp_path):
    config, build, _, _ = family
    sha256 = written(build, config, tmp_path / "one/tok.safetensors", 0)
    with pytest.raises(pydantic.ValidationError, match=f"no hash pins it: write beside `weights` `sha256: {sha256}`"):
        config.model_validate({"tokenizer": {"weights": "tok.safetensors"}}, context=board_context(tmp_path / "one"))
    with pytest.raises(pydantic.ValidationError, match="should match pattern"):
        config(tokenizer={"weights": "tok.safetensors", "sha256": "abc"})


def test_a_tokenizer_that_is_trained_anew_and_that_of_another_board_are_others_to_keys(family, tmp_path):
    config, build, _, models = family
    (model,) = models()

    def identity(parent, seed):
        sha256 = written(build, config, tmp_path / parent / "board/tok.safetensors", seed)
        tokenizer = {"weights": "tok.safetensors", "sha256": sha256}
        settings = config.model_validate({"tokenizer": tokenizer}, context=board_context(tmp_path / parent / "board"))
        resolved = Resolved(model, settings, "fake", "1/1")
        (path,) = setting_paths.of_components([resolved], RunsFolder(tmp_path / "runs"))
        assert path.file == tmp_path / parent / "board/tok.safetensors"
        return resolved.identity

    first = identity("a", 0)
    assert identity("a", 0) == identity("b", 0) == first
    assert identity("a", 1) != first
    assert identity("b", 1) != first
