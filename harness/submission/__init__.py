"""Submissions: a board's published records as one file with hashes, and what another machine can confirm of them."""
