"""Every reader of the product, with honest files to change: what `read_hostile_files.py` feeds, and what docs/trust.md lists."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import importlib
import json
import random
import struct
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace

import hostile_files as files
import numpy as np
import torch
from hostile_bytes import EVIL_TEXTS, changed_bytes, changed_json
from hostile_files import GOLDEN, TENSORS, Content
from image_archives import cifar_files, tarred
from made_stores import made_store

from harness.board.board import Board
from harness.board.reading.load import load_board
from harness.board.reading.yaml_file import parse_value
from harness.components import Model
from harness.errors import Diverged, UserError
from harness.images import arrays, image_files
from harness.images.importing.cifar import of_archive
from harness.images.importing.labels import read_labels
from harness.images.importing.preparing import Preparation
from harness.images.importing.recognise import source_of
from harness.images.importing.source import Source
from harness.images.sets import ImageSet
from harness.images.statistics_files import recognise
from harness.images.stores.reading import open_store
from harness.measure.sample_sources import draws_in_file
from harness.plugins import registry
from harness.report.collect import Collection
from harness.report.outcome_files import load_outcome
from harness.report.page import Page
from harness.report.plots.plot import drawn_from
from harness.report.preview import read_preview
from harness.report.reported import COLUMNS, read_reported, reported_markdown
from harness.report.sheet import sheet_of
from harness.report.table import Table
from harness.store import outputs, progress
from harness.store.records import load_floor, load_record
from harness.store.runs_folder import RunsFolder
from harness.toolkit.tokenizer_file import TokenizerFile
from harness.training.training_log import read_log
from harness.weights import network_files
from harness.weights.convert import described_network
from harness.weights.layouts import unwrapped
from harness.weights.network_files import NetworkFile
from harness.weights.stored import read as read_weights

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Reader:
    """A reader of the product.

    Args:
        suffix: of its files; of folders it does not matter.
        honest: files that it reads without a fault.
        read: reads a file as the product does.
        is_text: whether its files are texts.
        special: makers of files that are put together of hostile parts.
    """

    suffix: str
    honest: Sequence[Content]
    read: Callable[[Path], object]
    is_text: bool = False
    special: Sequence[Callable[[random.Random], Content]] = ()

    def case(self, dice: random.Random, number: int) -> Content:
        """The hostile file of this number: the bombs first, then files that dice make."""
        bombs = files.BOMBS.get(self.suffix, [])
        if number < len(bombs):
            return bombs[number]()
        if self.special and dice.random() < 0.5:
            return dice.choice(self.special)(dice)
        honest = dice.choice(self.honest)
        return files.changed(dice, honest, is_text=self.is_text)


def _all_batches(images: ImageSet) -> None:
    for _ in images.batches(64):
        pass


def _board(path: Path) -> object:
    return load_board(path)


def _record(path: Path) -> None:
    with contextlib.suppress(UserError):
        load_floor(path)
    with contextlib.suppress(UserError):
        load_record(path)
    outcome = load_outcome(path)
    board = _record_board()
    cells = {cell.name for cell in board.cells}
    collection = Collection(board, {outcome.cell: outcome} if outcome.cell in cells else {}, {}, ())
    Page(collection, Table.from_collection(collection), [], [], path.parent, True).text()


@cache
def _record_board() -> Board:
    return load_board(ROOT / "leaderboards" / "two-moons")


def _progress(path: Path) -> None:
    progress.read(RunsFolder(path))


class _Block(torch.nn.Module):
    """A network of which files.TENSORS are the weights."""

    def __init__(self) -> None:
        super().__init__()
        self.a = torch.nn.Linear(3, 2)


def _weights(path: Path) -> None:
    stored = read_weights(path)
    with contextlib.suppress(UserError):  # most files do not say of which network they are
        described = described_network(stored)
        network_files.find([NetworkFile(path)], described.model, described.build())
    model = Model("block", build="a:b", summary="", provides=frozenset(), sampler="euler")
    with torch.device("meta"):
        network = _Block()
    ways = [[NetworkFile(path)], [NetworkFile(path, table="net")], [NetworkFile(path), NetworkFile(path, "a")]]
    for sources in [*ways, [NetworkFile(path, table="net"), NetworkFile(path, "a", "part")]]:
        with contextlib.suppress(UserError):  # most files do not fit
            network_files.find(sources, model, network)
    unwrapped(stored)


def _statistics(path: Path) -> None:
    found = recognise(path)
    if found is not None:
        _first([partial(found.moments_for, {"features": size, "spatial": 3}) for size in (3, 6, 2048)])


def _array(path: Path) -> None:
    _first([partial(_read_array, path, value_range) for value_range in (None, "0,1", "-1,1")])


def _read_array(path: Path, value_range: str | None) -> None:
    _all_batches(arrays.images(path, value_range))


def _first(ways: Sequence[Callable[[], object]]) -> None:
    """Try one way after the other until one succeeds. Raises: UserError of the last one."""
    for way in ways[:-1]:
        with contextlib.suppress(UserError):
            way()
            return
    ways[-1]()


def _samples(path: Path) -> None:
    for source in draws_in_file(path):
        if source.images is None:
            continue
        try:
            _all_batches(source.images)
        except Diverged as error:  # `harness measure` makes the same of it
            raise UserError(f"{source.name}: {error}") from None


def _tokenizer(path: Path) -> None:
    tokenizer = TokenizerFile(path, None, f"tokenizer: {path}")
    tokenizer.check({"weight": (3, 2)}, lambda: torch.nn.Linear(2, 3))
    tokenizer.load(torch.nn.Linear(2, 3))


def _idx(path: Path) -> None:
    from harness_mnist.idx import read_idx

    read_idx(path, axes=3)


def _solver_statistics(path: Path) -> None:
    from harness_dpm_solver.sampler import read

    read(SimpleNamespace(file=str(path), sha256=hashlib.sha256(path.read_bytes()).hexdigest()))  # type: ignore[arg-type] # two of its fields


def _store(path: Path) -> None:
    store = open_store(path)
    store.labels()
    store.digests()
    list(store.batches(2))


def _store_files() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        pixels = np.arange(5 * 3 * 4 * 4, dtype=np.uint8).reshape(5, 3, 4, 4)
        store = made_store(Path(folder) / "store", pixels, np.arange(5) % 2, sizes=(3, 2), parts=[("train", 3), ("test", 2)])
        return {file.name: file.read_bytes() for file in store.iterdir()}


def _changed_index(dice: random.Random) -> Content:
    """A store whose index says something else, with a checksum that holds."""
    body = changed_json(dice, _STORE["index.json"])
    return {**_STORE, "index.json": files.sealed_json(body)}


def _with_changed_file(dice: random.Random, content: dict[str, bytes]) -> Content:
    name = dice.choice(sorted(content))
    return {**content, name: changed_bytes(dice, content[name])}


def _imported(path: Path) -> None:
    _prepare(source_of(path))


def _cifar(path: Path) -> None:
    _prepare(of_archive(path))


def _prepare(source: Source) -> None:
    for image in source.images(0):
        Preparation().apply(image.read(), image.name)


def _tar(contents: dict[str, bytes]) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return tarred(Path(folder) / "x.tar", contents).read_bytes()


def _cifar_pickle(dice: random.Random) -> Content:
    """An archive of CIFAR-10 one of whose pickles is evil."""
    contents = {**cifar_files(1)[0], "data_batch_3": files.evil_pickle(dice)}
    return gzip.compress(_tar(contents))


def _labels(path: Path) -> None:
    read_labels(path).of(["a.png", "b.png"])


def _settings(path: Path) -> object:
    return parse_value(path.read_text(encoding="utf-8", errors="replace"), where="--set fid.x")


def _changed_archive_of(contents: Sequence[bytes]) -> Callable[[random.Random], Content]:
    return lambda dice: files.changed_archive(dice, dice.choice(contents))


def _pickle_in_archive(dice: random.Random) -> Content:
    members = {"a/data.pkl": files.evil_pickle(dice), "a/byteorder": b"little", "a/version": b"3\n", "a/data/0": bytes(24)}
    return files.archive(members, dice.choice((0, 8)))


def _checkpoint(dice: random.Random) -> Content:
    """A checkpoint of several tables and lists, of the network and of its part, with tensors that are no weights among them."""

    def table() -> object:
        bias = TENSORS["a.bias"]
        weight = dice.choice((TENSORS["a.weight"], *files.no_weights(TENSORS["a.weight"])))
        before = dice.choice(("a.", "", "module.a.", "ema_a.", "ema.a.", "a_"))
        named = {f"{before}weight": weight, f"{before}bias": bias}
        return dice.choice(
            (named, [weight, bias], {"shadow_params": [weight, bias]}, {0: named, 0.9: named}, {7: weight}, [named])
        )

    keys = ("net", "ema", "optimizer", "exp_avg", "part", 3, 0.99, ("ema", 1), b"ema", None, "ema.net", "")
    return files.pytorch({"net": TENSORS} | {key: table() for key in dice.sample(keys, dice.randint(1, 4))})


def _header_of_array(dice: random.Random) -> bytes:
    sides = ", ".join(
        str(dice.choice((0, 1, 3, -1, 8, 2**31, 2**63, "3L", "True", "1.5", "("))) for _ in range(dice.randint(0, 5))
    )
    kind = dice.choice(("|u1", "<f4", "<f8", "|O", "|V0", "<U0", "(1000000000,)f4", "<m8", "x", "<f4,<f4", "|S0", "<c16"))
    text = f"{{'descr': '{kind}', 'fortran_order': {dice.choice(('True', 'False', '3', '['))}, 'shape': ({sides},), }}"
    text = (
        dice.choice((text, text, text, "(" * 3000, "{{}}", "'", "-" * 5000 + "1", "[" * 95 + "]" * 95))
        + " " * dice.randrange(20)
        + "\n"
    )
    version = dice.choice(((1, 0), (2, 0), (3, 0), (9, 9)))
    length = struct.pack("<H" if version[0] == 1 else "<I", dice.choice((len(text), len(text), 65535, 0)))
    return b"\x93NUMPY" + bytes(version) + length + text.encode() + bytes(dice.choice((0, 24, 1000)))


def _array_archive(dice: random.Random) -> Content:
    return files.archive(
        {f"{name}.npy": _header_of_array(dice) for name in dice.sample(("mu", "sigma", "arr_0", "harness", "x"), 3)}
    )


def _network_header(dice: random.Random) -> Content:
    text = changed_json(dice, json.dumps(_HEADER).encode()).decode()
    entries = {"__metadata__": {"harness": text}, "x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    raw = json.dumps(entries).encode()
    return struct.pack("<Q", len(raw)) + raw + bytes(4)


def _resealed(dice: random.Random) -> Content:
    return files.sealed_json(changed_json(dice, dice.choice(_RECORDS)))


def _resealed_manifest(dice: random.Random) -> Content:
    return {"manifest.json": files.sealed_json(b'{\n "sha256": "",' + changed_json(dice, _MANIFEST)[1:]), "x": b"content"}


def _alias_bomb(dice: random.Random) -> Content:
    form = dice.choice(("[{}]", "{{<<: [{}]}}", "{{a: [{}]}}"))
    lines = [f"a0: &a0 {dice.choice(('[x, y]', '{k: 1}', 'x', '{}'))}"]
    lines += [f"a{level}: &a{level} {form.format(','.join([f'*a{level - 1}'] * 9))}" for level in range(1, dice.randint(3, 20))]
    return ("\n".join(lines) + "\n" + dice.choice(_BOARDS).decode()).encode()


def _evil_title(dice: random.Random) -> Content:
    return dice.choice(_BOARDS).replace(b"title:", f"title: {dice.choice(EVIL_TEXTS)}\n#".encode("utf-8", "surrogatepass"), 1)


def _idx_file(count: int = 3) -> bytes:
    return struct.pack(">4I", 2051, count, 8, 8) + bytes(count * 64)


_BOARDS = [
    (ROOT / "leaderboards" / name / "board.yaml").read_bytes() for name in ("quickstart", "digits", "two-moons", "digits-tokens")
]
_RECORDS = [
    path.read_bytes()
    for path in sorted((ROOT / "leaderboards" / "two-moons" / "results").glob("*.json"))
    if "preview" not in path.name
][:6]
_MANIFEST = json.dumps(
    {"schema": 2, "stage": "sample", "key": "k", "facts": {"n": 3}, "files": {"x": hashlib.sha256(b"content").hexdigest()}},
    indent=1,
).encode()
_MANIFEST = b"{\n" + _MANIFEST.split(b"\n", 1)[1] + b"\n"
_SEALED_MANIFEST = files.sealed_json(b'{\n "sha256": "",' + _MANIFEST[1:])
_STATISTICS = (
    files.npz(mu=np.zeros(3), sigma=np.eye(3)),
    files.npz(mu=np.zeros(6), sigma=np.eye(6), arr_0=np.zeros((2, 8, 8, 3), np.uint8)),
)
_IMAGES = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)
_SAMPLES = files.safetensors({"x.0": torch.zeros(3, 1, 8, 8), "x.1": torch.zeros(3, 1, 8, 8)})
_STORE = _store_files()
_TAR = _tar({f"{n}.{end}": body for n in range(2) for end, body in (("png", files.image()), ("cls", b"1"), ("json", b"{}"))})
_CIFAR = _tar(cifar_files(1)[0])
_FORMS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "bmp": "BMP", "tif": "TIFF", "ppm": "PPM"}
_SOLVER = files.safetensors(
    {"lambda": torch.linspace(0, 1, 5), "l": torch.zeros(5, 2), "s": torch.zeros(5, 2), "b": torch.zeros(5, 2)}
)
_PROGRESS = b'{"job": "j", "stage": "s", "step": 1, "steps": 2, "seconds": 3.0, "values": {"loss": 1.0}, "pid": 1}'
_LOG_LINE = b'{"step": 100, "images": 6400, "values": {"loss": 0.5, "curve": 2.1}}'
_LOG = b'{"training": "0123"}\n' + _LOG_LINE + b"\n" + _LOG_LINE + b"\n"
_UNET = json.dumps({
    "_class_name": "UNet2DModel", "sample_size": 8, "in_channels": 3, "out_channels": 3, "block_out_channels": [32, 64],
    "layers_per_block": 1, "down_block_types": ["DownBlock2D", "AttnDownBlock2D"], "norm_eps": 1e-6,
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"], "act_fn": "silu", "norm_num_groups": 32, "freq_shift": 1,
    "time_embedding_type": "positional", "flip_sin_to_cos": False,
}).encode()  # fmt: skip
_DIFFUSERS = {"config.json": _UNET, "diffusion_pytorch_model.safetensors": files.safetensors(TENSORS)}
_HEADER: dict[str, object] = {
    "model": "edm-unet", "settings": {"model_channels": 16, "channel_mult": [1, 2], "num_blocks": 1, "attn_resolutions": [4]},
    "spec": {"shape": [3, 8, 8], "classes": 0, "preview": "images"},
}  # fmt: skip
_NETWORK = files.safetensors(TENSORS, {"harness": json.dumps(_HEADER)})
_STATE = {"state_dict": TENSORS, "step": 3}
_PREVIEWS = [
    json.dumps({"source": "s", "points": [[0.5, 1.0], [2.0, 3.0]]}).encode(),
    json.dumps({"source": "s", "sheet": sheet_of(torch.zeros(4, 1, 8, 8), None)}).encode(),
]

READERS = {
    "board.yaml": Reader(".yaml", _BOARDS, _board, is_text=True, special=(_alias_bomb, _evil_title)),
    "settings of a command": Reader(".txt", [b"0.5", b"[1, 2]", b"{a: 1}"], _settings, is_text=True, special=(_alias_bomb,)),
    "reported.csv": Reader(
        ".csv",
        [(",".join(COLUMNS) + "\nb,t,m,d,1,2,g,fid,1.3,a paper,note\n").encode()],
        lambda path: reported_markdown(read_reported(path)),
        is_text=True,
    ),
    "record": Reader(".json", _RECORDS, _record, is_text=True, special=(_resealed,)),
    "preview": Reader(
        ".json", _PREVIEWS, read_preview, is_text=True, special=(lambda dice: changed_json(dice, dice.choice(_PREVIEWS)),)
    ),
    "manifest and outputs": Reader(
        "/", [{"manifest.json": _SEALED_MANIFEST, "x": b"content"}], outputs.read, special=(_resealed_manifest,)
    ),
    "progress": Reader(
        "/",
        [{"workers/0123456789ab-1-0-0a1b2c.json": _PROGRESS}],
        _progress,
        special=(lambda dice: {"workers/0123456789ab-1-0-0a1b2c.json": changed_json(dice, _PROGRESS)},),
    ),
    "training log": Reader(
        ".jsonl",
        [_LOG],
        lambda path: read_log(path, "0123"),
        is_text=True,
        special=(lambda dice: b'{"training": "0123"}\n' + changed_json(dice, _LOG_LINE),),
    ),
    "plot": Reader(".png", [files.image()], drawn_from, special=(files.damaged_png,)),
    "weights, safetensors": Reader(
        ".safetensors",
        [_NETWORK, files.safetensors(TENSORS, {"harness": "{}"})],
        _weights,
        special=(files.header_of, _network_header),
    ),
    "weights, torch archive": Reader(
        ".pt",
        [files.pytorch(_STATE)],
        _weights,
        special=(_changed_archive_of([files.pytorch(_STATE)]), _pickle_in_archive, _checkpoint),
    ),
    "weights, torch's old format": Reader(".bin", [files.pytorch(_STATE, is_zip=False)], _weights),
    "weights, network pickle": Reader(
        ".pkl", [(GOLDEN / "edm2" / "pkl_edm2_cond.pkl").read_bytes()], _weights, special=(files.evil_pickle,)
    ),
    "weights, diffusers folder": Reader(
        "/",
        [_DIFFUSERS],
        _weights,
        special=(lambda dice: {**_DIFFUSERS, "config.json": changed_json(dice, _UNET)},),
    ),
    "statistics, npz": Reader(".npz", _STATISTICS, _statistics, special=(_changed_archive_of(_STATISTICS), _array_archive)),
    "statistics, pickle": Reader(".pkl", files.small_pickles(), _statistics, special=(files.evil_pickle,)),
    "statistics, torch": Reader(
        ".pt",
        [files.pytorch({"mu": torch.zeros(3), "sigma": torch.eye(3)}), files.pytorch({"mu": np.zeros(3), "sigma": np.eye(3)})],
        _statistics,
        special=(_pickle_in_archive,),
    ),
    "images, npy": Reader(
        ".npy", [files.npy(_IMAGES), files.npy(np.zeros((2, 8, 8), np.float32))], _array, special=(_header_of_array,)
    ),
    "images, npz": Reader(
        ".npz", [files.npz(arr_0=_IMAGES)], _array, special=(_changed_archive_of([files.npz(arr_0=_IMAGES)]), _array_archive)
    ),
    "images, folder": Reader(
        "/",
        [{f"{n}.{suffix}": files.image(form) for n in range(2)} for suffix, form in _FORMS.items()],
        lambda path: _all_batches(image_files.folder(path).as_set()),
        special=(lambda dice: {"x.png": files.damaged_png(dice)},),
    ),
    "images, folder of bombs": Reader(
        ".bombs", [{"x.png": files.image()}], lambda path: _all_batches(image_files.folder(path).as_set())
    ),
    "images, zip": Reader(
        ".zip",
        [files.archive({f"{n}.png": files.image() for n in range(3)})],
        lambda path: _all_batches(image_files.archive(path).as_set()),
        special=(
            _changed_archive_of([files.archive({f"{n}.png": files.image() for n in range(3)})]),
            lambda dice: files.archive({"x.png": files.damaged_png(dice)}),
        ),
    ),
    "store": Reader("/", [_STORE], _store, special=(_changed_index, lambda dice: _with_changed_file(dice, _STORE))),
    "import, tar": Reader(".tar", [_TAR], _imported),
    "import, CIFAR-10": Reader(
        ".gz", [gzip.compress(_CIFAR)], _cifar, special=(lambda dice: gzip.compress(changed_bytes(dice, _CIFAR)), _cifar_pickle)
    ),
    "import, labels": Reader(
        ".json",
        [b'{"labels": [["a.png", 6], ["b.png", 0]]}'],
        _labels,
        is_text=True,
        special=(lambda dice: changed_json(dice, b'{"labels": [["a.png", 6], ["b.png", 0]]}'),),
    ),
    "import, text of labels": Reader(".txt", [b"a.png 6\nb.png 0\n", b"cat\ndog\n"], _labels, is_text=True),
    "sample sets": Reader(".safetensors", [_SAMPLES], _samples, special=(files.header_of,)),
    "tokenizer": Reader(
        ".safetensors",
        [files.safetensors({"weight": torch.zeros(3, 2), "bias": torch.zeros(3)})],
        _tokenizer,
        special=(files.header_of,),
    ),
    "idx": Reader(".idx", [_idx_file()], _idx),
    "idx, packed": Reader(
        ".gz", [gzip.compress(_idx_file())], _idx, special=(lambda dice: gzip.compress(changed_bytes(dice, _idx_file())),)
    ),
    "statistics of DPM-Solver": Reader(".safetensors", [_SOLVER], _solver_statistics, special=(files.header_of,)),
}
"""Every reader, by the name that docs/trust.md uses."""


def case(name: str, seed: int, number: int) -> Content:
    """Return a hostile file of a reader; the seed decides it."""
    return READERS[name].case(random.Random(f"{seed}/{name}/{number}"), number)


def warm_up(folder: Path) -> None:
    """Read one honest file with every reader, which imports everything that reading needs."""
    registry()
    with contextlib.suppress(ImportError):
        importlib.import_module("diffusers")
    for number, reader in enumerate(READERS.values()):
        with contextlib.suppress(UserError):
            reader.read(written(reader.honest[0], folder / str(number), reader.suffix))


def written(content: Content, folder: Path, suffix: str) -> Path:
    """Write a file, or the files of a folder, below `folder`. Returns: its path."""
    folder.mkdir(parents=True)
    path = folder / ("case" if isinstance(content, dict) else f"case{suffix}")
    if isinstance(content, bytes):
        path.write_bytes(content)
        return path
    path.mkdir()
    for name, body in content.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_bytes(body)
    return path
