"""Images and texts as vectors, each embedded once: the cache and what fills it."""
