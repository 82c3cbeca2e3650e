"""The optional packages."""

from collections.abc import Iterator

from treegen.doctor.findings import Finding
from treegen.extras import EXTRAS, missing_modules


def extras() -> Iterator[Finding]:
    """Yield a finding for each extra of the distribution: its purpose, and whether it is installed."""
    for name, extra in EXTRAS.items():
        missing = missing_modules(name)
        state = f"{', '.join(missing)} not installed" if missing else "installed"
        yield Finding(
            topic="packages",
            name=name,
            state="off" if missing else "ok",
            message=f"{extra.purpose}: {state}",
            tip=extra.command if missing else "",
        )
