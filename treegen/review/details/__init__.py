"""What the detail panel shows of one thing, in words and pictures."""
