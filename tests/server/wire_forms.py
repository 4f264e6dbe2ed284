"""Parts of request bodies, as clients write them."""

USER = {"role": "user", "content": "hi"}


def tool(**function):
    return {"type": "function", "function": {"name": "f"} | function}


def assistant(**call):
    return {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function"} | call]}


def named(name):
    return {"type": "function", "function": {"name": name}}


def allowed(mode, *names):
    return {
        "type": "allowed_tools",
        "allowed_tools": {"mode": mode, "tools": [named(name) for name in names]},
    }


def json_schema(**fields):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    return {"type": "json_schema", "json_schema": {"name": "x", "schema": schema} | fields}
