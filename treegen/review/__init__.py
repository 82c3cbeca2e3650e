"""The review TUI. It shows a `treegen.reviewing.Review` and posts what its user wants; it knows nothing itself."""
