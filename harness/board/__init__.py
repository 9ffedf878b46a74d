"""A leaderboard as YAML says it, checked whole before any work, and the bases, rows, cells and columns that it becomes."""
