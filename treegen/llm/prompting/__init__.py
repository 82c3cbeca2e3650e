"""What is sent to a language model: rendered templates and the schema of the reply."""
