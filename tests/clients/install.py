"""What tests need of npm and Maven, installed once; an installation that fails is an error, not a reason to skip."""

import subprocess
from functools import cache
from pathlib import Path

from filelock import FileLock

HERE = Path(__file__).parent
#: Tests run in several processes; one installs, the others wait.
ALONE = FileLock(HERE / ".installing.lock")


@cache
def npm() -> Path:
    """The folder below which ``node`` finds the packages of package-lock.json, in ``node_modules``."""
    done = HERE / "node_modules" / ".package-lock.json"
    with ALONE:
        if not done.exists() or done.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
            _run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
            done.touch()
    return HERE


@cache
def jars() -> str:
    """The class path of what pom.xml names."""
    folder = HERE / ".jars"
    done = folder / ".done"
    with ALONE:
        if not done.exists() or done.stat().st_mtime < (HERE / "pom.xml").stat().st_mtime:
            _run(
                "mvn", "-q", "-B", "-Dstyle.color=never", "-f", "pom.xml", "dependency:copy-dependencies",
                "-DincludeScope=runtime", f"-DoutputDirectory={folder}",
            )  # fmt: skip
            done.touch()
    return f"{folder}/*"


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
