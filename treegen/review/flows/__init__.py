"""What a reviewer does in several steps: each flow takes a `ReviewContext`, and none knows the application."""
