"""Wrong data through the real command: one message, exit code 2, and no work."""

import pytest

PLUGIN = """\
import multiprocessing

from pydantic import Field

from harness import Config, Dataset, Method, hookimpl
from harness.interfaces import DataSource

__version__ = "1"


class PicturesConfig(Config):
    fault: str = Field("", description="what is wrong with the data")


@hookimpl
def harness_datasets():
    return [Dataset("pictures", build="pictures:Pictures", summary="noise", config=PicturesConfig)]


@hookimpl
def harness_methods():
    return [Method("tune", build="pictures:Tuen", summary="a target that is not there")]


class Tune:
    pass


class Pictures(DataSource):
    def __init__(self, config):
        from harness.interfaces import DataSpec

        self.fault, side = config.fault, 9 if config.fault == "size" else 8
        self.spec = DataSpec((1, side, side), classes=2, preview="images")

    @property
    def fingerprint(self):
        return f"pictures {self.fault}"

    def train(self):
        import torch
        from harness.interfaces import Batch

        x = torch.rand(256, *self.spec.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
        return Batch(x, torch.arange(256) % (3 if self.fault == "labels" else 2))

    @property
    def largest_evaluation(self):
        return {"stated": 32, "preview": 64}.get(self.fault)

    def evaluation(self, draw, n):
        if self.fault == "few" or (self.fault == "preview" and multiprocessing.parent_process() is None):
            raise ValueError(f"no {n} pictures")
        batch = self.train()
        return type(batch)(batch.x[:n].flip(draw % 2), batch.labels[:n])
"""
BOARD = """\
title: Pictures
dataset: {{name: pictures, fault: {fault}}}
bases:
  small:
    model: {{name: edm-unet, model_channels: 4, attn_resolutions: []}}
    sampler: {{name: heun, steps: 3}}
    pretrain: {{method: mle, training: {{images: 128, batch: 64}}}}
training: {{images: 128, batch: 64}}
methods: {{none: , {method}: }}
seeds: [0]
evaluation: {{samples: 64, batch: 64}}
floor: {{pairs: 1}}
metrics: {{sliced-w2: }}
"""


def errors(ended):
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    return [line for line in ended.stderr.splitlines() if line.startswith("error: ")]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("labels", "error: dataset pictures, evaluation draw 0: labels from 0 to 2, and with 2 classes they are 0 to 1"),
        ("few", "error: dataset pictures, evaluation draw 0 of 64 examples: no 64 pictures; lower evaluation.samples"),
        ("stated", "error: dataset pictures gives 32 held-out examples a draw at most, and 64 are asked for: lower evaluation."),
        ("size", "error: base small: model edm-unet: 2 levels (channel_mult) need a size divisible by 2, and the images are 9×9"),
    ],
)
def test_data_that_are_wrong_end_the_run_once_before_any_training(command_here, plugin_here, fault, message):
    command = command_here
    plugin_here(command, "pictures", PLUGIN)
    command.write_board(BOARD.format(fault=fault, method="mle"))
    (line,) = errors(command.run())
    assert message in line
    # A floor needs no model, and may be there already.
    assert all(path.name.startswith("floor__") for path in command.runs.glob("records/*/*"))
    assert {path.parts[-3] for path in command.runs.glob("stages/*/*/manifest.json")} <= {"pair"}


def test_a_method_whose_target_is_not_there_is_refused_before_any_training(command_here, plugin_here):
    command = command_here
    plugin_here(command, "pictures", PLUGIN)
    command.write_board(BOARD.format(fault='""', method="tune"))
    (line,) = errors(command.run())
    assert errors(command.run("--dry-run")) == [line]
    assert line.startswith("error: method tune, build: 'pictures:Tuen': pictures has no 'Tuen'; did you mean 'Tune'?")
    assert not list(command.runs.glob("stages/*"))


def test_data_that_fail_after_the_run_cost_the_preview_and_not_the_table(command, plugin):
    plugin(command, "pictures", PLUGIN)
    command.write_board(BOARD.format(fault="preview", method="mle"))
    ended = command.run()
    line = "no preview of real examples: dataset pictures, evaluation draw 0 of 64 examples: no 64 pictures"
    assert ended.returncode == 0, ended.stderr
    assert line in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "| small  | mle" in ended.stdout
    published = command.call("publish", str(command.board), "--runs-dir", str(command.runs))
    assert published.returncode == 0, published.stderr
    assert line in published.stderr
    assert (command.board / "README.md").is_file()


def test_a_model_that_cannot_take_the_data_is_found_by_validate(command_here):
    command = command_here
    command.write_board(BOARD.format(fault='""', method="mle").replace('{name: pictures, fault: ""}', "swiss-roll"))
    (line,) = errors(command.call("validate", str(command.board)))
    assert "board.yaml:5: model edm-unet: needs square images" in line
