"""The training loop, and what methods build on: optimisers, averages of the weights, micro-batches, precision.

Settings may be imported without torch, from `harness.training.config` and `harness.training.optimizer`.
"""
