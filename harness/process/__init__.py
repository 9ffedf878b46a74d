"""Helpers for the current process: signals, memory, devices, the environment of a record, and the start of a worker."""
