"""Audit the lock: does a pinned version have a known vulnerability?

`make check` runs it as `python -m tests.audit PIP_AUDIT LOCK`. It fails for a vulnerability, and for nothing else:
without the network, or behind an index that has no data on vulnerabilities, it says how many packages were not audited
and why.
"""

import json
import subprocess
import sys
from collections import Counter
from typing import Any

# Identifiers of vulnerabilities that do not concern treegen, each with the reason.
ACCEPTED: dict[str, str] = {}
_SECONDS = 120


def main() -> int:
    """Run pip-audit and print the verdict; the exit code is 1 if a package is vulnerable."""
    program, lock = sys.argv[1:]
    command = [
        program,
        "--requirement",
        lock,
        "--no-deps",
        "--disable-pip",
        "--progress-spinner",
        "off",
        "--format",
        "json",
    ]
    for identifier in ACCEPTED:
        command += ["--ignore-vuln", identifier]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        report = json.loads(finished.stdout)
    except FileNotFoundError:
        print("audit: skipped, pip-audit could not be installed")
        return 0
    except subprocess.TimeoutExpired:
        print(f"audit: skipped, no reply in {_SECONDS} s")
        return 0
    except json.JSONDecodeError:
        print(f"audit: skipped, pip-audit reported: {(finished.stderr.strip() or 'nothing').splitlines()[-1]}")
        return 0
    lines, code = verdict(report)
    print("\n".join(lines))
    return code


def verdict(report: dict[str, Any]) -> tuple[list[str], int]:
    """Return the lines to print for a JSON report of pip-audit, and the exit code."""
    packages = report["dependencies"]
    vulnerable = [each for each in packages if each.get("vulns")]
    reasons = Counter(each["skip_reason"].split(":")[0] for each in packages if "skip_reason" in each)
    lines = [
        f"audit: {each['name']} {each['version']} has {vulnerability['id']}, fixed in "
        f"{', '.join(vulnerability['fix_versions']) or 'no version'}: run make lock, or accept it in tests/audit.py"
        for each in vulnerable
        for vulnerability in each["vulns"]
    ]
    lines.append(
        f"audit: {len(packages) - reasons.total()} of {len(packages)} packages audited, {len(vulnerable)} vulnerable"
    )
    lines += [f"audit: {count} not audited: {reason}" for reason, count in reasons.most_common()]
    return lines, 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())
