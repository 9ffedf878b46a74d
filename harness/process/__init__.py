"""One process: its signals, memory, devices and environment, and the start of a worker."""
