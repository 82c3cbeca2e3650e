"""Everything that can be wrong with a tree, and the repairs that are certain."""
