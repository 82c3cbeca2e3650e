"""Read a language model's reply: whole, while it streams, or continued after truncation."""
