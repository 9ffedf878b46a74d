"""Parts that several plugins share: chains, denoisers, tokenizers' autoencoders, image datasets. The core uses none of them."""
