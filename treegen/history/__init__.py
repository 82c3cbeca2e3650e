"""The contents of `.treegen/`: revisions, scores, requests, review sessions and checkpoints of long runs."""
