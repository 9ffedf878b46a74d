"""What all tests share."""

from __future__ import annotations

import torch

# As workers do: a second thread gains nothing on small networks, and costs much beside another process.
torch.set_num_threads(1)
