"""finetune-harness: fair comparisons of fine-tuning methods for likelihood-based generative models.

This package holds the names that most plugins need, and does not import torch. Plugin authors find further names in
`harness.capabilities`, `harness.interfaces`, `harness.training`, `harness.streams`, `harness.toolkit.transitions` and
`harness.testing`.
"""

from harness.components import Component, Dataset, Executor, Extractor, Method, Metric, Model, Sampler, Tracker
from harness.config import Config, NoConfig
from harness.errors import Diverged, UserError
from harness.hookspecs import hookimpl

__version__ = "0.1.0"

__all__ = [
    "Component",
    "Config",
    "Dataset",
    "Diverged",
    "Executor",
    "Extractor",
    "Method",
    "Metric",
    "Model",
    "NoConfig",
    "Sampler",
    "Tracker",
    "UserError",
    "hookimpl",
]
