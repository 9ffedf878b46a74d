import pytest

from harness.errors import UserError
from harness.report.adopt_bases import adopt, adoptable, mismatches, seconds
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
    assert [base.name for base, _ in adoptable(board, board.cells, new)] == ["net"]
    assert adopt(board, board.cells, new) == 1
    found, made = outputs.find(new, "base", published.key), outputs.find(runs, "base", published.key)
    assert (found.facts, found.files) == (made.facts, made.files)
    assert adopt(board, board.cells, new) == 0


def test_a_base_that_was_trained_here_stays_and_is_named_where_its_weights_are_others(board, published, new, train_base):
    train_base(board, "net", OTHER, runs=new)
    assert adopt(board, board.cells, new) == 0
    assert outputs.find_facts(new, "base", published.key)["weights_sha256"] == OTHER
    (line,) = mismatches(board, board.cells, new)
    assert line.startswith(f"base net: {new.root} has other weights than are published, and cells use those; ")


def test_what_a_published_base_took_is_known_before_it_is_copied(board, published):
    assert seconds(board) == {published.key: 12.5}
    (bases_folder(board) / "net" / "manifest.json").write_text("damaged")
    assert seconds(board) == {}


def test_the_same_base_is_no_other(board, published, runs):
    assert list(mismatches(board, board.cells, runs)) == []


def test_a_published_base_takes_the_place_of_a_damaged_one(board, published, new, train_base):
    damaged = train_base(board, "net", PUBLISHED, runs=new)
    (damaged.folder / "weights.safetensors").write_bytes(b"")
    assert adopt(board, board.cells, new) == 1
    assert outputs.find(new, "base", published.key) is not None
    assert len(list(damaged.folder.parent.iterdir())) == 2  # the damaged one is set aside


def test_checkpoints_of_a_base_that_is_adopted_are_set_aside(board, published, new):
    work = new.work("base", published.key)
    work.mkdir(parents=True)
    adopt(board, board.cells, new)
    assert not work.exists()


def test_a_base_that_another_process_trains_is_left_to_it(board, published, new):
    with lease(new.lease("base", published.key), wait=False):
        assert adopt(board, board.cells, new) == 0


def test_a_base_that_is_to_be_made_anew_is_not_adopted(board, published, new):
    note = new.fresh("base", published.key)
    note.parent.mkdir(parents=True)
    note.write_text("{}")
    assert adopt(board, board.cells, new) == 0


def test_a_damaged_published_base_is_refused_before_anything_is_copied(board, published, new):
    folder = bases_folder(board) / "net"
    (folder / "weights.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match=r"net: damaged: weights.* restore the folder, or remove it: the base is trained then"):
        adopt(board, board.cells, new)
    assert not new.root.exists()


def test_a_base_of_other_settings_is_none(board, published, load, new):
    edited = load(
        (" net, pretrain: {method: fit, training: {images: 1280", " net, pretrain: {method: fit, training: {images: 2560")
    )
    assert adopt(edited, edited.cells, new) == 0


def test_only_bases_that_the_chosen_cells_need_are_taken(board, published, new):
    chain = [cell for cell in board.cells if cell.base.name == "chain"]
    assert adopt(board, chain, new) == 0
    folder = bases_folder(board) / "net"
    (folder / "weights.safetensors").write_bytes(b"")
    assert adopt(board, chain, new) == 0  # a damaged one that nobody needs is in nobody's way
    assert adopt(board, board.cells, RunsFolder(new.root.with_name("runs"))) == 0  # nor where the base is there


def test_a_published_base_of_other_weights_than_the_published_records_is_not_taken(board, published, publish_records, new):
    """As after a merge of two publications: a new row would start from other weights than all others of its board."""
    publish_records(board, base_weights_sha256=OTHER)
    assert adopt(board, board.cells, new) == 0
    (line,) = mismatches(board, board.cells, new)
    assert line.endswith(f"net is not taken: its weights are {PUBLISHED[:12]}, and the records are of {OTHER[:12]}")


def test_records_here_that_call_another_base_are_compared_with_it(board, published, run_records, new):
    other = next(cell for cell in board.cells if cell.base.name == "chain")
    run_records(board, new, [other], called_weights_sha256={published.key: OTHER})
    adopt(board, board.cells, new)
    (line,) = mismatches(board, board.cells, new)
    assert f"other weights than are published: {other.name}; " in line
    assert line.endswith("make these cells anew (--fresh base=chain)")  # base=net would not choose that cell


def test_records_here_that_start_from_other_weights_are_named(board, published, run_records, new):
    """The base that they started from is gone, and the published one was taken in its place: the cells stay done."""
    (first, second) = [cell for cell in board.cells if cell.base.name == "net" and cell.method_name == "fit"][:2]
    run_records(board, new, [first], base_weights_sha256=OTHER)
    run_records(board, new, [second], base_weights_sha256=PUBLISHED)
    adopt(board, board.cells, new)
    (line,) = mismatches(board, board.cells, new)
    assert f"other weights than are published: {first.name}; " in line
    assert line.endswith("make these cells anew (--fresh base=net)")
