from dataclasses import replace

import pytest

import harness_edm
import harness_var
from harness.interfaces import DataSpec
from harness.report.collect import collect_published
from harness.report.remarks import remarks
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import save_record

SKIPPED = "skipped: Chain × tune: chain lacks Likelihood, which tune needs"
SEEDS = (
    "net, chain: cells share the seed 0 with the pretraining of their base, so that training draws batches in the order of the "
    "pretraining, and continued pretraining draws its noise again; other seeds avoid it"
)
"""The board's seeds are 0, 1 and 2, and its bases are pretrained from seed 0."""


@pytest.fixture
def cells(board):
    return {cell.name: cell for cell in board.cells}


@pytest.fixture
def remarks_now(board):
    """Returns the remarks on what is published now."""
    return lambda: remarks(collect_published(board))


def test_a_whole_board_has_remarks_on_skipped_rows_alone(board, publish_records, remarks_now):
    publish_records(board)
    assert remarks_now() == [SKIPPED, SEEDS]


@pytest.mark.parametrize("how", ["", "evenly spaced"])
def test_a_floor_that_no_model_reaches_is_named(board, publish_records, how):
    publish_records(board)
    component = replace(board.dataset.component, stratified=lambda _: how)
    board = replace(board, dataset=replace(board.dataset, component=component))
    expected = (
        "floor: no model reaches it. Draws of ring are stratified (evenly spaced): two of them are more alike than independent "
        "draws, which samples of a model are. A row without † may be perfect"
    )
    assert remarks(collect_published(board)) == ([expected] if how else []) + [SKIPPED, SEEDS]


@pytest.mark.parametrize(("follows", "who"), [(("net", "chain"), "the models"), (("net",), "net"), ((), None)])
def test_models_that_follow_labels_are_said_to_have_another_floor(board, publish_records, monkeypatch, follows, who):
    publish_records(board)
    monkeypatch.setattr("harness.report.remarks._follows_labels", lambda base: base.name in follows)
    monkeypatch.setattr("harness.report.remarks.spec_of", lambda _: DataSpec((2,), classes=2))
    expected = (
        f"floor: real draws have classes as they fall, and {who} generate a fixed number of each, by labels. A perfect such "
        "model lies below the floor: † may stand where a model is worse than a perfect one, and ‡ where it is perfect"
    )
    assert remarks(collect_published(board)) == ([expected] if who else []) + [SKIPPED, SEEDS]
    monkeypatch.setattr("harness.report.remarks.spec_of", lambda _: DataSpec((2,)))
    assert remarks(collect_published(board)) == [SKIPPED, SEEDS]


def test_which_networks_follow_labels_goes_by_their_settings():
    models = {component.name: component for component in (*harness_edm.harness_models(), *harness_var.harness_models())}
    unet = models["edm-unet"]
    settings = [unet.config.model_validate({"is_conditional": value}) for value in (True, False)]
    assert [unet.takes_labels(config) for config in settings] == [True, False]
    assert [models[name].takes_labels(models[name].config()) for name in ("var", "edm-mlp")] == [True, False]


def test_rows_that_have_some_seeds_of_the_board_only_are_named(load, publish_records):
    board = load(("tune:\n", "tune:\n    only: seed=0,1\n"))
    publish_records(board)
    assert (
        "seeds 0, 1 of 0–2 only: Net × tune. Seeds differ in how hard they are: such a mean compares with others by paired "
        "differences alone"
    ) in remarks(collect_published(board))


def test_rows_of_a_sampler_that_has_some_seeds_are_named_with_it(load, publish_records):
    samplers = "samplers: {plain: {name: draw, label: Plain}, short: {name: push, label: Short, only: 'seed=0,1'}}"
    board = load(("draws: 2}", f"draws: 2, {samplers}}}"))
    publish_records(board)
    (line,) = [line for line in remarks(collect_published(board)) if line.startswith("seeds 0, 1 of 0–2 only")]
    assert "Net × more of it, Short" in line
    assert "Plain" not in line


def test_cells_and_floors_that_did_not_run_are_named(board, remarks_now):
    assert remarks_now() == [
        "not run yet: " + ", ".join(cell.name for cell in board.cells if cell.skip_reason is None),
        "floor not run yet: distance, likeness",
        SKIPPED,
        SEEDS,
    ]


def test_what_was_made_of_weights_of_an_older_version_is_named(board, publish_records, cells, remarks_now):
    publish_records(board)
    publish_records(board, [cells["net/fit/s1"]], unsealed=["finetune"])
    words = "made of weights of an older version, whose costs and curve had no checksum: net/fit/s1"
    assert remarks_now() == [words, SKIPPED, SEEDS]


def test_a_stale_cell_is_named_once(board, publish_records, cells, remarks_now):
    publish_records(board)
    publish_records(board, [cells["net/none/s0"]], key="0" * 24)
    assert remarks_now() == ["stale: net/none/s0, made by older settings or plugin versions", SKIPPED, SEEDS]


def test_a_file_with_a_smoke_record_or_that_of_another_says_so(board, publish_records, make_record, cells, remarks_now):
    publish_records(board)
    publish_records(board, [cells["net/none/s0"]], is_smoke=True)
    other = make_record(cells["net/tune/s0"], method="<tune>")
    save_record(other, BoardFolder(board.folder).record(RecordName("cell", "net/fit/s0")))
    words = "net/none/s0 (its file holds a smoke record), net/fit/s0 (its file holds the record of another, net/&lt;tune>/s0)"
    assert remarks_now() == [f"no result: {words}", SKIPPED, SEEDS]


def test_a_stale_floor_is_named_as_a_floor(board, publish_records, make_floor, remarks_now):
    publish_records(board)
    older = make_floor(board, board.floors[1]).model_copy(update={"key": "0" * 24})
    save_record(older, BoardFolder(board.folder).record(RecordName("floor", "likeness")))
    assert remarks_now()[:2] == [
        "stale: floor of likeness, made by older settings or plugin versions",
        "floor not run yet: likeness",
    ]


def test_cells_that_ended_badly_are_named_with_the_first_line_of_the_reason(board, publish_records, cells, remarks_now):
    publish_records(board)
    publish_records(board, [cells["net/fit/s0"]], status="diverged", metrics={}, reason="\nloss is nan\nat step 3")
    publish_records(board, [cells["net/fit/s1"]], status="failed", metrics={}, reason="boom")
    publish_records(board, [cells["net/fit/s2"]], status="failed", metrics={})
    assert remarks_now() == [
        "failed: net/fit/s1: boom",
        "failed: net/fit/s2",
        "diverged: net/fit/s0: loss is nan",
        SKIPPED,
        SEEDS,
    ]


def test_cells_of_the_same_reason_share_a_line(board, publish_records, remarks_now):
    publish_records(board)
    publish_records(board, board.cells[:2], status="failed", metrics={}, reason="boom\nat step 1")
    publish_records(board, board.cells[2:3], status="failed", metrics={}, reason="boom\nat step 2")
    assert remarks_now()[0] == "failed: net/none/s0, net/none/s1, net/none/s2: boom"


def test_a_base_that_was_pretrained_twice_is_named_with_its_methods(board, publish_records, cells, remarks_now):
    publish_records(board, [cells["net/none/s0"], cells["net/none/s1"]], base_weights_sha256="a" * 64)
    assert not any("pretrained" in remark for remark in remarks_now())
    publish_records(board, [cells["net/fit/s0"], cells["net/tune/s0"]], base_weights_sha256="b" * 64)
    assert (
        "Net was pretrained 2 times with the same settings, and the weights differ: "
        "base from `aaaaaaaaaaaa`; more of it, tune from `bbbbbbbbbbbb`" in remarks_now()
    )


def test_a_base_that_samplers_call_with_two_weights_is_named(board, publish_records, cells):
    """Two guides of the same settings in one row could not be told."""
    guide = next(base for base in board.bases if base.name == "chain")
    for seed, weights in ((0, "a"), (1, "a"), (2, "b")):
        publish_records(board, [cells[f"net/fit/s{seed}"]], called_weights_sha256={guide.key: weights * 64})
    guided = [
        replace(cell, row=replace(cell.row, base=replace(cell.base, origin=replace(cell.base.origin, sampler=sampler))))
        for cell in board.cells
        if cell.base.name == "net"
        for sampler in [replace(cell.base.origin.sampler, bases=(guide,))]
    ]
    collection = collect_published(board)
    collection = replace(collection, board=replace(board, cells=tuple(guided)))
    (remark,) = [remark for remark in remarks(collection) if "pretrained" in remark]
    assert remark == (
        "Chain was pretrained 2 times with the same settings, and the weights differ: "
        "more of it from `aaaaaaaaaaaa`; more of it from `bbbbbbbbbbbb`"
    )


def test_two_bases_of_one_label_are_no_base_that_was_pretrained_twice(board, publish_records, cells):
    publish_records(board, [cells["net/none/s0"]], base_weights_sha256="a" * 64)
    publish_records(board, [cells["chain/none/s0"]], base_weights_sha256="b" * 64)
    alike = [replace(cell, row=replace(cell.row, base=replace(cell.base, label="Net"))) for cell in board.cells]
    collection = collect_published(board)
    collection = replace(collection, board=replace(board, cells=tuple(alike)))
    assert not any("was pretrained" in remark for remark in remarks(collection))


def test_records_that_name_no_weights_say_nothing_of_the_base(board, publish_records, remarks_now):
    publish_records(board, board.cells[:1], base_weights_sha256="")
    publish_records(board, board.cells[1:2])
    assert not any("pretrained" in remark for remark in remarks_now())


def test_a_base_of_several_seeds_has_other_weights_for_each_and_a_second_pretraining_of_one_is_named(load, publish_records):
    step = "{method: fit, training: {images: 1280}"
    board = load((f"model: net, pretrain: {step}}}", f"model: net, pretrain: {step}, seeds: [7, 8, 9]}}"))
    cells = {cell.name: cell for cell in board.cells}
    for seed, weights in enumerate("abc"):
        publish_records(board, [cells[f"net/none/s{seed}"]], base_weights_sha256=weights * 64)
    assert not any("pretrained" in remark for remark in remarks(collect_published(board)))
    publish_records(board, [cells["net/fit/s1"]], base_weights_sha256="d" * 64)
    (remark,) = [remark for remark in remarks(collect_published(board)) if "pretrained" in remark]
    assert remark == (
        "Net (seed 8) was pretrained 2 times with the same settings, and the weights differ: "
        "base from `bbbbbbbbbbbb`; more of it from `dddddddddddd`"
    )


def test_a_reason_that_skips_a_method_with_every_sampler_is_named_once(sampler_collection):
    skipped = [remark for remark in remarks(sampler_collection) if remark.startswith("skipped")]
    assert skipped == [
        "skipped: Chain × tune: chain lacks Likelihood, which tune needs",
        *(
            f"skipped: Net × {method}: net lacks Transitions, which the sampler walk needs"
            for method in ("base", "more of it", "tune")
        ),
    ]


def test_records_of_other_data_under_the_same_settings_are_named(board, publish_records, cells, remarks_now):
    publish_records(board)
    assert not any("data" in remark for remark in remarks_now())
    publish_records(board, [cells["net/fit/s1"]], dataset_fingerprint="b" * 64)
    (remark,) = [remark for remark in remarks_now() if "other data" in remark]
    assert remark.startswith("numbers may not be comparable: ring held other data when some records were made: data `ring-1`")
    assert remark.endswith("; data `bbbbbbbbbbbb` in net/fit/s1")
