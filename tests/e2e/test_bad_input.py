"""Wrong data through the real command: one message, exit code 2, and no work."""

import pytest

PLUGIN = """\
from pydantic import Field

from harness import Config, Dataset, hookimpl
from harness.interfaces import DataSource

__version__ = "1"


class PicturesConfig(Config):
    fault: str = Field("", description="what is wrong with the data")


@hookimpl
def harness_datasets():
    return [Dataset("pictures", build="pictures:Pictures", summary="noise", config=PicturesConfig)]


class Pictures(DataSource):
    fingerprint = "pictures"

    def __init__(self, config):
        from harness.interfaces import DataSpec

        self.fault, side = config.fault, 9 if config.fault == "size" else 8
        self.spec = DataSpec((1, side, side), classes=2, preview="images")

    def train(self):
        import torch
        from harness.interfaces import Batch

        x = torch.rand(256, *self.spec.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
        return Batch(x, torch.arange(256) % (3 if self.fault == "labels" else 2))

    def evaluation(self, draw, n):
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
methods: {{none: , mle: }}
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
        ("labels", "error: dataset pictures, training data: labels from 0 to 2, and with 2 classes they are 0 to 1"),
        ("size", "error: base small: model edm-unet: 2 levels (channel_mult) need a size divisible by 2, and the images are 9×9"),
    ],
)
def test_data_that_are_wrong_end_the_run_once_before_any_training(command, plugin, fault, message):
    plugin(command, "pictures", PLUGIN)
    command.write_board(BOARD.format(fault=fault))
    (line,) = errors(command.run())
    assert message in line
    # A floor needs no model, and may be there already.
    assert all(path.name.startswith("floor__") for path in command.runs.glob("records/*/*"))
    assert {path.parts[-3] for path in command.runs.glob("stages/*/*/manifest.json")} <= {"pair"}


def test_a_model_that_cannot_take_the_data_is_found_by_validate(command):
    command.write_board(BOARD.format(fault='""').replace('{name: pictures, fault: ""}', "swiss-roll"))
    (line,) = errors(command.call("validate", str(command.board)))
    assert "board.yaml:5: model edm-unet: needs square images" in line
