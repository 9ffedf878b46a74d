import pytest

from harness.report.passed_over import passed_over
from harness.report.publish import plan
from harness.report.published_bases import current, faults, trained
from harness.report.render import render_published
from harness.store import outputs
from harness.store.board_folder import BoardFolder
from harness.store.manifests import MANIFEST

OF_RECORDS, OTHER = "b" * 64, "c" * 64


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def bases(board):
    return BoardFolder(board.folder).bases


@pytest.fixture
def publish(board, runs):
    """Publishes the board, with its bases unless a test says otherwise; returns the plan for the bases."""

    def publish(*, bases=True, of=board):
        publication = plan(of, runs, bases=bases)
        publication.apply()
        return publication.bases

    return publish


def test_a_published_base_is_the_output_of_the_runs_folder_byte_by_byte(board, bases, runs, run_records, train_base, publish):
    run_records(board, runs)
    made = [train_base(board, name, OF_RECORDS) for name in ("net", "chain")]
    planned = publish()
    assert planned.remarks == planned.removed == ()
    assert planned.megabytes == pytest.approx(sum(len(data) for each in made for data in contents(each.folder).values()) / 1e6)
    assert {path.name: contents(path) for path in bases.iterdir()} == {
        name: contents(each.folder) for name, each in zip(("net", "chain"), made, strict=True)
    }
    assert publish().copies == {}  # they are there already


def test_without_the_option_no_base_is_published_and_published_ones_stay(board, bases, runs, run_records, train_base, publish):
    run_records(board, runs)
    train_base(board, "net", OF_RECORDS)
    assert publish(bases=False).copies == {}
    assert not bases.exists()
    publish()
    before = contents(bases)
    assert publish(bases=False).removed == ()
    assert contents(bases) == before != {}


def test_a_base_that_the_runs_folder_lacks_is_named_and_a_published_one_stays(board, runs, run_records, train_base, publish):
    run_records(board, runs)
    net = train_base(board, "net", OF_RECORDS)
    chain = f"base chain is not published: {runs.root} does not have it"
    assert publish().remarks == (chain,)
    (net.folder / MANIFEST).unlink()
    planned = publish()
    assert planned.remarks == (chain,)
    assert planned.removed == ()


def test_weights_that_no_record_starts_from_are_not_published(board, bases, runs, run_records, train_base, publish):
    """A base that was trained again here would else stand beside records of other weights, as theirs."""
    run_records(board, runs)
    train_base(board, "net", OTHER)
    said = f"base net is not published: its weights are {OTHER[:12]}, and the records are of {OF_RECORDS[:12]}"
    assert said in publish().remarks
    assert not bases.exists()


def test_a_published_base_goes_when_records_of_other_weights_take_the_place_of_its_own(
    board, bases, runs, run_records, train_base, publish
):
    run_records(board, runs)
    train_base(board, "net", OF_RECORDS)
    publish()
    run_records(board, runs, base_weights_sha256=OTHER)
    assert publish(bases=False).removed == ("net",)
    assert not list(bases.iterdir())


def test_a_base_of_a_board_without_records_is_published(board, bases, train_base, publish):
    """So a board of many days can leave its bases to the next machine before its first cell is done."""
    train_base(board, "net", OTHER)
    publish()
    assert [path.name for path in bases.iterdir()] == ["net"]


def test_a_base_of_several_seeds_is_published_once_for_each(load, runs, train_base, publish):
    board = load(("images: 1280}}}\n  chain", "images: 1280}, seeds: [4, 5, 6]}}\n  chain"))
    assert list(trained(board)) == ["net__s4", "net__s5", "net__s6", "chain"]
    train_base(board, "net", OTHER, seed=5)
    assert list(publish(of=board).copies) == ["net__s5"]


def test_bases_of_one_network_are_one_training(load):
    board = load(("  chain: {label: Chain, model: chain", "  twin: {label: Twin, model: net"))
    assert list(trained(board)) == ["net"]


def test_the_page_names_the_bases_that_stand_beside_it(board, runs, run_records, train_base, publish):
    run_records(board, runs)
    publish()
    assert "pretrained bases" not in render_published(board).page
    train_base(board, "net", OF_RECORDS)
    publish()
    assert "The weights of 1 of its 2 pretrained bases are in [bases](bases): `harness run" in render_published(board).page
    train_base(board, "chain", OF_RECORDS)
    publish()
    page = render_published(board).page
    assert "The weights of its pretrained bases are in [bases](bases): `harness run" in page
    assert "--keep-published` starts from them." in page


def test_a_damaged_published_base_is_a_fault(board, bases, collection, runs, train_base, publish):
    train_base(board, "net", OF_RECORDS)
    publish()
    assert faults(collection) == []
    (bases / "net" / "weights.safetensors").write_bytes(b"other")
    assert faults(collection) == [f"{bases / 'net'}: damaged: weights.safetensors does not match its checksum"]
    assert current(board) == 1  # the page does not read weights


def test_a_published_base_of_other_weights_than_the_records_is_a_fault(board, bases, collection, runs, train_base):
    outputs.copy(train_base(board, "net", OTHER), bases / "net")
    said = f"{bases / 'net'}: its weights are {OTHER[:12]}, and the records are of {OF_RECORDS[:12]}"
    assert faults(collection) == [said]


def test_a_base_of_older_settings_and_a_strange_folder_count_for_nothing(load, board, bases, runs, train_base, publish):
    train_base(board, "net", OTHER)
    publish()
    (bases / "mine").mkdir()
    edited = load(
        (" net, pretrain: {method: fit, training: {images: 1280", " net, pretrain: {method: fit, training: {images: 2560")
    )
    collection = render_published(edited).content.collection
    assert passed_over(collection)[:2] == [
        f"{bases / name}: no base of the board as it is now; it counts for nothing" for name in ("mine", "net")
    ]
    assert current(edited) == 0
    assert faults(collection) == []
    assert publish(of=edited, bases=False).removed == ("mine", "net")
