"""The declared tables: `sql/NNN_<context>.sql`, one file a projection.

A file is plain SQL. Its tables and materialized views carry the version ``_v1``; built anew they get the next one, and
the served names (plain views without a version) are moved to it. A definition is recognised by its hash, which the
applied tables and views keep in their comments. A plain ``INSERT … SELECT … FROM log`` is run by the writer after each
flush.
"""

import re
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path

from infra.settings import settings

FOLDER = Path(__file__).parent / "sql"
NAMED = re.compile(r"^CREATE (?:OR REPLACE )?(TABLE|MATERIALIZED VIEW|VIEW|FUNCTION) (?:IF NOT EXISTS )?(\w+)")
AFTERWARDS = re.compile(r"^INSERT INTO (\w+)\nSELECT")
COMMENTED = re.compile(r"COMMENT COLUMN (\w+) ('(?:[^']|'')*')")
#: `log` itself, or what passes its rows on by kind.
FROM_LOG = re.compile(r"\bFROM log(?:_[a-z]+ AS log\b|\b(?! AS))")
LATER_VERSION = r"_v([0-9]+)"


@dataclass(frozen=True)
class Statement:
    """One statement of a file: ``kind`` (TABLE, MATERIALIZED VIEW, VIEW, FUNCTION, INSERT), name and text."""

    kind: str
    name: str
    text: str

    @property
    def select(self) -> str:
        """The query of a view or of an insert."""
        if self.kind == "INSERT":
            return self.text.split("\n", 1)[1]
        return self.text[re.search(r"\sAS\n", self.text).end() :]  # type: ignore[union-attr]

    @property
    def target(self) -> str:
        """The table into which a materialized view or an insert writes."""
        return self.name if self.kind == "INSERT" else re.search(r" TO (\w+) AS\n", self.text)[1]  # type: ignore[index]


@dataclass(frozen=True)
class Projection:
    """The tables, materialized views and served names of one file, in the order of the file."""

    name: str
    statements: tuple[Statement, ...]
    comments: dict[tuple[str, str], str]

    @cached_property
    def functions(self) -> list[Statement]:
        """Functions that the views use."""
        return [s for s in self.statements if s.kind == "FUNCTION"]

    @cached_property
    def fixed(self) -> list[Statement]:
        """Tables without a version: the log itself, and what passes its rows on."""
        return [s for s in self.statements if s.kind == "TABLE" and not s.name.endswith("_v1")]

    @cached_property
    def tables(self) -> list[Statement]:
        """The versioned targets."""
        return [s for s in self.statements if s.kind == "TABLE" and s.name.endswith("_v1")]

    @cached_property
    def passing(self) -> list[Statement]:
        """Views without a version: what passes the rows of the log on by kind."""
        return [s for s in self.statements if s.kind == "MATERIALIZED VIEW" and not s.name.endswith("_v1_mv")]

    @cached_property
    def feeds(self) -> list[Statement]:
        """The materialized views that fill the targets."""
        return [s for s in self.statements if s.kind == "MATERIALIZED VIEW" and s.name.endswith("_v1_mv")]

    @cached_property
    def afterwards(self) -> list[Statement]:
        """Inserts that the writer runs after each flush, over what it wrote: what must show last."""
        return [s for s in self.statements if s.kind == "INSERT"]

    @cached_property
    def served(self) -> list[Statement]:
        """The plain views, under the names that everybody reads."""
        return [s for s in self.statements if s.kind == "VIEW"]

    @cached_property
    def bases(self) -> list[str]:
        """Names of the targets without their version."""
        return [s.name.removesuffix("_v1") for s in self.tables]

    @cached_property
    def definition(self) -> str:
        """Hash of what decides the rows: targets and materialized views."""
        return sha256("\n".join(s.text for s in self.tables + self.feeds + self.afterwards).encode()).hexdigest()[:16]

    def definition_of(self, view: Statement) -> str:
        """Hash of a served name's query and its comments."""
        comments = sorted(f"{k[1]} {v}" for k, v in self.comments.items() if k[0] == view.name)
        return sha256("\n".join([view.text, *comments, self.definition]).encode()).hexdigest()[:16]

    def at(self, version: int, text: str) -> str:
        """``text`` with this projection's own names in ``version``."""
        return (
            re.sub(rf"\b({'|'.join(self.bases)})_v1(_mv)?\b", rf"\g<1>_v{version}\g<2>", text) if self.bases else text
        )


def declared() -> list[Projection]:
    """Every projection, in the order in which it is to be made, with the local days of `settings().timezone`."""
    return _declared(settings().timezone)


@cache
def _declared(timezone: str) -> list[Projection]:
    return [read(file, timezone) for file in sorted(FOLDER.glob("[0-9]*.sql"))]


def projection(name: str) -> Projection:
    """The projection ``name``; raises `LookupError` that lists the names there are."""
    for each in declared():
        if each.name == name:
            return each
    raise LookupError(f"no projection {name!r}; there are {', '.join(p.name for p in declared())}")


def read(file: Path, timezone: str) -> Projection:
    """The projection declared in ``file``."""
    text = re.sub(r"^\s*--.*$\n?", "", file.read_text(), flags=re.M).replace("$timezone", timezone)
    statements: list[Statement] = []
    comments: dict[tuple[str, str], str] = {}
    for part in re.split(r";\s*$", text, flags=re.M):
        if not (part := part.strip()):
            continue
        if named := NAMED.match(part):
            statements.append(Statement(named[1], named[2], part))
        elif inserted := AFTERWARDS.match(part):
            statements.append(Statement("INSERT", inserted[1], part))
        elif altered := re.match(r"ALTER TABLE (\w+)\s", part):
            comments |= {(altered[1], column): comment for column, comment in COMMENTED.findall(part)}
        else:
            raise ValueError(f"{file.name}: a statement that a projection does not have: {part[:60]!r}")
    return Projection(file.stem.partition("_")[2], tuple(statements), comments)
