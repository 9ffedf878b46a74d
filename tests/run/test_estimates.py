"""Estimates of rows: published networks, and hours and bytes of a small board by hand."""

from pathlib import Path

import pytest

from harness.board.reading.load import load_board
from harness.interfaces import DataSpec
from harness.process.cards import CARDS, LAUNCH_SECONDS, Card
from harness.run.disk_estimate import Disk, averages, feature_bytes, sample_bytes
from harness.run.estimates import Estimator
from harness.run.needs import Needs
from harness.stages import step_cost
from harness.training.config import TrainingConfig

BOARDS = Path(__file__).parents[2] / "leaderboards"
POINTS = DataSpec((2,), 0, "points")
CURVE = "curve: {metric: sliced-w2, points: 4, samples: 30}\n"


def known_data(board):
    """Returns what the board's dataset holds."""
    return Needs(board, board.cells, ()).known_data


def rows(board, *, in_full=True, cells=None):
    return {row.name: row for row in Estimator(POINTS, in_full=in_full).rows(cells or board.cells)}


def test_a_row_counts_its_cells_trainings_banks_curve_and_samples(write_small, small_text):
    found = rows(write_small(small_text + CURVE))
    assert list(found) == ["ddpm", "edm", "ddpm/none", "ddpm/sft-pg", "ddpm/ddo", "edm/none", "edm/ddo"]
    none, ddo = found["ddpm/none"], found["ddpm/ddo"]
    assert (none.cells, none.step, none.work.training) == (2, None, {})
    ((at_once, sampling),) = ddo.sampling.values()
    assert (at_once, sampling.nfe) == (20, 2.0)
    each = sampling.flops["fp32"]
    assert none.work.samples == {"fp32": 2 * 20 * each}  # two seeds
    assert ddo.work.training == {"fp32": 2 * 64 * ddo.step.flops["fp32"]}
    assert ddo.work.banks_and_curve == {"fp32": 2 * (20 + 5 * 30) * each}  # a bank of 20, and five points of 30
    # Evaluation in batches of 20: one of each seed's samples, one of a bank, and two of each point's 30.
    launches = [round(count / sampling.launches, 9) for count in (*none.work.launches[1:], *ddo.work.launches[1:])]
    assert launches == [0, 2, 2 * (1 + 5 * 2), 2]
    assert ddo.disk.banks == 2 * 20 * 2 * 4
    assert found["ddpm"].work.training == {"fp32": 64 * found["ddpm"].step.flops["fp32"]}
    assert ddo.hours(Card("made-up", 1, {"fp32": 1e-9}))[0] == pytest.approx(
        2 * 64 * ddo.step.flops["fp32"] / (0.7 * 1000) / 3600
    )


def test_a_method_with_a_generator_phase_costs_its_mean_over_the_period(write_small):
    found = rows(write_small())
    assert found["ddpm/sft-pg"].step.reason == ""
    assert found["ddpm/sft-pg"].step.flops["fp32"] > found["ddpm"].step.flops["fp32"]


def test_without_a_card_steps_are_those_of_the_pretraining_loss_and_nothing_is_drawn(write_small, monkeypatch):
    monkeypatch.setattr(step_cost, "_of_samples", None)
    found = rows(write_small(), in_full=False)
    assert found["ddpm/ddo"].step.reason == "without --card and --rehearse, it is that of the pretraining loss"
    assert (found["ddpm/ddo"].work, found["ddpm/ddo"].sampling) == (None, {})


def test_rounds_and_candidates_cost_their_banks_points_and_images(write_small, small_text):
    searched = "{name: ddo, bank_size: 20, rounds: 2, reference: best, search_each_round: {alpha: [1.0, 2.0, 3.0]}}"
    text = small_text.replace("{name: ddo, bank_size: 20}", searched)
    board = write_small(
        text.replace("training: {images: 64, batch: 16}\nm", "training: {images: 64, batch: 16, select: best}\nm") + CURVE
    )
    ddo = rows(board, cells=[cell for cell in board.cells if cell.name == "ddpm/ddo/s0"])["ddpm/ddo"]
    ((_, sampling),) = ddo.sampling.values()
    assert ddo.work.training == {"fp32": 3 * 64 * ddo.step.flops["fp32"]}
    # A bank in each round; in each of two rounds two points of three candidates, and one at the start.
    assert ddo.work.banks_and_curve == {"fp32": (2 * 20 + (2 * 3 * 2 + 1) * 30) * sampling.flops["fp32"]}
    assert ddo.disk.banks == 2 * 20 * 2 * 4


def test_points_in_a_round_are_counted(write_small, small_text):
    """Of 64 images in batches of 16, a round of two has two steps, and so two points of three."""
    text = small_text.replace("{name: ddo, bank_size: 20}", "{name: ddo, bank_size: 20, rounds: 2, reference: best}")
    samples = {}
    for in_round in (1, 3):
        board = write_small(text + CURVE.replace("points: 4", f"points: 4, points_in_round: {in_round}"))
        ddo = rows(board, cells=[cell for cell in board.cells if cell.name == "ddpm/ddo/s0"])["ddpm/ddo"]
        ((_, sampling),) = ddo.sampling.values()
        samples[in_round] = ddo.work.banks_and_curve["fp32"] / sampling.flops["fp32"]
    assert samples == {1: 2 * 20 + 3 * 30, 3: 2 * 20 + 5 * 30}


def test_the_published_network_of_cifar10_has_the_operations_that_papers_count():
    board = load_board(BOARDS / "cifar10")
    data = known_data(board)
    cells = [cell for cell in board.cells if cell.name == "edm/none/s0"]
    (row,) = Estimator(data, in_full=True).rows(cells)
    ((at_once, sampling),) = row.sampling.values()
    assert (row.size.parameters, at_once, sampling.nfe) == (55_733_891, 500, 35.0)
    assert sampling.flops["fp32"] / 35 == pytest.approx(2 * 21.2e9, rel=0.01)  # 21.2 billion products a pass
    # Two copies of the weights, 1,000 images of 3 × 32 × 32 bytes with their labels, and the moments of 2048 features.
    assert row.disk == Disk(2 * row.size.weight_bytes, 0, 1000 * (3072 + 8), 8 * (2048 + 2048**2))
    assert sample_bytes(cells, data) == row.disk.samples
    assert feature_bytes(cells) == row.disk.features


@pytest.mark.parametrize(
    ("flops", "card", "precision", "published"),
    [
        (127.3e9, "v100", "fp32", 145),  # EDM CIFAR-10 DDPM++, training
        (128.5e9, "v100", "fp32", 155),  # NCSN++
        (12.44e12, "rtx-2080-ti", "fp32", 0.8),  # DDPM CIFAR-10, a thousand steps of sampling
        (664e9, "a100", "fp16", 70),  # EDM ImageNet-64 ADM, training
        (1146e9, "a100", "fp16", 74),  # VAR-d16, training
        (2358e9, "rtx-3090", "fp16", 11),  # VAR-d24, guided sampling
    ],
)
def test_published_throughputs_are_within_a_factor_of_two(flops, card, precision, published):
    assert 0.5 < published * CARDS[card].seconds({precision: flops}) < 2


def test_a_small_network_takes_the_time_of_its_operations_one_by_one():
    """fashion-gpu's network on an H200, by `benchmarks/gpu_step.py`: 67.7 ms in bf16, and 82.4 ms in fp32 for half the images."""
    board = load_board(BOARDS / "fashion-gpu")
    found = {row.name: row for row in Estimator(known_data(board), in_full=True).rows(board.cells)}
    for name, measured in (("edm", 0.0677), ("edm/mle", 0.0824)):
        step = found[name].step
        images = {kind: count * step.examples for kind, count in step.flops.items()}
        assert 0.5 < CARDS["h200"].seconds(images, step.launches) / measured < 2
        assert CARDS["h200"].seconds(images) < 0.5 * measured
    cells = 3 * 331_264 / 512
    assert found["edm/mle"].hours(CARDS["h200"])[0] == pytest.approx(
        cells * LAUNCH_SECONDS * found["edm/mle"].step.launches / 3600
    )


def test_a_training_step_of_cifar10_has_the_operations_of_its_yardstick():
    board = load_board(BOARDS / "cifar10")
    data = known_data(board)
    (row,) = Estimator(data, in_full=False).rows([cell for cell in board.cells if cell.name == "edm/mle/s0"])
    assert row.step.flops["fp32"] == pytest.approx(127.3e9, rel=1e-3)
    # Weights, gradients, two moments; the step's largest memory is that of 512 examples, beside average and curve's copy.
    assert row.step.state_bytes / (16 * 55_733_891) == pytest.approx(1, abs=0.02)
    assert row.resident_bytes / (8 * 55_733_891) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("ema", "copies"), [(None, 0), (0.999, 1), ({"tracked": [0.05, 0.1]}, 2)])
def test_averages_are_copies_of_the_weights(ema, copies):
    assert averages(TrainingConfig.model_validate({"images": 64, "batch": 64, "ema": ema})) == copies
