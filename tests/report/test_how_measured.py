from dataclasses import replace
from pathlib import Path

import pytest
from board_fixtures import SAMPLER_BOARD, fake_floor
from pydantic import Field

from harness.board.bases import Loaded
from harness.errors import UserError
from harness.presets import WeightsFile
from harness.process import environment
from harness.references import Reference
from harness.report.collect import collect_published
from harness.report.every_setting import every_setting
from harness.report.how_measured import ENVIRONMENT, base_text, column_text, environment_texts, evaluation_text, protocol_section
from harness.report.outcome import outcome_of_record
from harness.report.render import render_published
from harness.store.board_folder import BoardFolder
from harness.store.record_names import RecordName
from harness.store.records import ExtractorFacts, ReferenceFacts, save_record
from harness.training.rounds import ByRound, RoundsConfig
from harness.weights.base_files import BaseFile, BaseWeights


class TriedRounds(RoundsConfig):
    BY_ROUND = frozenset({"rate"})
    rate: ByRound[float] | None = Field(None, description="x")


def section(board):
    """The lines of the section, without those that a reader unfolds."""
    return protocol_section(collect_published(board)).partition("\n\n<details")[0].splitlines()


def test_the_section_says_everything_in_one_order(board, publish_records):
    facts = ExtractorFacts(name="net_8", version="1/1", settings={}, weights_sha256="a" * 64, preprocessing="grey, / 255")
    publish_records(board, extractors={"net_8": facts})
    steps = "1,280 examples in batches of 128 (10 steps)"
    assert section(board) == [
        "## How it was measured",
        "",
        "- **Dataset**: `ring`, version 1/1.",
        "- **Evaluation**: each cell has 2 independent draws of 100 generated and as many real examples, and the value of "
        "the cell is their mean; seeds 0–2; samples drawn 10,000 at a time.",
        "- **distance**: `distance`, version 1/1, against fresh draws of real examples.",
        "- **likeness**: `likeness`, version 1/1, against fresh draws of real examples.",
        rf"- **net\_8**: weights sha256 `{'a' * 64}`; images: grey, / 255.",
        "- **Floor**: the metric between two independent draws of 100 real examples, mean ± standard deviation over pairs: "
        "4 (distance), 4 (likeness).",
        f"- **Net**: `net`, version 1/1; pretrained by `fit`, version 1/1: {steps}, seed 0; sampled by `draw`, version 1/1.",
        f"- **Chain**: `chain`, version 1/1; pretrained by `fit`, version 1/1: {steps}, seed 0; sampled by `draw`, version 1/1.",
        f"- **Fine-tuning**: {steps}, unless a method says otherwise:",
        "    - more of it: `fit`, version 1/1",
        "    - tune: `tune`, version 1/1",
        "- **Curve**: distance at 5 points along training, at 100 samples on seeds apart from the evaluation's; where it "
        "selects weights, its network evaluations count as training.",
        "- **Environment**: Python 3.11.7; PyTorch 2.4.0; threads a process 1.",
    ]


def test_a_page_shows_each_fact_that_a_record_of_this_machine_holds_about_it():
    assert set(environment.describe("cpu", devices=2)) <= set(ENVIRONMENT)


def test_one_draw_and_another_batch_are_named(load):
    board = load(("samples: 100, draws: 2", "samples: 1000, draws: 1, batch: 50"), ("seeds: [0, 1, 2]", "seeds: [7, 1]"))
    assert evaluation_text(board) == (
        "**Evaluation**: each cell has one draw of 1,000 generated and as many real examples; "
        "seeds 1, 7; samples drawn 50 at a time."
    )


def test_a_precision_is_named_where_it_is_not_float32(load):
    board = load(("draws: 2}", "draws: 2, sampling_precision: bf16, extraction_precision: tf32}"))
    # The board has points, and no features.
    assert evaluation_text(board).endswith("; samples drawn 10,000 at a time; networks sample in bf16.")
    assert "sampling\\_precision: bf16, extraction\\_precision: tf32" in every_setting(board)
    assert "precision" not in evaluation_text(load())


def test_a_board_of_data_generates_nothing_and_names_all_its_sizes(data_board):
    assert evaluation_text(data_board) == (
        "**Evaluation**: each cell has 2 independent draws of 100 or 200 examples of the row's data and as many real ones, "
        "and the value of the cell is their mean; seeds 0, 1."
    )
    three_sizes = replace(data_board, floors=(*data_board.floors, replace(data_board.floors[0], samples=3000, size=3000)))
    assert "draws of 100, 200 or 3,000 examples" in evaluation_text(three_sizes)


def test_a_board_of_data_has_neither_budgets_nor_a_curve(data_board):
    text = "\n".join(section(data_board))
    assert "**as good**: `ring`, version 1/1; its evaluation draws stand in the place of generated samples." in text
    assert "Fine-tuning" not in text
    assert "Curve" not in text


@pytest.mark.parametrize(("rounds", "in_round", "text"), [
    (RoundsConfig(rounds=2, reference="best"), None, "5 points along training"),
    (RoundsConfig(rounds=3), None, "5 points along training"),
    (RoundsConfig(rounds=3, reference="best"), None, "5 points along training (tune: at 7, 2 in each of 3 rounds)"),
    (RoundsConfig(rounds=2, reference="best"), 4, "5 points along training (tune: at 9, 4 in each of 2 rounds)"),
    (
        TriedRounds(reference="best", search_each_round={"rate": (1, 2)}), None,
        "5 points along training (tune: at 9, 4 for each of 2 settings, where none diverges)",
    ),
    (
        TriedRounds(rounds=2, reference="best", search_each_round={"rate": (1, 2, 3)}), 5,
        "5 points along training (tune: at 31, 5 in each of 2 rounds for each of 3 settings, where none diverges)",
    ),
])  # fmt: skip
def test_rows_of_rounds_say_how_many_points_they_chose_from(board, rounds, in_round, text):
    def of_rounds(cell):
        row, curve = cell.row, cell.row.curve.model_copy(update={"points_in_round": in_round})
        method = replace(row.method, settings=rounds) if row.method_name == "tune" else row.method
        return replace(cell, row=replace(row, curve=curve, method=method))

    board = replace(board, cells=tuple(map(of_rounds, board.cells)))
    assert any(line.startswith(f"- **Curve**: distance at {text}, at 100 samples") for line in section(board))


def test_a_floor_of_training_examples_says_what_stands_in_the_place_of_a_draw(load):
    text = section(load(("distance: {", "distance: {against: train, ")))
    assert (
        "- **Floor**: the metric between two independent draws of 100 real examples, in a column against training examples "
        "between a draw and these, mean ± standard deviation over pairs: 4 (distance), 4 (likeness)."
    ) in text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"against": "train"}, "against training examples."),
        ({"against": "train-all"}, "against all training examples."),
        ({"against": "selection"}, "against the examples that the curve compares with."),
        ({"explodes_above": 1e6}, "against fresh draws of real examples; a value above 1e+06 counts as diverged."),
    ],
)
def test_a_column_says_what_it_compares_with_and_when_it_has_exploded(column, changes, text):
    assert column_text(column(**changes), 2) == f"**distance**: `distance`, version 1/1, {text}"


@pytest.mark.parametrize(("draws", "text"), [(1, ", the first draw only."), (2, ", the first 2 draws only."), (3, " examples.")])
def test_a_column_of_fewer_draws_says_so(column, draws, text):
    assert column_text(replace(column(), draws=draws), 3).endswith(text)


def test_a_column_on_features_names_the_extractor(board, column):
    extractor = board.bases[0].network.model
    assert " on features of `net`, version 1/1, against" in column_text(replace(column(), extractor=extractor), 2)


def test_a_base_of_several_steps_names_each(load):
    step = "{method: fit, training: {images: 1280}}"
    board = load((f"net, pretrain: {step}", "net, pretrain: [{method: fit, training: {images: 2560}}, " + step + "]"))
    assert base_text([board.bases[0]]) == (
        "**Net**: `net`, version 1/1; pretrained by `fit`, version 1/1: 2,560 examples in batches of 128 (20 steps), seed 0; "
        "then by `fit`, version 1/1: 1,280 examples in batches of 128 (10 steps), seed 0; sampled by `draw`, version 1/1."
    )


@pytest.mark.parametrize(("preset", "text"), [("", "weights loaded ("), ("edm", "weights loaded of `edm` (")])
def test_a_base_with_loaded_weights_names_preset_and_hashes(board, preset, text):
    base = board.bases[0]
    files = (BaseFile(Path("a"), "", "a" * 64), BaseFile(Path("b"), "tokenizer", "b" * 64))
    loaded = Loaded(base.network.model, base.network.sampler, BaseWeights(files, preset))
    assert base_text([replace(base, origin=loaded)]) == (
        f"**Net**: `net`, version 1/1; {text}file sha256 `{'a' * 16}…`, tokenizer sha256 `{'b' * 16}…`); "
        "sampled by `draw`, version 1/1."
    )


def test_a_method_with_its_own_budget_or_settings_says_so(load):
    tuned = "tune: {method: {name: tune, rate: 0.5}, training: {images: 2560}, only: base=net}"
    lines = section(load(("  tune:\n", f"  {tuned}\n")))
    assert "    - tune (`base=net`): `tune` (rate: 0.5), version 1/1; 2,560 examples in batches of 128 (20 steps)" in lines


def test_a_board_where_no_method_trains_has_no_budget(load):
    board = load(("  fit: {label: more of it, note: the control}\n  tune:\n", ""), ("curve: {metric", "#"))
    assert not any("Fine-tuning" in line for line in section(board))


def test_a_smoke_board_says_its_own_budget(load):
    assert "- **Fine-tuning**: 1,024 examples in batches of 128 (8 steps), unless a method says otherwise:" in section(
        load(smoke=True)
    )


def test_every_value_of_the_environment_that_occurs_is_named(board, make_record):
    environments = [
        {"python": "3.12.1", "torch": "2.4.0", "hostname": "secret", "commit": ""},
        {"python": "3.11.7", "torch": "2.4.0", "device": "cpu"},
    ]
    outcomes = [outcome_of_record(make_record(board.cells[0], environment=environment)) for environment in environments]
    assert environment_texts(outcomes) == ["**Environment**: Python 3.11.7, 3.12.1; PyTorch 2.4.0; device cpu."]


def test_records_without_an_environment_say_nothing_of_it(board, make_record):
    assert environment_texts([]) == []
    assert environment_texts([outcome_of_record(make_record(board.cells[0], environment={}))]) == []


def test_a_base_of_several_seeds_stands_there_once_with_its_seeds(load):
    step = "{method: fit, training: {images: 1280}, seeds: [7, 8]}"
    board = load(("net, pretrain: {method: fit, training: {images: 1280}}", f"net, pretrain: {step}"))
    net, _ = board.bases_by_name.values()
    assert base_text(net) == (
        "**Net**: `net`, version 1/1; pretrained by `fit`, version 1/1: 1,280 examples in batches of 128 (10 steps), once for "
        "each of the seeds 7, 8, from which the cells start in the order of their seeds; sampled by `draw`, version 1/1."
    )


def test_samplers_of_the_evaluation_stand_together_and_the_bases_say_what_draws_in_training(load):
    section = protocol_section(collect_published(load(text=SAMPLER_BOARD)))
    (line,) = [line for line in section.splitlines() if line.startswith("- **Samplers**:")]
    assert line == (
        "- **Samplers**: each draws from the same weights: Plain: `draw`, version 1/1; walking: `walk`, version 1/1; "
        "Push: `push` (weight: 0.0), version 1/1, and with weight 0.5, 2."
    )
    assert "; sampled in training by `draw`, version 1/1." in section


REFERENCE = Reference(
    "ref_1", WeightsFile("ref.npz", "https://example.org/ref.npz"), 50_000, "the training set", (1, 8, 8), ("net",)
)


@pytest.fixture
def published(board):
    """The standard board, whose first column compares with published statistics."""
    first, *others = board.columns
    columns = (replace(first, reference=REFERENCE), *others)
    floors = tuple(replace(floor, column=column, columns=columns) for floor, column in zip(board.floors, columns, strict=True))
    cells = tuple(replace(cell, row=replace(cell.row, columns=columns)) for cell in board.cells)
    return replace(board, columns=columns, floors=floors, cells=cells)


def facts_of_reference(sha256):
    return {"ref_1": ReferenceFacts(name="ref_1", of="the training set", images=50_000, sha256=sha256)}


def test_the_page_says_which_statistics_a_column_compares_with(published, publish_records):
    text = section(published)
    assert "- **distance**: `distance`, version 1/1, against the published statistics `ref_1` of 50,000 images." in text
    assert (
        r"- **ref\_1**: mean and covariance of 50,000 images, the training set; file `ref.npz`, not read yet, and no hash is "
        "published."
    ) in text
    assert any("in a column against published statistics between a draw and these, where the" in line for line in text)
    publish_records(published, references=facts_of_reference("f" * 64))
    (line,) = (line for line in section(published) if line.startswith(r"- **ref\_1**"))
    assert line.endswith(f"; file `ref.npz`, sha256 `{'f' * 64}`, which nobody has published.")


def test_records_against_two_files_of_a_reference_do_not_share_a_column(published, publish_records):
    publish_records(published, published.cells[:1], references=facts_of_reference("e" * 64))
    publish_records(published, published.cells[1:], references=facts_of_reference("f" * 64))
    with pytest.raises(UserError, match="records against ref_1 are of different files, and such numbers do not share a column"):
        protocol_section(collect_published(published))


def test_a_floor_without_values_is_no_floor_and_breaks_no_page(published, publish_records):
    publish_records(published, references=facts_of_reference("f" * 64))
    floor = published.floors[0]
    record = fake_floor(published, floor).model_copy(update={"values": []})
    save_record(record, BoardFolder(published.folder).record(RecordName("floor", floor.name)))
    rendered = render_published(published)
    assert floor.name not in rendered.table.floors
    assert "likeness" in rendered.table.floors
    assert "ref\\_1" in rendered.page
