"""Metrics of images that lie in files, without a board: what `harness measure` does."""
