"""Where a tree goes wrong, and what can be done about it."""
