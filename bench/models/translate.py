"""Rewrites the project's SQL into DuckDB's.

The two dialects are close. What differs is rewritten in the text (literals, parameters, a few functions); the project's
own functions are DuckDB macros (macros.sql). Models that need what DuckDB has not got are listed in `given.py`.
"""

import json
import re
from pathlib import Path

TOKEN = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\"[^\"]*\"")
FLOAT = re.compile(r"(?<![\w.])(\d+\.\d+)(?![\w.])")
REFERENCE = re.compile(r"\b(?:from|join)\s+((?:staging|intermediate|marts|seeds)\.\w+)")


def parameters(root: Path) -> dict[str, str]:
    """The defaults of the parameters as literals."""
    schema = json.loads((root / "config/schemas/environment.schema.json").read_text())
    properties = _find(schema, "churn_window_days")
    return {name: _literal(facts) for name, facts in properties.items()}


def _find(node, name):
    if isinstance(node, dict):
        if isinstance(node.get("properties"), dict) and name in node["properties"]:
            return node["properties"]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            if (found := _find(child, name)) is not None:
                return found
    return None


def _literal(facts: dict) -> str:
    value, kinds = facts.get("default"), facts.get("type")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return str(value) if kinds == "integer" else f"{float(value)!r}e0"
    if value in (None, "none"):
        return "cast(null as date)"
    return f"'{value}'"


def references(sql: str) -> set[str]:
    """The tables that a text reads."""
    return set(REFERENCE.findall(without_comments(sql)))


def without_comments(sql: str) -> str:
    return TOKEN.sub(lambda token: "" if token[0].startswith("--") else token[0], sql)


def in_code(sql: str, rewrite) -> str:
    """Rewrites what is no literal."""
    parts, at = [], 0
    for token in TOKEN.finditer(sql):
        parts += [rewrite(sql[at : token.start()]), token[0]]
        at = token.end()
    return "".join(parts + [rewrite(sql[at:])])


def calls(sql: str, name: str, rewrite) -> str:
    """Rewrites every call of a function; `rewrite` gets the arguments' texts."""
    pattern = re.compile(rf"(?<![\w.]){name}\(")
    at = 0
    while found := pattern.search(sql, at):
        arguments, end = _arguments(sql, found.end())
        text = rewrite(arguments)
        sql = sql[: found.start()] + text + sql[end:]
        at = found.start() + (1 if pattern.match(text) else 0)
    return sql


def _arguments(sql: str, start: int) -> tuple[list[str], int]:
    depth, arguments, begin, at = 1, [], start, start
    while depth:
        if token := TOKEN.match(sql, at):
            at = token.end()
            continue
        character = sql[at]
        depth += (character in "([{") - (character in ")]}")
        if (character == "," and depth == 1) or depth == 0:
            arguments.append(sql[begin:at].strip())
            begin = at + 1
        at += 1
    return arguments, at


def translate(sql: str, as_of: str, values: dict[str, str]) -> str:
    values = values | {"as_of": f"date '{as_of}'"}
    sql = without_comments(sql)
    # A number with a point is a double, not a decimal.
    sql = in_code(sql, lambda code: FLOAT.sub(r"\1e0", code))
    sql = in_code(sql, lambda code: re.sub(r"\$(\w+)", lambda name: values[name[1]], code))
    sql = in_code(sql, lambda code: re.sub(r"\bcolumn(\d+)\b", lambda n: f"col{int(n[1]) - 1}", code))
    sql = in_code(sql, lambda code: re.sub(r"\bmake_array\(", "list_value(", code))
    sql = in_code(sql, lambda code: re.sub(r"\b(first|last)_value\(", r"\1(", code))
    sql = in_code(sql, lambda code: re.sub(r"\bleft (anti|semi) join\b", r"\1 join", code))
    sql = calls(sql, "named_struct", _struct)
    return sql.strip()


def _struct(arguments: list[str]) -> str:
    pairs = zip(arguments[::2], arguments[1::2], strict=True)
    return "{" + ", ".join(f"{name}: {value}" for name, value in pairs) + "}"


def in_order(models: dict[str, str]) -> list[str]:
    """The models after all that they read."""
    order: list[str] = []

    def visit(name: str):
        if name in models and name not in order:
            for needed in sorted(references(models[name])):
                visit(needed)
            order.append(name)

    for name in sorted(models):
        visit(name)
    return order
