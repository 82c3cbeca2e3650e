"""Files of other projects: read their trees, and write trees in their formats."""
