"""Stage 1, base: a network with pretrained weights, made once and shared by all cells that name it."""

from __future__ import annotations

from pathlib import Path

import torch

from harness.board.bases import Base, Loaded, Pretrained
from harness.errors import UserError
from harness.indexed import IndexedExamples
from harness.process.crew import Crew
from harness.sampling import latents
from harness.stages import encoding, initial, loading, sources, starting_weights
from harness.stages.checked import CheckedSource
from harness.stages.context import Context
from harness.stages.encoded_examples import EncodedExamples
from harness.stages.facts import BaseFacts
from harness.stages.options import JobOptions
from harness.stages.process_cache import MEMBER_CACHE
from harness.store import outputs
from harness.store.files import remove_folder
from harness.store.outputs import Output
from harness.store.records import SourceFacts
from harness.store.runs_folder import RunsFolder
from harness.training.loop import TrainingLoop
from harness.training.surroundings import Surroundings
from harness.training.task import TrainingTask
from harness.training.training_log import keep_log
from harness.weights import state_dicts

WEIGHTS = "weights.safetensors"
_SAME_TENSORS: set[str] = set()
"""Keys of bases whose outputs of an older version have the tensors that are read now."""


def run(base: Base, source: CheckedSource, context: Context) -> Output:
    """Make the weights of a base that has a network, unless they are there.

    Args:
        source: the board's dataset.
    Returns: the output with `weights.safetensors`; see `harness.stages.facts.BaseFacts`. Each earlier step of pretraining is a
        base of its own, with its own output.
    """
    context.reporter.stage("base")
    output = outputs.once(
        context.runs,
        "base",
        base.key,
        lambda folder: _make(base, source, context, folder),
        resumes=isinstance(base.network, Pretrained),
        keeps_unsealed=True,
        owner=f"base {base.full_name}",
    )
    if not output.is_sealed:
        _check_facts(base, output, source, context)
    remove_folder(context.runs.work("base", base.key))  # checkpoints of its training
    if isinstance(base.network, Loaded) and "weights_read" not in output.facts:
        _refuse_other_tensors(base, base.network, output, source, context)
    return output


def load(base: Base, output: Output, source: CheckedSource, context: Context) -> torch.nn.Module:
    """Return the base's network in eval mode, with the weights of an output: the base's own, or fine-tuned ones."""
    network = build(base, source, context)
    network.load_state_dict(state_dicts.load(output.folder / WEIGHTS))
    return network


def build(base: Base, source: CheckedSource, context: Context, *, seed: int = 0) -> torch.nn.Module:
    """Return the base's network in eval mode, with initial weights."""
    return initial.network(base.network.model, base.network.spec_on(source.spec), context.device, seed=seed)


def _make(base: Base, source: CheckedSource, context: Context, folder: Path) -> dict[str, object]:
    match base.network:
        case Pretrained() as last_step:
            return _pretrain(base, last_step, source, context, folder)
        case Loaded() as loaded:
            return _read_files(base, loaded, source, context, folder)


def _read_files(base: Base, loaded: Loaded, source: CheckedSource, context: Context, folder: Path) -> dict[str, object]:
    made_by = sources.of(loaded.model)
    network = build(base, source, context)
    tables = loading.load(loaded, network)
    weights = state_dicts.snapshot(network)
    state_dicts.save(weights, folder / WEIGHTS)
    return {
        "weights_sha256": state_dicts.sha256(weights),
        "parameters": state_dicts.parameters(network),
        "seconds": 0.0,
        "images_seen": 0,
        "sources": sources.as_json(made_by),
        **loaded.identity,
        "weights_read": [table.facts for table in tables],
    }


def _check_facts(base: Base, output: Output, source: CheckedSource, context: Context) -> None:
    """Check what an older version wrote about a base, without a checksum, against the weights beside it, which have one.

    Raises: UserError where the weights do not give these facts.
    """
    facts, weights = BaseFacts.of(output), state_dicts.load(output.folder / WEIGHTS)
    parameters = state_dicts.parameters(build(base, source, context))
    if (facts.weights_sha256, facts.parameters) != (state_dicts.sha256(weights), parameters):
        raise UserError(
            f"{output.folder}: the manifest, which an older version wrote, does not fit the weights beside it; "
            "delete the folder, and it is made again"
        )


def _refuse_other_tensors(base: Base, loaded: Loaded, output: Output, source: CheckedSource, context: Context) -> None:
    """Check an output of an older version, which could read raw weights where averaged ones stand beside them.

    Raises: UserError where other tensors are read now. The key of the output depends on the file alone, so that the results of
    both would stand under one key.
    """
    if base.key in _SAME_TENSORS:
        return
    network = build(base, source, context)
    tables = loading.load(loaded, network)
    if state_dicts.sha256(state_dicts.snapshot(network)) != output.facts["weights_sha256"]:
        read = next((table for table in tables if table.table), tables[0])
        raise UserError(
            f"base {base.full_name}: an older version of the harness read other tensors of {read.path} than {read.table!r}, "
            f"which are read now; write `part: {read.table}` beside `file:` on the board: its cells get new keys and run again"
        )
    _SAME_TENSORS.add(base.key)


def _pretrain(base: Base, step: Pretrained, source: CheckedSource, context: Context, folder: Path) -> dict[str, object]:
    around = context.surroundings(base.full_name, "base", base.key, step.last_step)
    made_by: list[list[SourceFacts]] = []

    def make(around: Surroundings) -> TrainingLoop:
        loop, code = _loop(base, step, source, context, around)
        made_by.append(code)
        context.crew.follow(follow, base, step, context.runs, context.options)
        return loop

    trained = context.train(make, around)
    keep_log(around.log, folder)
    state_dicts.save(trained.weights, folder / WEIGHTS)
    return {
        "weights_sha256": state_dicts.sha256(trained.weights),
        "parameters": trained.parameters,
        "seconds": trained.seconds,
        "images_seen": step.training.images,
        **step.last_step,
        "sources": sources.as_json(made_by[0]),
    }


def follow(crew: Crew, base: Base, step: Pretrained, runs: RunsFolder, options: JobOptions) -> None:
    """Take the steps of a base's training in a process that is not the lead of its job."""
    context = Context(runs, options, base.full_name, MEMBER_CACHE, crew=crew)
    source = context.dataset(base.dataset)
    if step.after is None:
        network = build(base, source, context, seed=step.seed)
    else:
        network = load(step.after, run(step.after, source, context), source, context)
    data = _data(network, base, step, source, context)
    _loop_of(network, step, data.examples, source, context, context.member_surroundings("base", base.key)).run()


def _loop(
    base: Base, step: Pretrained, source: CheckedSource, context: Context, around: Surroundings
) -> tuple[TrainingLoop, list[SourceFacts]]:
    """Return the loop at its start, and the code of the training."""
    work = context.runs.work("base", base.key)
    earlier: list[SourceFacts] = []
    if step.after is None:
        network = build(base, source, context, seed=step.seed)
    else:
        before = run(step.after, source, context)
        starting_weights.begin_on(work, {step.after.key: BaseFacts.of(before).weights_sha256})
        network, earlier = load(step.after, before, source, context), sources.of_facts(before.facts)
    own = sources.of_training(work, step.model, base.dataset, step.method)
    data = _data(network, base, step, source, context)
    return _loop_of(network, step, data.examples, source, context, around), sources.merged(earlier, data.sources, own)


def _data(network: torch.nn.Module, base: Base, step: Pretrained, source: CheckedSource, context: Context) -> EncodedExamples:
    return encoding.training_data(network, step.model, source, context, step.training, base)


def _loop_of(
    network: torch.nn.Module,
    step: Pretrained,
    data: IndexedExamples,
    source: CheckedSource,
    context: Context,
    around: Surroundings,
) -> TrainingLoop:
    spec = latents.network_spec(network, source.spec)
    network.train(step.drops_parts)
    task = TrainingTask(network, spec, context.device, step.training, banks=None, crew=context.crew)
    return TrainingLoop(
        task,
        initial.method(step.method, task, seed=step.seed),
        data,
        step.training,
        seed=step.seed,
        around=around,
        name=f"method {step.method.name}",
    )
