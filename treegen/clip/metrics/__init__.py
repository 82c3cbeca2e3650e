"""Accuracy with its interval, paired tests, mutual information and controls."""
