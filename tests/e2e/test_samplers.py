"""Samplers of the evaluation, from the real command: one training, rows of several samplers, `kill -9` between them."""

import json

import pytest

BOARD = """\
title: Samplers
dataset: {name: swiss-roll, train_size: 500}
bases:
  small:
    model: {name: ddpm-mlp, steps: 4, width: 16}
    pretrain: {method: mle, training: {images: 3200, batch: 64}}
training: {images: 3200, batch: 64}
methods:
  mle:
seeds: [0]
evaluation:
  samples: 100
  batch: 100
  samplers:
    ancestral: ancestral
    analytic: {name: analytic-dpm, steps: 4, label: Analytic-DPM}
    ddim: {name: ddim, sweep: {steps: [2, 4]}}
floor: {pairs: 2}
metrics: {sliced-w2: , w2: }
"""
CELLS = ["ancestral", "analytic", "ddim-2", "ddim-4"]


@pytest.fixture
def board(command):
    command.write_board(BOARD, "samplers")
    return command


def test_one_training_serves_all_samplers_and_survives_a_kill_between_them(board, kill, wait, recorder):
    notes = recorder(board)
    process = board.start("--log-every", "10")
    reached = wait(lambda: any(note.startswith("finished small/mle/ancestral/s0") for note in notes()), process)
    kill(process)
    assert reached
    (training,) = board.runs.glob("stages/finetune/*/manifest.json")
    before = training.stat().st_mtime_ns
    ended = board.run("--log-every", "10")
    assert ended.returncode == 0, ended.stderr
    assert [path.stat().st_mtime_ns for path in board.runs.glob("stages/finetune/*/manifest.json")] == [before]
    assert len([note for note in notes() if note.startswith("step small/mle/ancestral/s0")]) == 5, "50 steps, logged once"
    assert not [note for note in notes() if note.startswith(("step small/mle/ddim", "step small/mle/analytic"))]
    check_records({name: board.record(f"small/mle/{name}/s0") for name in CELLS})
    check_files(board)


def check_records(records):
    assert len({record["weights_sha256"] for record in records.values()}) == 1
    assert len({record["samples_sha256"] for record in records.values()}) == 4
    assert {name: record["costs"]["nfe"] for name, record in records.items()} == dict(zip(CELLS, [4, 4, 2, 4], strict=True))
    assert {record["costs"]["network_evaluations"] for record in records.values()} == {3200}
    assert {name: record["sampler"]["name"] for name, record in records.items()} == dict(
        zip(CELLS, ["ancestral", "analytic-dpm", "ddim", "ddim"], strict=True)
    )
    assert {record["training_sampler"]["name"] for record in records.values()} == {"ancestral"}
    assert {name for name, record in records.items() if "prepare_evaluations" in record["costs"]} == {"analytic"}


def check_files(board):
    """Status, the page, publishing and the committed page know the samplers."""
    status = json.loads(board.call("status", str(board.board), "--runs-dir", str(board.runs), "--json").stdout)
    text = json.dumps(status)
    assert all(f"small/mle/{name}/s0" in text for name in CELLS)
    assert (board.runs / "boards" / "samplers" / "plots" / "sweeps.png").exists()
    published = board.call("publish", str(board.board), "--runs-dir", str(board.runs))
    assert published.returncode == 0, published.stderr
    assert board.call("render", str(board.board), "--check").returncode == 0
    names = {path.name for path in (board.board / "results").iterdir()}
    assert {f"small__mle__{name}__s0.json" for name in CELLS} | {"small__mle__s0.log.jsonl"} < names
    exported = board.board.parent / "samples.npz"
    record = str(board.board / "results" / "small__mle__ddim-2__s0.json")
    assert board.call("export", record, "--samples", str(exported), "--runs-dir", str(board.runs)).returncode == 0
    assert exported.exists()


@pytest.mark.parametrize("options", [[], ["--dry-run"], ["--smoke"]])
def test_more_steps_than_the_chain_has_are_refused_before_any_work_for_each_sampler(command_here, options):
    """In a smoke run the board's own steps count: the small ones fit, and the run itself would fail after the training."""
    command_here.write_board(BOARD.replace("{steps: [2, 4]}", "{steps: [2, 5]}").replace("dpm, steps: 4", "dpm"), "samplers")
    ended = command_here.run(*options)
    assert ended.returncode == 2
    assert [line for line in ended.stderr.splitlines() if "chain" in line] == [
        f"error: base small: sampler {name}: steps: {steps} are more than the chain has, which are 4; name 4 or fewer"
        for name, steps in (("analytic-dpm", 50), ("ddim", 5))
    ]
    assert not list(command_here.runs.glob("stages/*"))


def test_a_smoke_run_walks_no_more_steps_than_a_short_chain_has(command_here):
    short = BOARD.replace("ddpm-mlp, steps: 4", "ddpm-mlp, steps: 2").replace("dpm, steps: 4", "dpm, steps: none")
    command_here.write_board(short.replace("none", "null").replace("[2, 4]", "[1, 2]"), "samplers")
    assert command_here.run("--smoke").returncode == 0
