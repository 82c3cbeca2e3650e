"""The language side: prompts, the interface to language models, reply parsing, drafting."""
