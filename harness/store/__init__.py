"""Everything that stays on disk: keys, files that appear whole, outputs of stages, records, leases, and progress."""
