"""Images as bytes, wherever they come from, and the features that extractors make of them."""
