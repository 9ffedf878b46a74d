"""The way of a cell, a file a stage: base, finetune, sample, features, metrics, record; each output under a key."""
