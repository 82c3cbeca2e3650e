"""Trees in git: files at a revision, the merge driver, and approved content."""
