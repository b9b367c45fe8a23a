"""What a device reads on `down/receipt`: one receipt for every reading it sent."""

from typing import Any

import orjson

from mqtt_ingest.gate import Answer


def receipt(answer: Answer, position: str | None) -> bytes:
    """Accepted with the position in the log, or rejected with reason, field, value and a message in both languages.

    ``id`` is the reading's own where it had one; ``seq`` stands beside it where the device counts its readings.
    """
    refusal = answer.refusal
    out: dict[str, Any] = {
        "id": answer.id,
        "status": "accepted" if refusal is None else "rejected",
        "position": position,
        "reason": refusal and refusal.reason,
        "field": refusal and refusal.field,
        "value": refusal and refusal.value,
        "message": refusal and refusal.message,
    }
    if answer.seq is not None:
        out["seq"] = answer.seq
    return orjson.dumps(out)
