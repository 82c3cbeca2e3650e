"""What every remote service shares: litellm, keys, prices, failures told by their cause, retries and caps."""
