"""Boards as web pages: a folder of files that a browser shows from disk, or that a local server shows while a run goes on."""
