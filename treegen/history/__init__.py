"""What is kept in `.treegen/`: revisions, scores, requests, review sessions and finished parts of long runs."""
