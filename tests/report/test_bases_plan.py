import pytest

from harness.errors import UserError
from harness.report.adopt_bases import adopt
from harness.report.passed_over import passed_over
from harness.report.publish import plan
from harness.report.published_bases import trained
from harness.report.render import render_published
from harness.store import outputs
from harness.store.manifests import MANIFEST
from harness.store.runs_folder import RunsFolder

OF_RECORDS, OTHER = "b" * 64, "c" * 64


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_published_base_is_the_output_byte_by_byte(board, bases_folder, runs, run_records, train_base, publish_bases):
    run_records(board, runs)
    made = [train_base(board, name, OF_RECORDS) for name in ("net", "chain")]
    planned = publish_bases()
    assert planned.remarks == ()
    assert planned.removed == {}
    assert planned.megabytes == pytest.approx(sum(len(data) for each in made for data in contents(each.folder).values()) / 1e6)
    assert {path.name: contents(path) for path in bases_folder.iterdir()} == {
        name: contents(each.folder) for name, each in zip(("net", "chain"), made, strict=True)
    }
    assert publish_bases().copies == {}  # they are there already


def test_without_the_option_no_base_comes_and_none_goes(board, bases_folder, runs, run_records, train_base, publish_bases):
    run_records(board, runs)
    train_base(board, "net", OF_RECORDS)
    assert publish_bases(bases=False).copies == {}
    assert not bases_folder.exists()
    publish_bases()
    before = contents(bases_folder)
    assert publish_bases(bases=False).removed == {}
    assert contents(bases_folder) == before != {}


def test_a_base_that_is_not_here_is_named_and_a_published_one_stays(board, runs, run_records, train_base, publish_bases):
    run_records(board, runs)
    net = train_base(board, "net", OF_RECORDS)
    chain = f"base chain is not published: {runs.root} does not have it"
    assert publish_bases().remarks == (chain,)
    (net.folder / MANIFEST).unlink()
    planned = publish_bases()
    assert planned.remarks == (chain,)
    assert planned.removed == {}


def test_weights_that_no_record_starts_from_are_not_published(board, bases_folder, runs, run_records, train_base, publish_bases):
    """A base that was trained again here would else stand beside records of other weights, as theirs."""
    run_records(board, runs)
    train_base(board, "net", OTHER)
    said = f"base net is not published: its weights are {OTHER[:12]}, and the records are of {OF_RECORDS[:12]}"
    assert said in publish_bases().remarks
    assert not bases_folder.exists()


def test_a_published_base_goes_when_records_of_other_weights_take_the_place_of_its_own(
    board, bases_folder, runs, run_records, train_base, publish_bases
):
    run_records(board, runs)
    train_base(board, "net", OF_RECORDS)
    publish_bases()
    run_records(board, runs, base_weights_sha256=OTHER)
    reason = f"its weights are {OF_RECORDS[:12]}, and the records are of {OTHER[:12]}"
    assert publish_bases(bases=False).removed == {"net": reason}
    assert not list(bases_folder.iterdir())


def test_a_base_of_a_board_without_records_is_published(board, bases_folder, train_base, publish_bases):
    """So a board of many days can leave its bases to the next machine before its first cell is done."""
    train_base(board, "net", OTHER)
    publish_bases()
    assert [path.name for path in bases_folder.iterdir()] == ["net"]


def test_a_base_of_several_seeds_is_published_once_for_each(load, runs, train_base, publish_bases):
    board = load(("images: 1280}}}\n  chain", "images: 1280}, seeds: [4, 5, 6]}}\n  chain"))
    assert list(trained(board)) == ["net__s4", "net__s5", "net__s6", "chain"]
    train_base(board, "net", OTHER, seed=5)
    assert list(publish_bases(of=board).copies) == ["net__s5"]


STEPS = "pretrain: [{method: fit, training: {images: 1280}, seed: 3}, {method: fit, training: {images: 1280}, seeds: [4, 5, 6]}]"


def test_a_step_that_bases_share_is_published_until_all_of_them_are(load, runs, train_base, publish_bases, tmp_path):
    """A tokenizer of which one of three transformers is trained: the next machine must not train another tokenizer."""
    board = load((" net, pretrain: {method: fit, training: {images: 1280}}", f" net, {STEPS}"))
    (tokenizer,) = {base.origin.after.key for base in board.bases if base.name == "net"}
    outputs.once(runs, "base", tokenizer, lambda _: {"weights_sha256": OTHER, "parameters": 5})
    train_base(board, "net", OTHER, seed=4)
    assert list(publish_bases(of=board).copies) == ["net__s4", "net__s5__step1"]
    new = RunsFolder(tmp_path / "new")
    assert adopt(board, board.cells, new) == 2
    assert outputs.find(new, "base", tokenizer) is not None
    assert passed_over(render_published(board).content.collection) == []
    train_base(board, "net", OTHER, seed=5)
    assert list(publish_bases(of=board).copies) == ["net__s5", "net__s6__step1"]
    train_base(board, "net", OTHER, seed=6)
    planned = publish_bases(of=board)
    assert (list(planned.copies), planned.removed) == (["net__s6"], {"net__s6__step1": "a step that no base needs any more"})


def test_a_published_base_stays_where_most_records_start_from_it_and_the_runs_folder_has_another(
    board, bases_folder, runs, run_records, train_base, publish_bases, tmp_path
):
    """A new row of one machine took the place of the base that all other rows start from."""
    run_records(board, runs)
    train_base(board, "net", OF_RECORDS)
    publish_bases()
    before = contents(bases_folder)
    new = RunsFolder(tmp_path / "new")
    train_base(board, "net", OTHER, runs=new)
    run_records(board, new, board.cells[:1], base_weights_sha256=OTHER)
    publication = plan(board, new, bases=True)
    publication.apply()
    assert f"base net: the published weights stay, and {new.root} has others" in publication.bases.remarks
    assert contents(bases_folder) == before


def test_a_step_stays_beside_a_base_that_stays(load, runs, run_records, train_base, publish_bases, tmp_path):
    """Else bases of one tokenizer would go on from two."""
    board = load((" net, pretrain: {method: fit, training: {images: 1280}}", f" net, {STEPS}"))
    step = board.bases[0].origin.after
    outputs.once(runs, "base", step.key, lambda _: {"weights_sha256": OF_RECORDS, "parameters": 5})
    train_base(board, "net", OF_RECORDS, seed=4)
    run_records(board, runs, [cell for cell in board.cells if cell.base.paired_seed == 4])
    publish_bases(of=board)
    new = RunsFolder(tmp_path / "new")
    outputs.once(new, "base", step.key, lambda _: {"weights_sha256": OTHER, "parameters": 5})
    publication = plan(board, new, bases=True)
    assert publication.bases.copies == {}
    assert [line for line in publication.bases.remarks if line.endswith("others")] == [
        f"base {step.full_name}: the published weights stay, and {new.root} has others"
    ]


@pytest.mark.parametrize(
    "make", [lambda path: path.write_text("mine"), lambda path: path.mkdir(), lambda path: path.symlink_to("x")]
)
def test_what_is_somebodys_own_is_not_replaced(board, bases_folder, train_base, runs, make):
    train_base(board, "net", OTHER)
    bases_folder.mkdir()
    make(bases_folder / "net")
    with pytest.raises(UserError, match=r"bases/net: no published base, and one must stand there; move it away"):
        plan(board, runs, bases=True)


def test_a_file_in_place_of_the_folder_is_refused_before_anything_is_written(board, bases_folder, train_base, runs):
    train_base(board, "net", OTHER)
    bases_folder.write_text("mine")
    with pytest.raises(UserError, match=r"bases: a file stands where a folder must be; move it away"):
        plan(board, runs, bases=True)


def test_a_damaged_published_base_stays_until_another_takes_its_place(board, bases_folder, train_base, publish_bases):
    train_base(board, "net", OTHER)
    publish_bases()
    (bases_folder / "net" / "weights.safetensors").write_bytes(b"")
    assert publish_bases(bases=False).removed == {}
    assert list(publish_bases().copies) == ["net"]


def test_a_board_that_trains_no_base_has_none_to_publish(data_board, publish_bases):
    assert publish_bases(of=data_board).remarks == ("no base of the board is pretrained: there are no weights to publish",)
