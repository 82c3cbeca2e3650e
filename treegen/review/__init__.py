"""The review TUI. It shows a `ReviewModel` and posts the user's requests; it has no logic of its own."""
