"""Where torch.hub keeps the weights that it downloads. Importing this module costs no torch."""

FOLDERS = ("$TORCH_HOME/hub/checkpoints", "$XDG_CACHE_HOME/torch/hub/checkpoints", "~/.cache/torch/hub/checkpoints")
"""The folders in the order in which torch.hub looks at them."""
