"""No request body is larger than 4 MiB, whatever its headers say."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problem import Problem, problem_response

BODY_BYTES = 4 << 20


class BodyLimit:
    """Refuses a larger body with 413: by its length where it is given, else while it arrives."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        detail = f"at most {BODY_BYTES} bytes a request"
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if length.isdigit() and int(length) > BODY_BYTES:
            await problem_response(scope["path"], 413, detail, {"Connection": "close"})(scope, receive, send)
            return
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > BODY_BYTES:
                raise Problem(413, detail, {"Connection": "close"})
            return message

        await self.app(scope, limited, send)
