"""The verdict on what pip-audit reports about the lock."""

import subprocess
import sys
from pathlib import Path

from tests.audit import verdict
from tests.conftest import ROOT

SOUND = {"name": "click", "version": "8.5.1", "vulns": []}
VULNERABLE = {
    "name": "jinja2",
    "version": "3.1.0",
    "vulns": [{"id": "PYSEC-2024-1", "fix_versions": ["3.1.3"], "aliases": [], "description": "..."}],
}
UNKNOWN = {"name": "yarl", "skip_reason": "Dependency not found on PyPI and could not be audited: yarl (1.25.1)"}


def test_a_vulnerable_package_fails_and_is_named_with_its_fix() -> None:
    lines, code = verdict({"dependencies": [SOUND, VULNERABLE, UNKNOWN]})
    assert code == 1
    assert lines[0].startswith("audit: jinja2 3.1.0 has PYSEC-2024-1, fixed in 3.1.3")
    assert lines[1] == "audit: 2 of 3 packages audited, 1 vulnerable"


def test_what_was_not_audited_is_counted_with_its_reason() -> None:
    lines, code = verdict({"dependencies": [SOUND, UNKNOWN, UNKNOWN]})
    assert code == 0
    assert lines == [
        "audit: 1 of 3 packages audited, 0 vulnerable",
        "audit: 2 not audited: Dependency not found on PyPI and could not be audited",
    ]


def test_a_failing_pip_audit_is_a_skip_with_its_reason(tmp_path: Path) -> None:
    """Without the network pip-audit prints no JSON."""
    program = tmp_path / "pip-audit"
    program.write_text("#!/bin/sh\necho 'ConnectionError: no route' >&2\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    command = [sys.executable, "-m", "tests.audit", str(program), "constraints.txt"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout) == (
        0,
        "audit: skipped, pip-audit reported: ConnectionError: no route\n",
    )
