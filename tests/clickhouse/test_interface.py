"""The HTTP interface itself, as any client of ClickHouse meets it: curl, and requests written by hand."""

import gzip
import json
import re
import subprocess
import zlib
from typing import Any

import httpx
import lz4.block
import lz4.frame
import pytest
import zstandard
from clickhouse_cityhash.cityhash import CityHash128
from clickhouse_connect.driver import Client

from tests.clickhouse.embedded import Embedded

ERROR = r"Code: {}\. DB::Exception: .+\. \({}\) \(version [\d.]+ \(official build\)\)\n"


def curl(server: Embedded, *arguments: str, data: bytes = b"") -> tuple[int, str]:
    """Run curl; the status and the body."""
    command = ["curl", "-sS", "--max-time", "30", "-w", "\n%{http_code}", *arguments]
    ended = subprocess.run(command, input=data, capture_output=True, timeout=60, check=True)
    body, _, status = ended.stdout.decode().rpartition("\n")
    return int(status), body


def test_curl(server: Embedded) -> None:
    user = ("-u", f"mailiu:{server.password('mailiu')}")
    assert curl(server, f"{server.url}/ping") == (200, "Ok.\n")
    assert curl(server, server.url) == (200, "Ok.\n")
    assert curl(server, *user, server.url, "-d", "SELECT 1 + 1") == (200, "2\n")
    get = ("-G", server.url, "--data-urlencode", "query=SELECT 1 AS a FORMAT JSONEachRow")
    assert curl(server, *user, *get) == (200, '{"a":1}\n')
    assert curl(server, *user, server.url, "-d", "CREATE TABLE curled (a UInt8) ENGINE = MergeTree ORDER BY a") == (
        200,
        "",
    )
    insert = f"{server.url}/?query=INSERT%20INTO%20curled%20FORMAT%20CSV"
    assert curl(server, *user, insert, "--data-binary", "@-", data=b"1\n2\n3\n") == (200, "")
    gzipped = ("-H", "Content-Encoding: gzip", "--data-binary", "@-")
    assert curl(server, *user, insert, *gzipped, data=gzip.compress(b"4\n5\n")) == (200, "")
    chunked = ("-H", "Transfer-Encoding: chunked", "--data-binary", "@-")
    assert curl(server, *user, insert, *chunked, data=b"6\n") == (200, "")
    compressed = (
        "--compressed",
        f"{server.url}/?enable_http_compression=1",
        "-d",
        "SELECT count(), sum(a) FROM curled",
    )
    assert curl(server, *user, *compressed) == (200, "6\t21\n")
    status, body = curl(server, server.url, "-d", "SELECT 1")
    assert (status, body[:10]) == (403, "Code: 516.")


def test_who_asks(server: Embedded) -> None:
    password = server.password("mailiu")
    with server.http(None) as http:
        right = [
            ({"X-ClickHouse-User": "mailiu", "X-ClickHouse-Key": password}, {}),
            ({}, {"user": "mailiu", "password": password}),
        ]
        for headers, parameters in right:
            answer = http.post("/", headers=headers, params=parameters, content="SELECT currentRoles()")
            assert (answer.status_code, answer.text) == (200, "['mailiu']\n")
        wrong = [
            ({}, {}),
            ({}, {"user": "mailiu"}),
            ({}, {"user": "mailiu", "password": ""}),
            ({}, {"user": "mailiu", "password": password[:-1]}),
            ({}, {"user": "mailiu", "password": password + "x"}),
            ({}, {"user": "MAILIU", "password": password}),
            ({}, {"user": "default", "password": ""}),
            ({}, {"user": "analyst", "password": password}),
            ({}, {"user": "nobody", "password": "nobody has this password"}),
            ({"X-ClickHouse-User": "mailiu"}, {}),
            ({"X-ClickHouse-Key": password}, {}),
            ({"X-ClickHouse-User": "mailiu", "X-ClickHouse-Key": password}, {"user": "mailiu", "password": password}),
            ({"Authorization": "Bearer x"}, {}),
            ({"Authorization": "Basic !"}, {}),
            ({"Authorization": "Basic bWFpbGl1"}, {}),
            ({"Authorization": "Basic /////w=="}, {}),
        ]
        for headers, parameters in wrong:
            answer = http.post("/", headers=headers, params=parameters, content="SELECT 1")
            assert (answer.status_code, answer.headers["X-ClickHouse-Exception-Code"]) == (403, "516")
            assert password not in answer.text


@pytest.mark.parametrize(
    ("sql", "status", "code", "name"),
    [
        ("SELECT nope", 404, 47, "UNKNOWN_IDENTIFIER"),
        ("SELEC 1", 400, 62, "SYNTAX_ERROR"),
        ("SELECT 1 FROM nope", 404, 60, "UNKNOWN_TABLE"),
        ("SELECT throwIf(1)", 500, 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
        ("SELECT toUInt8('x')", 400, 6, "CANNOT_PARSE_TEXT"),
        ("SELECT 1 FORMAT Nonsense", 404, 73, "UNKNOWN_FORMAT"),
        ("SELECT 1 SETTINGS nonsense = 1", 404, 115, "UNKNOWN_SETTING"),
        ("SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')", 403, 497, "ACCESS_DENIED"),
        ("SELECT max(number) FROM system.numbers SETTINGS max_execution_time = 0.1", 408, 159, "TIMEOUT_EXCEEDED"),
    ],
)  # fmt: skip
def test_the_shape_of_an_error(http: httpx.Client, sql: str, status: int, code: int, name: str) -> None:
    answer = http.post("/", content=sql)
    assert answer.status_code == status
    assert answer.headers["X-ClickHouse-Exception-Code"] == str(code)
    assert re.fullmatch(ERROR.format(code, name), answer.text, re.DOTALL), answer.text
    assert not re.search(r"chdb|infile|/dev/fd|Python|\*/", answer.text, re.IGNORECASE)


def test_a_syntax_error_names_the_place_in_the_clients_text(http: httpx.Client) -> None:
    assert "failed at position 14 (b)" in http.post("/", content="SELECT a FRM b FROM c").text
    assert "failed at position 19 (end of query) (line 2, col 12)" in http.post("/", content="SELECT\nFROM  WHERE").text


def test_other_paths_and_methods(http: httpx.Client) -> None:
    assert http.get("/nothing").status_code == 404
    assert http.put("/", content="SELECT 1").status_code == 501
    assert http.delete("/").status_code == 501
    assert http.head("/ping").status_code == 200
    answer = http.head("/", params={"query": "SELECT 1"})
    assert (answer.status_code, answer.content) == (200, b"")


def test_headers(http: httpx.Client) -> None:
    answer = http.post("/", params={"query_id": "mine-1"}, content="SELECT number FROM numbers(10) FORMAT JSON")
    assert answer.headers["X-ClickHouse-Query-Id"] == "mine-1"
    assert answer.headers["X-ClickHouse-Format"] == "JSON"
    assert answer.headers["X-ClickHouse-Timezone"] == "UTC"
    assert answer.headers["Content-Type"] == "application/json; charset=UTF-8"
    summary = json.loads(answer.headers["X-ClickHouse-Summary"])
    assert (summary["read_rows"], summary["result_rows"]) == ("10", "10")
    assert answer.json()["rows"] == 10


@pytest.mark.parametrize(
    ("sql", "format"),
    [
        ("SELECT 1", "TabSeparated"),
        ("SELECT 1 FORMAT CSV", "CSV"),
        ("SELECT 1 FORMAT CSV;", "CSV"),
        ("SELECT 1 format JSON SETTINGS max_threads = 1", "JSON"),
        ("SELECT 1 SETTINGS max_threads = 1 FORMAT JSON", "JSON"),
        ("SELECT 1 FORMAT /* x */ JSON -- FORMAT CSV", "JSON"),
        ("SELECT 'FORMAT CSV' FORMAT JSON", "JSON"),
        ("SELECT 'x FORMAT CSV'", "TabSeparated"),
        ("SELECT 1 AS `FORMAT` /* FORMAT CSV */", "TabSeparated"),
    ],
)
def test_the_format_is_the_statements(http: httpx.Client, sql: str, format: str) -> None:
    assert http.post("/", content=sql).headers["X-ClickHouse-Format"] == format


def test_the_format_is_the_requests(http: httpx.Client) -> None:
    assert http.post("/", params={"default_format": "CSV"}, content="SELECT 'a'").text == '"a"\n'
    assert http.post("/", headers={"X-ClickHouse-Format": "CSV"}, content="SELECT 'a'").text == '"a"\n'


@pytest.mark.parametrize("format", ["JSON", "JSONCompact", "CSVWithNames", "TSVWithNamesAndTypes", "XML", "Arrow"])
def test_a_long_result_has_one_beginning(http: httpx.Client, format: str) -> None:
    sql = "SELECT number, toString(number) AS text FROM numbers(200000) FORMAT"
    whole = http.post("/", params={"max_block_size": "1000"}, content=f"{sql} {format}").content
    if format == "JSON":
        assert len(json.loads(whole)["data"]) == 200_000
    if format == "CSVWithNames":
        assert whole.count(b'"number"') == 1
        assert whole.count(b"\n") == 200_001
    assert whole[:8] not in whole[8:]


def test_text_and_parameter_are_one_statement(http: httpx.Client) -> None:
    assert http.post("/", params={"query": "SELECT 1,"}, content="2").text == "1\t2\n"


def test_settings_and_parameters(http: httpx.Client) -> None:
    parameters = {"max_block_size": "77", "param_a": "x\\ty", "param_b": "3"}
    sql = "SELECT getSetting('max_block_size'), {a:String}, {b:UInt8}"
    assert http.post("/", params=parameters, content=sql).text == "77\tx\\ty\t3\n"


def test_a_form(http: httpx.Client) -> None:
    form: dict[str, Any] = {
        "query": (None, "SELECT {a:String}, {b:UInt8}"),
        "param_a": (None, "x"),
        "param_b": (None, "3"),
    }
    assert http.post("/", files=form).text == "x\t3\n"
    external: dict[str, Any] = {"query": (None, "SELECT 1"), "external": ("external", b"1\n")}
    assert http.post("/", files=external).headers["X-ClickHouse-Exception-Code"] == "48"


PACKED = {
    "gzip": (gzip.compress, gzip.decompress),
    "deflate": (zlib.compress, zlib.decompress),
    "lz4": (lz4.frame.compress, lz4.frame.decompress),
    "zstd": (zstandard.compress, lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
}


@pytest.mark.parametrize("encoding", PACKED)
def test_encodings(server: Embedded, encoding: str) -> None:
    pack, unpack = PACKED[encoding]
    parts = [b"SELECT number ", b"FROM numbers(", b"100000)"]
    body = b"".join(pack(part) for part in parts)  # several frames, one after another
    headers = {"Content-Encoding": encoding, "Accept-Encoding": f"br, {encoding}"}
    with (
        server.http() as http,
        http.stream("POST", "/", params={"enable_http_compression": "1"}, headers=headers, content=body) as answer,
    ):
        assert answer.headers["Content-Encoding"] == encoding
        assert unpack(b"".join(answer.iter_raw())) == b"".join(b"%d\n" % i for i in range(100_000))


def test_a_truncated_body_is_an_error(http: httpx.Client, client: Client) -> None:
    client.command("CREATE TABLE truncated (a UInt64) ENGINE = MergeTree ORDER BY a")
    for encoding, (pack, _) in PACKED.items():
        data = pack(b"".join(b"%d\n" % i for i in range(1000)))
        answer = http.post(
            "/",
            params={"query": "INSERT INTO truncated FORMAT TSV"},
            headers={"Content-Encoding": encoding},
            content=data[:-5],
        )
        assert answer.status_code == 500, encoding
    assert client.command("SELECT count() FROM truncated") == 0


def frame(data: bytes, method: int = 0x82) -> bytes:
    """One of ClickHouse's own compressed frames, written from its description: checksum, method, two sizes, data."""
    packed = lz4.block.compress(data, store_size=False) if method == 0x82 else data
    body = bytes([method]) + (len(packed) + 9).to_bytes(4, "little") + len(data).to_bytes(4, "little") + packed
    number = CityHash128(body)
    return (number >> 64).to_bytes(8, "little") + (number % (1 << 64)).to_bytes(8, "little") + body


def unframe(data: bytes) -> bytes:
    out = b""
    while data:
        size = int.from_bytes(data[17:21], "little")
        raw = int.from_bytes(data[21:25], "little")
        out += lz4.block.decompress(data[25 : 16 + size], uncompressed_size=raw)
        data = data[16 + size :]
    return out


def test_clickhouses_own_frames(http: httpx.Client) -> None:
    sql = b"SELECT number FROM numbers(300000)"
    body = frame(sql[:9]) + frame(sql[9:], 0x02)
    answer = http.post("/", params={"compress": "1", "decompress": "1"}, content=body)
    assert unframe(answer.content) == b"".join(b"%d\n" % i for i in range(300_000))
    broken = bytes([body[0] ^ 1]) + body[1:]
    answer = http.post("/", params={"decompress": "1"}, content=broken)
    assert answer.headers["X-ClickHouse-Exception-Code"] == "40"


def test_the_frames_checksum_is_the_engines(server: Embedded, client: Client) -> None:
    """The engine's own data files are made of the same frames."""
    client.command(
        "CREATE TABLE framed (a String CODEC(LZ4)) ENGINE = MergeTree ORDER BY tuple()"
        " SETTINGS min_bytes_for_wide_part = 0"
    )
    client.command("INSERT INTO framed SELECT toString(number) FROM numbers(1000)")
    folder = client.command("SELECT path FROM system.parts WHERE table = 'framed' AND active")
    with open(f"{folder}a.bin", "rb") as file:
        data = file.read()
    size = int.from_bytes(data[17:21], "little")
    number = CityHash128(data[16 : 16 + size])
    assert data[:16] == (number >> 64).to_bytes(8, "little") + (number % (1 << 64)).to_bytes(8, "little")


def test_an_error_in_the_middle_is_framed(http: httpx.Client) -> None:
    answer = http.post("/", content="SELECT throwIf(number = 400000) FROM numbers(500000)")
    tag = answer.headers["X-ClickHouse-Exception-Tag"]
    head, _, tail = answer.text.partition(f"\r\n__exception__\r\n{tag}\r\n")
    assert set(head.split()) == {"0"}
    text, _, end = tail.partition(f" {tag}\r\n__exception__\r\n")
    message, length = text.rsplit("\n", 1)
    assert message.startswith("Code: 395. DB::Exception: ")
    assert (int(length), end) == (len(message.encode()) + 1, "")


def test_wait_end_of_query_tells_by_status(http: httpx.Client) -> None:
    sql = "SELECT throwIf(number = 400000) FROM numbers(500000)"
    assert http.post("/", params={"wait_end_of_query": "1"}, content=sql).status_code == 500


def test_sessions(http: httpx.Client) -> None:
    session = {"session_id": "by-hand"}
    missing = http.post("/", params={"session_id": "none", "session_check": "1"}, content="SELECT 1")
    assert missing.headers["X-ClickHouse-Exception-Code"] == "372"
    assert http.post("/", params=session, content="SET max_block_size = 99").status_code == 200
    assert http.post("/", params=session, content="SELECT getSetting('max_block_size')").text == "99\n"
    assert http.post("/", params={**session, "max_block_size": "5"}, content="SELECT nope").status_code == 404
    assert http.post("/", params=session, content="SELECT getSetting('max_block_size')").text == "99\n"
    wrong = http.post("/", params={"session_id": "x", "session_timeout": "99999"}, content="SELECT 1")
    assert wrong.headers["X-ClickHouse-Exception-Code"] == "374"


def test_a_statement_that_is_not_text(http: httpx.Client) -> None:
    assert http.post("/", content=b"SELECT '\xff'").headers["X-ClickHouse-Exception-Code"] == "36"
    assert http.post("/", content="SELECT '\0血压'").text == "\\0血压\n"
