"""Three-way merge by names, and what it leaves to decide."""
