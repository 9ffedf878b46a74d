"""Names of tables in checkpoints, as trainers write them: which say averaged weights, and which prefixes wrappers add."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

WRAPPERS = ("module.", "_orig_mod.", "_forward_module.", "_fsdp_wrapped_module.")
"""Prefixes that data parallelism, compilation and sharding put before every name."""

AVERAGED_WORDS = frozenset(
    [
        "ema",
        "emas",
        "swa",
        "avg",
        "average",
        "averaged",
        "averages",
        "shadow",
        "polyak",
        "modelema",
        "emamodel",
        "netema",
        "emanet",
        "gema",
    ]
)
"""Words in the names of averaged weights: state_dict_ema, G_ema, params_ema, EMACallback, shadow_params, averaged_model, …"""

RAW_WORDS = frozenset(["raw", "online", "current", "collected", "nonema", "noema"])
"""Words in the names of weights that stand beside averaged ones, and are not averaged: online_model, collected_params, …"""

NEGATIONS = frozenset(["no", "non", "not", "without", "wo", "pre", "before"])

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_MOMENTS = re.compile(r"exp_?(avg|inf)|(square|sq|grad)_?avg|avg_?(square|sq|grad)", re.IGNORECASE)
"""An optimiser's averages of gradients and of their squares, whose names sound like averaged weights: Adam's exp_avg_sq."""
_BOOKKEEPING = re.compile(rf"optim(?!al)|sched|scaler|^opt$|^rng|^adam|{_MOMENTS.pattern}", re.IGNORECASE)


def is_averaged(path: Sequence[str]) -> bool | None:
    """Return what the keys of a table say: True for averaged weights, False for raw ones, None where they say neither.

    The innermost key that says something decides: `ema.online_model` is raw.
    """
    for key in reversed(path):
        if _MOMENTS.search(key):
            return False
        words = {word.lower() for word in _WORD.findall(key)}
        averaged, raw = bool(words & AVERAGED_WORDS), bool(words & RAW_WORDS)
        if averaged and words & NEGATIONS:
            return False
        if averaged != raw:
            return averaged
    return None


def is_bookkeeping(key: str) -> bool:
    """Return whether a key belongs to an optimiser or the like, whose tables of tensors are no weights."""
    return _BOOKKEEPING.search(key) is not None


def may_hold_weights(path: Sequence[str]) -> bool:
    """Return whether the tensors at a place may be weights. Those of an optimiser are none, unless it keeps averaged weights."""
    places = [place for place, key in enumerate(path) if is_bookkeeping(key)]
    return not places or bool(is_averaged(path[places[-1] :]))


def without_wrappers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors without the prefixes of wrappers that all names share, whatever their number and order."""
    named = dict(tensors)
    while named and (prefix := next((text for text in WRAPPERS if all(name.startswith(text) for name in named)), None)):
        named = {name.removeprefix(prefix): value for name, value in named.items()}
    return named
