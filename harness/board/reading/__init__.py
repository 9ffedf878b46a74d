"""How a board.yaml becomes a Board: everything in the file is checked here, before any work."""
