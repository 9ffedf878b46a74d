"""Folders in the format of diffusers: which files of weights they hold, in variants (fp16, non_ema) and in shards."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import UserError

AVERAGED = "ema"
"""The name of the weights without a variant's name, where raw ones stand beside them as the variant `non_ema`."""

_FILE = re.compile(
    r"diffusion_pytorch_model(?:\.(?P<variant>[A-Za-z][\w-]*?))?(?:-(?P<shard>\d{5})-of-(?P<shards>\d{5}))?"
    r"(?:\.(?P<old_variant>[A-Za-z]\w*))?\.(?P<suffix>safetensors|bin)"
)
_PRECISION = re.compile(r"(fp|bf|int|float)\d+")
_EXPECTED = "diffusion_pytorch_model.safetensors or .bin, also in shards, or as a variant such as .fp16.safetensors"


def network_folder(path: Path) -> Path:
    """Return the folder of the network: of a whole pipeline its `unet`, and otherwise the folder itself.

    Raises: UserError for a pipeline without a `unet`, and for a folder that holds the folders of several networks.
    """
    if (path / "config.json").is_file():
        return path
    if (path / "model_index.json").is_file():
        if (path / "unet" / "config.json").is_file():
            return path / "unet"
        raise UserError(f"{path}: a pipeline of diffusers without a folder unet; give the folder of its network")
    networks = sorted(folder.parent.name for folder in path.glob("*/config.json"))
    if networks:
        raise UserError(f"{path}: no diffusers folder, but it holds some: {', '.join(networks)}; give the path of one of them")
    return path


def weights_files(folder: Path) -> Mapping[str, Sequence[Path]]:
    """Return the files of each set of weights in a folder, by the set's name; a set in shards has several files.

    A set without a variant's name is called "", or AVERAGED beside the variant `non_ema`. Where it is there, variants of a
    smaller precision are left out, since they are the same weights. Safetensors go before .bin.
    Raises: UserError when a shard is missing, or when the folder holds no weights.
    """
    sets: dict[str, dict[str, list[re.Match[str]]]] = {}
    for path in sorted(folder.iterdir()):
        if path.is_file() and (name := _FILE.fullmatch(path.name)):
            sets.setdefault(name["variant"] or name["old_variant"] or "", {}).setdefault(name["suffix"], []).append(name)
    if not sets or not (folder / "config.json").is_file():
        raise UserError(f"{folder}: no diffusers folder: needs config.json and {_EXPECTED}")
    if "" in sets:
        sets = {name: files for name, files in sets.items() if not _PRECISION.fullmatch(name)}
    files = {name: _shards(folder, by_suffix.get("safetensors") or by_suffix["bin"]) for name, by_suffix in sets.items()}
    if "" in files and len(files) > 1:
        files = {AVERAGED if name == "" and "non_ema" in files else name or "plain": paths for name, paths in files.items()}
    return files


def _shards(folder: Path, names: Sequence[re.Match[str]]) -> list[Path]:
    """Return the paths of a set's files in the order of the shards. Raises: UserError when one is missing."""
    whole = [name for name in names if name["shard"] is None]
    if whole:
        return [folder / whole[0].string]
    count = int(names[0]["shards"])
    missing = sorted(set(range(1, count + 1)) - {int(name["shard"]) for name in names})
    if missing or len(names) != count:
        raise UserError(f"{folder}: of the {count} shards of its weights, {len(names)} are here; missing: {missing}")
    return [folder / name.string for name in sorted(names, key=lambda name: int(name["shard"]))]
