"""The loop and what methods build on. `OptimizerConfig` may be imported without torch, from `harness.training.optimizer`."""
