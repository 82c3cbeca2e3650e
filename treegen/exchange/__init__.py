"""Other people's files: reads what their projects hold as trees, and writes trees in their formats."""
