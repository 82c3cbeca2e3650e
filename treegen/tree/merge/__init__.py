"""Three-way merge by name, and the conflicts it leaves."""
