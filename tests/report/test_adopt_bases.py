import pytest

from harness.errors import UserError
from harness.report.adopt_bases import adopt, adoptable, others
from harness.report.publish import plan
from harness.report.published_bases import bases_folder
from harness.store import outputs
from harness.store.lease import lease
from harness.store.runs_folder import RunsFolder

PUBLISHED, OTHER = "b" * 64, "c" * 64


@pytest.fixture
def published(board, runs, train_base):
    """The base `net` of the standard board, published from the fixture's runs folder."""
    train_base(board, "net", PUBLISHED)
    plan(board, runs, bases=True).apply()
    return next(base for base in board.bases if base.name == "net")


@pytest.fixture
def new(tmp_path):
    """The runs folder of another machine."""
    return RunsFolder(tmp_path / "new")


def test_an_adopted_base_is_an_output_of_the_runs_folder(board, runs, published, new):
    assert [base.name for base, _ in adoptable(board, new)] == ["net"]
    assert adopt(board, new) == 1
    found, made = outputs.find(new, "base", published.key), outputs.find(runs, "base", published.key)
    assert (found.facts, found.files) == (made.facts, made.files)
    assert adopt(board, new) == 0


def test_a_base_that_was_trained_here_stays_and_is_named_where_its_weights_are_others(board, published, new, train_base):
    train_base(board, "net", OTHER, runs=new)
    assert adopt(board, new) == 0
    assert outputs.find_facts(new, "base", published.key)["weights_sha256"] == OTHER
    (line,) = others(board, new)
    assert line.startswith(f"base net: {new.root} has other weights than are published, and cells start from those; ")


def test_the_same_base_is_no_other(board, published, runs):
    assert list(others(board, runs)) == []


def test_a_published_base_takes_the_place_of_a_damaged_one(board, published, new, train_base):
    damaged = train_base(board, "net", PUBLISHED, runs=new)
    (damaged.folder / "weights.safetensors").write_bytes(b"")
    assert adopt(board, new) == 1
    assert outputs.find(new, "base", published.key) is not None
    assert len(list(damaged.folder.parent.iterdir())) == 2  # the damaged one is set aside


def test_checkpoints_of_a_base_that_is_adopted_are_set_aside(board, published, new):
    work = new.work("base", published.key)
    work.mkdir(parents=True)
    adopt(board, new)
    assert not work.exists()


def test_a_base_that_another_process_trains_is_left_to_it(board, published, new):
    with lease(new.lease("base", published.key), wait=False):
        assert adopt(board, new) == 0


def test_a_base_that_is_to_be_made_anew_is_not_adopted(board, published, new):
    note = new.fresh("base", published.key)
    note.parent.mkdir(parents=True)
    note.write_text("{}")
    assert adopt(board, new) == 0


def test_a_damaged_published_base_is_refused_before_anything_is_copied(board, published, new):
    folder = bases_folder(board) / "net"
    (folder / "weights.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=r"net: damaged: weights.* restore the folder, or remove it: the base is trained then"):
        adopt(board, new)
    assert not new.root.exists()


def test_a_base_of_other_settings_is_none(board, published, load, new):
    edited = load(
        (" net, pretrain: {method: fit, training: {images: 1280", " net, pretrain: {method: fit, training: {images: 2560")
    )
    assert adopt(edited, new) == 0
