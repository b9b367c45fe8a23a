"""Errors as ClickHouse's HTTP interface gives them: a code, a name, one text, and an HTTP status by name."""

import re

STATUS = {
    "REQUIRED_PASSWORD": 401,
    **dict.fromkeys(
        ["UNKNOWN_USER", "WRONG_PASSWORD", "AUTHENTICATION_FAILED", "SET_NON_GRANTED_ROLE", "ACCESS_DENIED"], 403
    ),
    **dict.fromkeys(
        [
            "BAD_ARGUMENTS", "CANNOT_COMPILE_REGEXP", "CANNOT_PARSE_TEXT", "CANNOT_PARSE_ESCAPE_SEQUENCE",
            "CANNOT_PARSE_QUOTED_STRING", "CANNOT_PARSE_DATE", "CANNOT_PARSE_DATETIME", "CANNOT_PARSE_NUMBER",
            "CANNOT_PARSE_DOMAIN_VALUE_FROM_STRING", "CANNOT_PARSE_IPV4", "CANNOT_PARSE_IPV6", "CANNOT_PARSE_UUID",
            "CANNOT_PARSE_INPUT_ASSERTION_FAILED", "DUPLICATE_COLUMN", "ILLEGAL_COLUMN", "UNKNOWN_ELEMENT_IN_AST",
            "UNKNOWN_TYPE_OF_AST_NODE", "THERE_IS_NO_COLUMN", "TOO_DEEP_AST", "TOO_BIG_AST",
            "UNEXPECTED_AST_STRUCTURE", "SYNTAX_ERROR", "INCORRECT_DATA", "TYPE_MISMATCH",
            "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE",
        ],
        400,
    ),
    **dict.fromkeys(
        [
            "UNKNOWN_TABLE", "UNKNOWN_FUNCTION", "UNKNOWN_IDENTIFIER", "UNKNOWN_TYPE", "UNKNOWN_STORAGE",
            "UNKNOWN_DATABASE", "UNKNOWN_SETTING", "UNKNOWN_DIRECTION_OF_SORTING", "UNKNOWN_AGGREGATE_FUNCTION",
            "UNKNOWN_FORMAT", "UNKNOWN_DATABASE_ENGINE", "UNKNOWN_TYPE_OF_QUERY", "UNKNOWN_ROLE",
        ],
        404,
    ),
    "TIMEOUT_EXCEEDED": 408,
    "QUERY_IS_TOO_LARGE": 413,
    "UNSUPPORTED_MEDIA_TYPE": 415,
    "NOT_IMPLEMENTED": 501,
    **dict.fromkeys(["SOCKET_TIMEOUT", "CANNOT_OPEN_FILE", "CANNOT_SCHEDULE_TASK"], 503),
}  # fmt: skip

NO_FILES = "Not enough privileges to read files by file()"
CODE = re.compile(r"Code: (\d+)\. DB::Exception: ")
NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)(?= \(version|\.?\s*$)")
OURS = re.compile(
    r"\(in file/uri [^)]*\): "  # an insert's data reach the engine as a file, which is nobody's business
    r"|/\*[0-9a-f]{32}\*/ "  # the mark of a statement
    r"|: While executing File(?=[:. ]|$)"
    r"|: data for INSERT was parsed from file"
    r"|: In scope SELECT formatQuery\(.*\)(?=\.? \([A-Z_]+\)$)",
    re.DOTALL,
)


class Refused(Exception):
    """What we refuse ourselves, with the code and the name that a ClickHouse server would give."""

    def __init__(self, code: int, name: str, message: str) -> None:
        super().__init__(f"Code: {code}. DB::Exception: {message}. ({name})")


def describe(error: BaseException, version: str, tag: int = 0) -> tuple[int, int, str]:
    """Code, HTTP status and text of an engine error. ``tag``: characters we put before the statement."""
    text = str(error).split("\n\nAt:")[0].strip()
    if NO_FILES in text:
        text = f"Code: 497. DB::Exception: {NO_FILES}. (ACCESS_DENIED)"
    codes = CODE.findall(text)
    code = int(codes[-1] if codes else 1002)
    name = (NAME.findall(text) or ["UNKNOWN_EXCEPTION"])[-1]
    message = CODE.sub("", text) if codes else f"{type(error).__name__}: {text}"
    message = re.sub(r"(?: \(version [^)]*\)|\.? ?\([A-Z][A-Z0-9_]+\)|[.\s])+$", "", OURS.sub("", message))
    message = re.sub(r"failed at position (\d+)", lambda m: f"failed at position {_shifted(m[1], tag)}", message)
    message = re.sub(r"\(line 1, col (\d+)\)", lambda m: f"(line 1, col {_shifted(m[1], tag)})", message)
    text = f"Code: {code}. DB::Exception: {message}. ({name}) (version {version} (official build))"
    return code, STATUS.get(name, 500), text


def _shifted(number: str, tag: int) -> int:
    return max(1, int(number) - tag)
