"""Texts of boards that run in seconds, for tests of several rooms."""

ONE_BASE = """\
title: One base
dataset: {name: swiss-roll, train_size: 200}
bases:
  ddpm:
    model: {name: ddpm-mlp, steps: 2, width: 8}
    pretrain: {method: mle, training: {images: 64, batch: 16}}
training: {images: 64, batch: 16}
methods:
  none:
  ddo: {method: {name: ddo, bank_size: 20}}
seeds: [0, 1]
evaluation: {samples: 20, batch: 20}
floor: {pairs: 2}
metrics: {sliced-w2: {metric: {name: sliced-w2, projections: 10}}}
"""
"""Points: one base, one method, two seeds."""

DIGITS = """\
title: Digits
dataset: digits
bases:
  small:
    model: {name: edm-unet, model_channels: 4, channel_mult: [1], attn_resolutions: []}
    pretrain: {method: mle, training: {images: 128, batch: 64}}
    sampler: {name: heun, steps: 2}
methods: {none: }
seeds: [0]
evaluation: {samples: 70, draws: 2, batch: 16}
metrics:
  "fid[digits-cnn]": {draws: 1}
  "kid[digits-cnn]": {metric: {name: kid, subset_size: 30}}
"""
"""Images: one base, no method, two columns on features."""
