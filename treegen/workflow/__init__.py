"""What a command and the review both call. Nothing here prints or draws."""
