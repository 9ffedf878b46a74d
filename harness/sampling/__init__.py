"""Drawing samples: seeds, chunks, latents, and the count of network evaluations."""
