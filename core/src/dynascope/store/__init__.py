"""The workspace on disk: families, variants, checkpoints, metrics, artifacts (docs/file-format.md)."""
