"""The training loop, and building blocks of methods: optimisers, averages of the weights, micro-batches, precision.

The settings classes in `harness.training.config` and `harness.training.optimizer` can be imported without torch.
"""
