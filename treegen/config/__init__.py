"""domain.toml: what to classify, with its images, encoder and language model."""
