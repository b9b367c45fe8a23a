"""What we are made of: known weaknesses of the locked packages (`make audit`) and a bill of materials (`make sbom`)."""

import subprocess
import sys
from pathlib import Path

import orjson

ADVISORIES = "build/audit.json"


def audit(out: Path = Path(ADVISORIES), tool: tuple[str, ...] = (sys.executable, "-m", "pip_audit")) -> int:
    """Ask pip-audit for every package of the lock; 1 when one has a known weakness, each on a line of its own.

    Advisories that cannot be reached are said to be so, on standard error and in ``out``: that is no finding.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    command = [
        *tool,
        "-r",
        "requirements.lock",
        "--disable-pip",
        "--progress-spinner",
        "off",
        "-f",
        "json",
        "-o",
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages = orjson.loads(out.read_bytes())["dependencies"]
    except (FileNotFoundError, ValueError, KeyError):
        return _not_audited(out, (done.stderr.strip().splitlines() or ["no answer"])[-1])
    skipped = [package for package in packages if "skip_reason" in package]
    if len(skipped) == len(packages):  # how pip-audit takes an index that has no advisories
        return _not_audited(out, skipped[0]["skip_reason"] if skipped else "no packages")
    found = [(package, weakness) for package in packages for weakness in package.get("vulns", ())]
    for package, weakness in found:
        fixed = ", ".join(weakness.get("fix_versions", ())) or "no version yet"
        print(f"{package['name']} {package['version']}: {weakness['id']}, fixed in {fixed}")
    print(f"{len(packages) - len(skipped)} packages audited, {len(found)} known weaknesses")
    if skipped:
        names = ", ".join(each["name"] for each in skipped)
        print(f"not audited, since the advisories do not know them: {names}", file=sys.stderr)
    return 1 if found else 0


def _not_audited(out: Path, why: str) -> int:
    out.write_bytes(orjson.dumps({"not_audited": why}))
    print(f"NOT AUDITED: the advisories cannot be reached ({why}): nothing is known of the packages", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(audit())
