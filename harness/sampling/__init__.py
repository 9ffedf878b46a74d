"""Drawing of samples: in chunks, with a random stream for each sample; decoding of latents; counting of network evaluations."""
