"""A method on a tiny network, DDO of EDM or SFT-PG of DDPM: METHOD FOLDER DEVICE STEP.

The process kills itself before that step; -1 lets it end. It writes checkpoints after every step, and prints the hash
of the weights.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from harness.components import Method, Model, Sampler
from harness.indexed import StoredExamples
from harness.indexed_sets import InMemory
from harness.plugins import registry
from harness.process import devices
from harness.store.runs_folder import RunsFolder
from harness.testing.models import build
from harness.testing.probes import examples
from harness.training.config import TrainingConfig
from harness.training.loop import TrainingLoop
from harness.training.surroundings import Listener, Surroundings
from harness.training.task import BankSource, TrainingTask
from harness.weights import state_dicts

STEPS, BATCH = 12, 8
NETWORKS = {"ddo": "edm-tiny-ddpmpp", "sft-pg": "ddpm-tiny-8"}
SETTINGS: dict[str, dict[str, object]] = {"ddo": {"bank_size": 32, "beta": 0.1}, "sft-pg": {"n_critic": 5, "critic_width": 16}}


def main(method_name: str, folder: Path, name: str, dies_at: int) -> None:
    device = devices.use(name)
    preset = registry().preset(NETWORKS[method_name], where="test")
    model = registry().get(Model, preset.model, where="test")
    sampler = registry().get(Sampler, model.sampler, where="test")
    method = registry().get(Method, method_name, where="test")
    network = build(model, preset.config, preset.spec).to(device)
    training = TrainingConfig(images=STEPS * BATCH, batch=BATCH, ema=0.9, flip=True)
    draws = sampler.create(sampler.config.model_validate(sampler.smoke))
    banks = BankSource(RunsFolder(folder / "runs"), draws, {"name": "test"}, 0, 16)
    task = TrainingTask(network, preset.spec, device, training, banks)
    config = method.config.model_validate(SETTINGS[method_name])
    x, labels = examples(preset.spec, n=64)

    def written(step: int, _: Path) -> None:
        if step == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    around = Surroundings(folder / "work", checkpoint_seconds=-1.0, listener=Listener(checkpoint_written=written))
    data = InMemory(StoredExamples(x, labels))
    loop = TrainingLoop(task, method.create(config, task), data, training, seed=1, around=around)
    print(state_dicts.sha256(loop.run().weights))  # noqa: T201 - the result of this process


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]))
