"""What plugins share and the core itself does not use."""
