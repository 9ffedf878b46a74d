"""What concerns one process: its signals, memory, devices and environment, and how a worker starts."""
