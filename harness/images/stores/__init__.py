"""Stores: folders of images as bytes, which are read by row. `harness import` writes them, and datasets read them.

A store holds `index.json`, which is sealed by a checksum, and shards of NumPy's format: `images-00000.npy` (n, C, H, W) uint8,
`digests-00000.npy` (n, 32) uint8, the sha256 of each image's bytes, and, where the images have labels, `labels-00000.npy` (n,)
int64. `index.json` has the sha256 of every one of these files.
"""
