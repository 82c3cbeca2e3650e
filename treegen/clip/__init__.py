"""The vision side: encoders, embedding cache, scoring, statistics, evaluation."""
