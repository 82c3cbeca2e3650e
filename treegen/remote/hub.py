"""The Hugging Face hub: whether it can be reached, asked before anybody waits for the retries of its client."""

import re
from collections.abc import Callable
from threading import Thread
from typing import Final
from urllib.parse import urlsplit

#: seconds in which the hub must answer before a download is tried
PATIENCE: Final = 10.0
_MOMENT: Final = 0.5
#: a class in the chain of causes -> what is wrong
_WORDS: Final = {
    "gaierror": "no such host name",
    "ConnectionRefusedError": "it refused the connection",
    "ConnectTimeout": "no answer",
    "SSLCertVerificationError": "its certificate is not trusted",
}
_ERRNO: Final = re.compile(r"\[Errno -?\d+\] ")


def hub_host() -> str:
    """Return the host of the hub: huggingface.co, or that of HF_ENDPOINT."""
    from huggingface_hub import constants

    return urlsplit(constants.ENDPOINT).hostname or str(constants.ENDPOINT)


class HubProbe:
    """A question to the hub that a thread asks: nothing waits for it before `unreachable` is called."""

    def __init__(self) -> None:
        """Ask, by the hub's own client: with its proxies, certificates and settings."""
        self._reason = ""
        self._thread = Thread(target=self._ask, daemon=True)
        self._thread.start()

    def unreachable(self, patience: float = PATIENCE, tell: Callable[[str], object] | None = None) -> str:
        """Wait at most `patience` seconds; return why the hub cannot be reached, empty if it answers.

        Args:
            patience: the most seconds to wait.
            tell: called with a line that says what is waited for, if that takes longer than a moment.
        """
        self._thread.join(min(patience, _MOMENT))
        if tell and self._thread.is_alive():
            tell(f"waiting for {hub_host()} to answer, {patience:g} seconds at most")
        self._thread.join(max(0.0, patience - _MOMENT))
        return f"no answer in {patience:g} seconds" if self._thread.is_alive() else self._reason

    def _ask(self) -> None:
        from huggingface_hub import constants
        from huggingface_hub.utils import get_session

        if constants.HF_HUB_OFFLINE:
            self._reason = "HF_HUB_OFFLINE is set"
            return
        try:
            get_session().head(constants.ENDPOINT, timeout=PATIENCE)  # any answer will do
        except Exception as error:  # of one of two HTTP libraries, by the version of the client
            self._reason = _reason(error)


def _reason(error: Exception) -> str:
    """Say in plain words why a connection failed, by the first cause that is known."""
    from treegen.remote.failures import causes
    from treegen.text import first_line

    names = [type(cause).__name__ for cause in causes(error)]
    words = next((_WORDS[name] for name in names if name in _WORDS), "")
    return words or _ERRNO.sub("", first_line(error)) or names[0]
