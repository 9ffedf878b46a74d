"""Images as bytes: what extractors see, wherever the images come from."""
