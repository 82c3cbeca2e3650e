"""domain.toml: what is to be classified, with its images, encoder and language model."""
