"""The stages of a cell, in this order: base, finetune, sample, features, metrics, record. `jobs` takes a cell through them.

`context` and `process_cache` hold what the stages share. `encoding`, `prepare` and `loading` serve the stages before `features`;
`curve` measures along fine-tuning; `compare` and `example_sets` serve the metrics.
"""
