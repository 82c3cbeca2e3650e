"""The language side: prompts, the seam to language models, reply parsing, drafting."""
