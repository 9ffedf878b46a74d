"""Weights are data: one way to read them from any file, checked name by name against the network that takes them."""
