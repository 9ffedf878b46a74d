"""Settings of the paper by name. Settings beside a preset win.

What the paper and its code leave open is filled in as docs/methods/ddo.md says. The length of a round is the board's: its
`training` has images, batch and the average of the weights.
"""

from __future__ import annotations

from collections.abc import Mapping

# The paper searches alpha and beta in every round, within alpha 0.5 to 6 and beta 0.01 to 0.1. Its grid is not known.
_GRID = {"alpha": (1.0, 4.0), "beta": (0.02, 0.05)}
_SELF_PLAY: Mapping[str, object] = {
    "reference": "best", "search_each_round": _GRID, "weight": "edm", "bank_size": 50_000, "shared_draw": True,
}  # fmt: skip

PRESETS: Mapping[str, Mapping[str, object]] = {
    # 12 rounds without labels and 16 with them, of 1.5 M images at 512 a step; the rate rises over the whole round.
    "edm-cifar10": {**_SELF_PLAY, "rounds": 12, "optimizer": {"lr": 1.5e-4, "warmup": 1.0}},
    # 24 rounds of 6.4 M images. The rate ends at 0.4 of its peak: 1 / sqrt(6.25), for a warm-up over 0.16 of the round.
    "edm2-img64": {
        **_SELF_PLAY,
        "rounds": 24,
        "p_mean": -0.8, "p_std": {1: 1.6, 17: 3.0},
        "optimizer": {"lr": 5e-5, "betas": (0.9, 0.99), "warmup": 0.16, "decay": "inverse-sqrt"},
    },
    # 28 rounds of 6.4 M images. Which rounds raise p_std is not known: a third each.
    "edm2-img512": {
        **_SELF_PLAY,
        "rounds": 28,
        "p_mean": -0.4, "p_std": {1: 1.6, 11: 2.0, 20: 3.0},
        "optimizer": {"lr": 5e-5, "betas": (0.9, 0.99), "warmup": 0.16, "decay": "inverse-sqrt"},
    },
    # The published training of VAR-d16 on ImageNet 256x256: about 98 steps of 1024 images, of an epoch of 1251 steps. The rate
    # rises over a fiftieth of the epoch, 25 steps, so 0.255 of the training here. Decay, clip and betas are VAR's own.
    "var": {
        "alpha": 50.0, "beta": 0.02, "fakes": "online", "same_labels": True, "drop_label": 0.5, "divide": True,
        "optimizer": {
            "name": "adamw", "lr": 4e-6, "betas": (0.9, 0.95), "weight_decay": 0.05, "decay_1d": False,
            "clip": 2.0, "warmup": 0.255,
        },
    },
}  # fmt: skip


def filled_from_preset(settings: Mapping[str, object]) -> Mapping[str, object]:
    """Return the settings, after their `preset` has filled in those that are absent.

    Settings of the optimiser are filled in one by one. What the settings give a value to is not searched, and nothing is where
    they ask for `reference: last`. Of values by round, those of rounds that the settings cut off are left out. A name that no
    preset has adds nothing: the checks of the settings report it.
    """
    preset = _cut(PRESETS.get(str(settings.get("preset")), {}), settings.get("rounds"))
    filled = {**preset, **settings}
    inner, given = preset.get("optimizer"), settings.get("optimizer")
    if isinstance(inner, Mapping) and isinstance(given, Mapping):
        filled["optimizer"] = {**inner, **given}
    grid = preset.get("search_each_round")
    if isinstance(grid, Mapping) and "search_each_round" not in settings:
        left = {name: values for name, values in grid.items() if name not in settings}
        filled["search_each_round"] = left if left and settings.get("reference") != "last" else None
    return filled


def _cut(preset: Mapping[str, object], rounds: object) -> Mapping[str, object]:
    """Return a preset without the values that begin after a number of rounds; as it is where that is no number."""
    if not isinstance(rounds, int):
        return preset
    return {
        name: {first: each for first, each in value.items() if not isinstance(first, int) or first <= max(rounds, 1)}
        if isinstance(value, Mapping)
        else value
        for name, value in preset.items()
    }
