"""The end of a review: what was typed is stored, and what runs beside is given up."""

from collections.abc import Callable
from contextlib import suppress

from treegen.errors import TreegenError
from treegen.review.context import ReviewContext
from treegen.review.flows.feedback import FeedbackFlow
from treegen.review.screens.dialogs import ChoiceDialog


class LeavingFlow:
    """Ways to end; what is unsaved is in the store, and the next review goes on with it."""

    def __init__(self, context: ReviewContext, feedback: FeedbackFlow, *close: Callable[[], None]) -> None:
        """Prepare to leave.

        Args:
            context: the application.
            feedback: whose text is stored.
            close: give up what runs beside the keys.
        """
        self.context, self._feedback, self._closing = context, feedback, close

    def _store(self) -> None:
        session = self.context.review.session
        if not session.read_only and not session.is_blank:  # else there is nothing to store
            session.check_store()
            self._feedback.keep_text()

    async def leave(self) -> None:
        """Leave, unless something cannot be stored and the reviewer would rather stay."""
        try:
            self._store()
        except TreegenError as error:
            choices = ["stay", "quit, and lose what is not stored"]
            if await self.context.ask(ChoiceDialog(f"not stored: {error.message}", choices)) != 1:
                return
        self.close()
        self.context.exit()

    def at_once(self) -> None:
        """Store what can be stored, and ask nothing."""
        with suppress(TreegenError):
            self._store()
        self.close()

    def close(self) -> None:
        """Give up what runs beside the keys."""
        for each in self._closing:
            each()
