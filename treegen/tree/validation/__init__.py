"""Everything that can be wrong with a tree, and the fixes that are certain."""
