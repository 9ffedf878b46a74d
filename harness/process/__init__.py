"""What concerns a process: stopping, memory, environment, workers."""
