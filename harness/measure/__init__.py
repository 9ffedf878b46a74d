"""Metrics of images that lie in files, without a board: what `harness measure` does.

In the order of a measurement: `request` holds what the user wrote. `named_components` looks metrics, extractors and datasets up.
`sources` turns paths and names of datasets into sets of images. `plan` says what is compared with what, and `plan_checks` finds
every fault that needs no image. `source_features` looks at the images and extracts features. `measuring` computes the metrics.
"""
