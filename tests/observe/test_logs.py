"""Log lines for machines: one JSON object each, personal numbers masked."""

import logging
import sys

import orjson
import pytest

from infra.observe.logs import handler


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_masks_personal_numbers_in_message_and_trace(form: str) -> None:
    try:
        raise ValueError("no such person: 110101199003077758")
    except ValueError:
        record = logging.LogRecord(
            "mailiu.api", logging.ERROR, __file__, 1, "call %s", ("13800138000",), sys.exc_info()
        )
    line = handler(form).format(record)
    assert "13800138000" not in line
    assert "110101199003077758" not in line
    assert "no such person" in line


def test_a_json_line_is_one_object() -> None:
    record = logging.LogRecord("mailiu.writer", logging.WARNING, __file__, 1, "two\nlines", (), None)
    line = handler("json").format(record)
    assert "\n" not in line
    told = orjson.loads(line)
    assert told["level"] == "WARNING"
    assert told["logger"] == "mailiu.writer"
    assert told["message"] == "two\nlines"
    assert told["time"].endswith("+00:00")
