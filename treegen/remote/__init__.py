"""Shared by all remote services: litellm, keys, prices, failures explained by cause, retries and caps."""
