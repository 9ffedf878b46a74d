"""The run of a board: how its cells stand, what they need, in which order they run, and how they ended."""
