"""What all tests share."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

# Fake components and the fixtures of boards made of them.
sys.path.insert(0, str(Path(__file__).parent / "fakes"))
pytest_plugins = ["board_fixtures"]

# As workers do: a second thread gains nothing on small networks, and costs much beside another process.
torch.set_num_threads(1)
