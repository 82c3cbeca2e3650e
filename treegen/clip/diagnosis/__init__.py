"""Where a tree goes wrong, and what could be done about it."""
