"""The review TUI. It shows a `Review` and posts what its user wants; it knows nothing itself."""
