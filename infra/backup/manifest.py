"""What a backup holds, in its `manifest.json`: written last and at once, so that a folder without one is no backup."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

NAME = "manifest.json"
FORMAT = 1


class Unusable(RuntimeError):
    """A folder or a file of a backup that cannot be used; the text names it."""


class Strict(BaseModel):
    """Refuses what it does not know: it comes from a later version."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class File(Strict):
    """A file of the backup: its path there, its size in bytes and its checksum."""

    name: str
    bytes: int
    sha256: str

    @classmethod
    def of(cls, folder: Path, path: Path) -> "File":
        """The file at ``path`` as it is now."""
        return cls(name=path.relative_to(folder).as_posix(), bytes=path.stat().st_size, sha256=checksum(path))


class Segment(File):
    """Records ``first`` to before ``next`` of a partition; ``records`` of these offsets have one."""

    first: int
    next: int
    records: int


class Partition(Strict):
    """One partition, whole below ``next``. Kafka itself held it from ``start`` on; the rest is from the table `log`."""

    topic: str
    partition: int
    start: int
    next: int
    segments: tuple[Segment, ...]

    @property
    def records(self) -> int:
        """How many records there are."""
        return sum(segment.records for segment in self.segments)


class HomeFile(File):
    """A file of the home: its path there and its permissions."""

    path: str
    mode: int


class Manifest(Strict):
    """A whole backup. ``groups``: offsets of consumers that must not do again what they did, by topic/partition."""

    format: int = FORMAT
    mailiu: str
    fold: int
    made: str
    partitions: int
    log: tuple[Partition, ...]
    groups: dict[str, dict[str, int]]
    home: tuple[HomeFile, ...]
    salt: str | None = None  #: of the passphrase's key, where the home's files are sealed

    @property
    def files(self) -> Iterator[File]:
        """Every file."""
        for partition in self.log:
            yield from partition.segments
        yield from self.home

    @property
    def identity(self) -> str:
        """Tells this backup from every other one."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def save(self, folder: Path) -> None:
        """Put the manifest into ``folder``, in the place of an earlier one."""
        temporary = folder / f".{NAME}"
        temporary.write_text(self.model_dump_json(indent=1))
        temporary.replace(folder / NAME)


def load(folder: Path) -> Manifest:
    """The manifest of ``folder``. Raises `Unusable`."""
    try:
        text = (folder / NAME).read_text()
    except OSError as error:
        raise Unusable(f"{folder / NAME}: no finished backup ({error.strerror})") from error
    try:
        found = Manifest.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"])) or "the file"
        raise Unusable(f"{folder / NAME}: {where}: {problem['msg']}") from error
    if found.format != FORMAT:
        raise Unusable(f"{folder / NAME}: format is {found.format}, this version reads {FORMAT}")
    return found


def check(folder: Path, manifest: Manifest, seen: Callable[[int], None]) -> None:
    """Compare every file with its checksum; ``seen`` is told the bytes read. Raises `Unusable` that names the file."""
    for file in manifest.files:
        path = folder / file.name
        try:
            size, sum = path.stat().st_size, checksum(path)
        except OSError as error:
            raise Unusable(f"{path}: {error.strerror}") from error
        if (size, sum) != (file.bytes, file.sha256):
            raise Unusable(f"{path} is damaged: {size:,} bytes, expected {file.bytes:,}; its checksum differs")
        seen(size)


def checksum(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
