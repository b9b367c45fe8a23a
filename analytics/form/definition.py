"""What a form asks, read from its data file."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Literal

Lang = Literal["zh", "en"]
Type = Literal["text", "number", "date", "code", "multi-code", "table", "signature"]
HERE = Path(__file__).parent


@dataclass(frozen=True)
class Text:
    """The same in Chinese and English."""

    zh: str
    en: str

    def of(self, lang: Lang) -> str:
        """The text in ``lang``."""
        return self.zh if lang == "zh" else self.en


@dataclass(frozen=True)
class Code:
    """A number of a national code list, and the words of ours that it stands for."""

    code: str
    label: Text
    words: frozenset[str]


@dataclass(frozen=True)
class Field:
    """One field: its place on the paper (section, printed row), labels, and where its value stands in a record."""

    name: str
    section: Text
    row: Text
    label: Text
    type: Type
    unit: str
    codes: tuple[Code, ...]
    required: bool
    ws: str
    source: str
    items: tuple["Field", ...] = ()  #: of a table: its columns


@dataclass(frozen=True)
class Form:
    """A form: ``number`` as the catalogue counts, the words of ours that start a record of it."""

    number: str
    title: Text
    programmes: frozenset[str]
    fields: tuple[Field, ...]

    def sections(self) -> Iterator[tuple[Text, list[tuple[Text, list[Field]]]]]:
        """Sections with their printed rows, each of one field or of several."""
        for section, fields in groupby(self.fields, lambda field: field.section):
            yield section, [(row, list(each)) for row, each in groupby(fields, lambda field: field.row)]


#: Units as a reader knows them; others are printed as they are.
UNITS: dict[Lang, dict[str, str]] = {
    "zh": {
        "Cel": "℃", "/min": "次/分", "kg/m2": "kg/m²", "{cigarette}/d": "支/天", "{liang}/d": "两/天", "a": "岁/年",
        "min": "分钟", "{score}": "分", "{vision_5}": "5分记录", "10*9/L": "×10⁹/L", "umol/L": "µmol/L", "/d": "次/日",
    },
    "en": {
        "Cel": "°C", "kg/m2": "kg/m²", "{cigarette}/d": "a day", "{liang}/d": "liang a day", "a": "years",
        "{score}": "points", "{vision_5}": "five-mark record", "10*9/L": "×10⁹/L", "umol/L": "µmol/L", "/d": "a day",
    },
}  # fmt: skip
#: Source of all three: 居民健康档案表单目录, in 国家基本公共卫生服务规范（第三版）, National Health Commission, 2017.
TITLES = {
    "4.3": (Text("高血压患者随访服务记录表", "Follow-up of hypertension"), {"hypertension", "both"}),
    "4.4": (Text("2型糖尿病患者随访服务记录表", "Follow-up of type 2 diabetes"), {"diabetes", "both"}),
    "3": (Text("健康体检表", "Health examination"), set()),
}


@cache
def form(number: str) -> Form:
    """The form with this number. ``KeyError`` for one that is not kept."""
    title, programmes = TITLES[number]
    lists = _codes()
    with (HERE / f"form-{number}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    every = [(row["field"], _field(row, lists)) for row in rows]
    fields = []
    for name, field in every:
        if "[]." not in name:
            items = tuple(item for column, item in every if column.startswith(f"{name}[]."))
            fields.append(Field(**{**vars(field), "items": items}))
    return Form(number, title, frozenset(programmes), tuple(fields))


def _field(row: dict[str, str], lists: dict[str, tuple[Code, ...]]) -> Field:
    label = Text(row["label_zh"], row["label_en"])
    return Field(
        name=row["field"].rpartition("[].")[2],
        section=Text(row["section_zh"], row["section_en"]),
        row=Text(row["row_zh"], row["row_en"]) if row["row_zh"] else label,
        label=label,
        type=row["type"],  # type: ignore[arg-type]
        unit=row["unit"],
        codes=lists[row["code_list"]] if row["code_list"] else (),
        required=row["required"] == "yes",
        ws=row["ws_identifier"],
        source=row["source"],
    )


@cache
def _codes() -> dict[str, tuple[Code, ...]]:
    with (HERE / "codes.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lists: dict[str, list[Code]] = {}
    for row in rows:
        code = Code(row["code"], Text(row["label_zh"], row["label_en"]), frozenset(row["words"].split()))
        lists.setdefault(row["code_list"], []).append(code)
    return {name: tuple(sorted(codes, key=lambda code: int(code.code))) for name, codes in lists.items()}
