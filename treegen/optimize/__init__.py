"""Improve a tree without a person: a search over single changes, judged on held-out dev images."""
