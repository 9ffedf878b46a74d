"""board.yaml becomes a Board: everything is checked here."""
