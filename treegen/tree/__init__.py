"""The tree document: model, text format, problems, validation and changes."""
