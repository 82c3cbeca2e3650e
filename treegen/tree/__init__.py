"""The tree document: model, text, problems, validation and changes."""
