"""The API's reference, from its OpenAPI document."""

from collections.abc import Iterator
from typing import Any

from alertrouter.web.openapi import document


def operations() -> str:
    """Each operation: what it takes, and what it answers."""
    found = document()
    parts = [
        f"### `{method.upper()} {path}`\n\n{one['summary']}.\n\n{_operation(one)}"
        for path, methods in found["paths"].items()
        for method, one in methods.items()
    ]
    return "\n".join(parts)


def shapes() -> str:
    """Each shape that is named above, with its fields."""
    schemas = document()["components"]["schemas"]
    return "\n".join(f"### {name}\n\n{_fields(schema)}" for name, schema in sorted(schemas.items()) if "properties" in schema)


def _operation(one: dict[str, Any]) -> str:
    lines = [
        f"- `{parameter['name']}` in the {parameter['in']}: {_kind(parameter['schema'])}"
        for parameter in one.get("parameters", ())
    ]
    if body := one.get("requestBody"):
        wanted = "" if body["required"] else ", or nothing"
        lines.append(f"- body: {_kind(_content(body))}{wanted}")
    lines.append(f"- 200: {_kind(_content(one['responses']['200']))}")
    others = {status: answer["description"] for status, answer in one["responses"].items() if status != "200"}
    lines.append("- " + "; ".join(f"{status}: {why}" for status, why in others.items()))
    return "\n".join(lines) + "\n"


def _content(holder: dict[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = holder["content"]["application/json"]["schema"]
    return schema


def _fields(schema: dict[str, Any]) -> str:
    wanted = schema.get("required", [])
    rows = (f"| `{name}` | {_kind(one)} | {'always' if name in wanted else ''} |" for name, one in schema["properties"].items())
    text = " ".join(schema.get("description", "").split())
    return (f"{text}\n\n" if text else "") + "| Field | Value | |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(choice) for choice in schema["anyOf"]))
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return f"a list of {_kind(schema['items'])}"
    return f"{kind}{''.join(f', {limit}' for limit in _limits(schema))}"


def _limits(schema: dict[str, Any]) -> Iterator[str]:
    words = {"format": "{}", "pattern": "`{}`", "minimum": "from {}", "maximum": "to {}", "maxLength": "at most {} characters"}
    words |= {"default": "by default `{}`"}
    for name, text in words.items():
        if name in schema and schema[name] not in ("", None):
            yield text.format(str(schema[name]).replace("|", "\\|"))
