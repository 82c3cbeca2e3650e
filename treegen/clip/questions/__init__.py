"""What a tree's answers leave open: prediction sets."""
