"""No request body is larger than 4 MiB, whatever its headers say, or takes longer than two minutes to come."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problem import Problem, problem_response

BODY_BYTES = 4 << 20
BODY_SECONDS = 120.0


class BodyLimit:
    """Refuses a larger body with 413, by its length where it is given, else while it arrives; a slower one with 408."""

    def __init__(self, app: ASGIApp, seconds: float = BODY_SECONDS) -> None:
        self.app, self.seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        detail = f"at most {BODY_BYTES} bytes a request"
        length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if length.isdigit() and int(length) > BODY_BYTES:
            await problem_response(scope["path"], 413, detail, {"Connection": "close"})(scope, receive, send)
            return
        received, ended = 0, False
        latest = asyncio.get_running_loop().time() + self.seconds

        async def limited() -> Message:
            nonlocal received, ended
            try:
                async with asyncio.timeout_at(None if ended else latest):
                    message = await receive()
            except TimeoutError as error:
                raise Problem(408, f"the body took longer than {self.seconds:g} s", {"Connection": "close"}) from error
            received += len(message.get("body", b""))
            ended = not message.get("more_body", False)
            if received > BODY_BYTES:
                raise Problem(413, detail, {"Connection": "close"})
            return message

        await self.app(scope, limited, send)
