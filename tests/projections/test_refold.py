"""Derived records that no fold can have written are named by where they lie and what they lack."""

from types import SimpleNamespace

import orjson

from projections.refold import Refold


def test_a_forged_derived_record_is_a_difference_and_no_error() -> None:
    raised = {"type": "mailiu.alert.raised.v1", "subject": "R1", "data": {}}
    forged = [
        (orjson.dumps(raised), [("ce_id", b"1")]),
        (orjson.dumps(raised | {"causeoffset": 0}), []),
        (orjson.dumps(raised | {"causeoffset": None}), [("ce_id", b"2")]),
        (orjson.dumps({"type": "mailiu.fold.progressed.v1", "data": {}}), [("ce_id", b"3")]),
        (b"no JSON", [("ce_id", b"4")]),
    ]
    refold = Refold()
    refold.start(0)
    refold.note([SimpleNamespace(partition=0, offset=n, value=v, headers=h) for n, (v, h) in enumerate(forged)])
    refold.finish()
    found = refold.derived.result
    assert (found.rows, found.equal) == (5, 0)
    lacks = ("'causeoffset'", "'ce_id'", "NoneType", "'next_offset'", "JSONDecodeError")
    for number, lack in enumerate(lacks):
        assert found.keys[number].startswith(f"0:{number} no fold wrote this")
        assert lack in found.keys[number]
