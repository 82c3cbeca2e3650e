"""Lints: wordings that CLIP cannot answer, and groups that separate no classes."""
