"""Values of arguments complete in the shell."""

from pathlib import Path

import pytest

from harness.cli.arguments import board_names, component_names, each_once, kind_names


def test_a_board_that_is_named_again_counts_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    boards = ["a", "./a/", "b/board.yaml", "b", str(tmp_path / "a"), "c"]
    assert each_once(list(map(Path, boards))) == [Path("a"), Path("b/board.yaml"), Path("c")]


@pytest.fixture
def complete(shell):
    """Asks `harness` to complete a command line, as bash does."""

    def completions(words):
        bash = {"_HARNESS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        return shell(**bash).stdout.split()

    return completions


@pytest.mark.parametrize(
    ("words", "completion"),
    [
        ("harness ru", "run"),
        ("harness run lea", "leaderboards/small"),
        ("harness validate lea", "leaderboards/small"),
        ("harness show dd", "ddo"),
        ("harness show ddpm-ci", "ddpm-cifar10"),
        ("harness show met", "method"),
        ("harness list met", "methods"),
    ],
)
def test_a_shell_completes_commands_boards_and_components(complete, words, completion):
    completions = complete(words)
    assert completion in [str(Path(text)) for text in completions]
    assert all(text.startswith(words.rpartition(" ")[2]) for text in completions)


def test_a_shell_completes_runs_folders(complete, folder):
    assert complete("harness run leaderboards/small --runs-dir leader") == ["leaderboards/"]
    assert complete(f"harness run leaderboards/small --runs-dir {folder.parent}/s") == [f"{folder}/"]


@pytest.mark.parametrize("verb", ["run", "status", "publish"])
def test_an_empty_runs_folder_is_refused_since_it_would_be_the_current_one(shell, folder, verb):
    before = sorted(Path().rglob("*"))
    done = shell(verb, folder, "--runs-dir", "")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --runs-dir: names no folder; give one, or leave the option out")
    assert sorted(Path().rglob("*")) == before


def test_only_folders_with_a_board_are_boards(folder):
    (folder.parent / "empty").mkdir()
    assert list(board_names("")) == ["leaderboards/small"]
    assert list(board_names("leaderboards/x")) == []


def test_kinds_are_listed_in_the_plural_and_presets_and_boards_among_them():
    assert list(kind_names("m")) == ["models", "methods", "metrics"]
    assert {"presets", "boards"} < set(kind_names(""))


def test_components_of_every_kind_and_presets_complete_once():
    names = list(component_names(""))
    assert {"ddo", "fid", "swiss-roll", "local", "inception", "ddpm-cifar10", "sampler"} <= set(names)
    assert names == sorted(set(names))
