"""Drawing samples: a random stream for each sample, chunks, latents, and the count of network evaluations."""
