"""The stages of a cell, in this order: base, finetune, sample, features, metrics, record. `jobs` takes a cell through them.

`context` and `process_cache` hold what the stages share. `encoding`, `prepare` and `loading` serve the stages before `features`;
`curve_measuring` measures weights during fine-tuning. `example_sets` and `draws` serve the metrics.
"""
