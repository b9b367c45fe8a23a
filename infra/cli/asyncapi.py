"""`mailiu asyncapi`: every MQTT and Kafka channel and its messages, as an AsyncAPI document."""


def asyncapi() -> None:
    """Print the AsyncAPI 3.0 document, made from the schemas; needs no server."""
    import orjson

    from api.asyncapi import document
    from infra.settings import settings

    print(orjson.dumps(document(settings().kafka, settings().mqtt), option=orjson.OPT_INDENT_2).decode())
