"""Conversations with a language model: draft, describe, repair, revise."""
