"""Asks a real `octet serve` for answers of a form and holds each against jsonschema and Python's re.

    python tools/check/serve_guided.py MODEL [OCTET]      needs jsonschema

Forced calls of tools are checked where the model's chat template shows tools. Exits with 1 where an answer doesn't fit.
"""
import json
import re
import sys
import urllib.error
import urllib.request

import jsonschema

from served import OCTET, Served

SEEDS = range(4)
CITY = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 12}, "people": {"type": "integer", "minimum": 0},
                                         "twins": {"type": "array", "items": {"type": "string", "maxLength": 8}, "maxItems": 2}},
        "required": ["city", "people"], "additionalProperties": False}
TREE = {"$defs": {"node": {"type": "object", "properties": {"value": {"type": "integer", "minimum": 0, "maximum": 99},
                                                            "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
                           "required": ["value", "next"], "additionalProperties": False}},
        "$ref": "#/$defs/node"}
SCHEMAS = [CITY, TREE, {"enum": ["red", "green", {"rgb": [0, 1, 2]}]}, {"type": "string", "format": "date"},
           {"type": "array", "prefixItems": [{"type": "boolean"}, {"type": "number", "minimum": -2, "maximum": 3}], "minItems": 2, "maxItems": 2}]
PATTERNS = [r"[A-Z][a-z]{2,8}(, [A-Z][a-z]{2,8}){0,3}\.", r"\d{4}-\d{2}-\d{2}", r"(yes|no)( because [a-z ]{3,30})?"]
failures = []


def check(name, holds, seen=""):
    print(f"{'ok  ' if holds else 'FAIL'} {name} {seen}")
    if not holds:
        failures.append(name)


def ask(url, body):
    request = urllib.request.Request(url + "/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=1800) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        return json.load(error)


def body_of(seed, more):
    return {"messages": [{"role": "user", "content": "Tell me of a city."}], "max_tokens": 400, "seed": seed, "temperature": 1 if seed else 0, **more}


def fits(text, schema):
    try:
        jsonschema.validate(json.loads(text), schema, format_checker=jsonschema.FormatChecker())
        return True
    except (jsonschema.ValidationError, json.JSONDecodeError):
        return False


def check_answers(url, name, form, holds):
    for seed in SEEDS:
        reply = ask(url, body_of(seed, form))
        choice = reply.get("choices", [{}])[0]
        text = choice.get("message", {}).get("content", "")
        # What max_tokens cut off is a beginning; it can't be held against anything.
        check(f"{name}, seed {seed}", choice.get("finish_reason") == "length" or holds(text), repr(text)[:100] if choice else reply)


def check_tools(url):
    tools = [{"type": "function", "function": {"name": "tell_city", "parameters": CITY}},
             {"type": "function", "function": {"name": "tell_tree", "parameters": TREE}}]
    if "error" in ask(url, body_of(0, {"tools": tools, "max_tokens": 1})):
        print("     the chat template shows no tools: calls aren't checked")
        return
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools}
    for seed in SEEDS:
        choice = ask(url, body_of(seed, {"tools": tools, "tool_choice": "required", "parallel_tool_calls": False}))["choices"][0]
        calls = choice["message"].get("tool_calls", [])
        held = len(calls) == 1 and all(fits(c["function"]["arguments"], schemas[c["function"]["name"]]) for c in calls)
        check(f"a required call, seed {seed}", choice["finish_reason"] == "length" or held, calls)


def main():
    with Served(sys.argv[2] if len(sys.argv) > 2 else OCTET, sys.argv[1]) as server:
        url = server.url
        for number, schema in enumerate(SCHEMAS):
            check_answers(url, f"schema {number}", {"response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}},
                          lambda text, schema=schema: fits(text, schema))
        for pattern in PATTERNS:
            check_answers(url, f"pattern {pattern}", {"guided_regex": pattern}, lambda text, pattern=pattern: re.fullmatch(pattern, text))
        check_answers(url, "choices", {"guided_choice": ["Oslo", "Rome"]}, lambda text: text in ("Oslo", "Rome"))
        check_tools(url)
    check("the server ends with 0", server.exit_code == 0, server.exit_code)
    print(f"{len(failures)} failed")
    return 1 if failures else 0


sys.exit(main())
