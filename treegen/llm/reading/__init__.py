"""What a language model replied: parsed whole, while it streams, or continued after a cut."""
