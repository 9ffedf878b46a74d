"""Files of weights: readers for every known format, and a check of names and shapes against the network that loads them."""
