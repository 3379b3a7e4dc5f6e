"""Files on disk: run folders, cached logits, their keys and locks."""
