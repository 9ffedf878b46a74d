"""The run of a board."""
