"""The log of a review, `.treegen/treegen.log`: what was loaded, asked and computed, and every unexpected failure."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final

NAME: Final = "treegen.log"
_MOST: Final = 1_000_000  # bytes of a log; the one before it is kept as treegen.log.1


class _LogFile(RotatingFileHandler):
    def emit(self, record: logging.LogRecord) -> None:
        """Write into a new file if the old one was removed with its folder."""
        if self.stream and not Path(self.baseFilename).exists():
            self.stream.close()
            self.stream = None
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Pass over a disk that is full: what cannot be stored then is reported where that happens."""


@contextmanager
def log_to(folder: Path) -> Iterator[None]:
    """Write the log into a folder as long as the context is open; a log that cannot be opened is no error."""
    handler: logging.Handler
    try:
        handler = _LogFile(folder / NAME, maxBytes=_MOST, backupCount=1, encoding="utf-8")
    except OSError:
        handler = logging.NullHandler()  # else warnings would be printed across the screen
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    with attached(handler):
        yield


@contextmanager
def attached(handler: logging.Handler) -> Iterator[None]:
    """Send the log of treegen to a handler as long as the context is open, and close the handler then."""
    logger = logging.getLogger("treegen")
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.setLevel(before)
        logger.removeHandler(handler)
        handler.close()
