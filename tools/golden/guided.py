"""Goldens of guided output: which texts fit a schema by jsonschema, and a pattern by Python's re.

  build/venv/bin/pip install jsonschema rfc3339-validator
  build/venv/bin/python tools/golden/guided.py      # writes tests/golden/guided/{schemas,patterns}.json

Documents are drawn from each schema and then damaged, so that about half are valid. Keys keep the schema's order, numbers
and strings the spelling that docs/guided_output.md promises, and white space is one of three canonical forms.
"""

import copy
import json
import pathlib
import random
import re
import uuid

import jsonschema

OUT = pathlib.Path(__file__).parents[2] / "tests/golden/guided"
FORMS = [dict(separators=(",", ":")), dict(separators=(", ", ": ")), dict(indent=2)]
LETTERS = "abcxyz019 _-\u00e9\u4e2d\U0001f600\"\\/\n"

SCHEMAS = [
    True,
    {},
    {"type": "string"},
    {"type": "string", "minLength": 2, "maxLength": 5},
    {"type": "string", "minLength": 3},
    {"type": "string", "maxLength": 0},
    {"type": ["string", "null"]},
    {"type": "boolean"},
    {"type": "null"},
    {"type": "number"},
    {"type": "integer"},
    {"type": "integer", "minimum": 0, "maximum": 9},
    {"type": "integer", "minimum": -37, "maximum": 1204},
    {"type": "integer", "exclusiveMinimum": 99, "exclusiveMaximum": 1000},
    {"type": "integer", "minimum": 17},
    {"type": "integer", "maximum": -5},
    {"type": "integer", "minimum": -250, "maximum": -31},
    {"type": "integer", "minimum": 0.5, "maximum": 7.5},
    {"type": "number", "minimum": 0},
    {"type": "number", "exclusiveMinimum": 0, "maximum": 100},
    {"type": "number", "minimum": -12, "exclusiveMaximum": 3},
    {"type": "number", "minimum": 1, "maximum": 1},
    {"type": "number", "maximum": -2},
    {"enum": ["red", "green", 3, None, True, 2.5, [1, {"a": []}], {}]},
    {"type": "string", "enum": ["a", "b", 3]},
    {"const": {"a": [1, "x\n\"", None]}},
    {"type": "string", "pattern": "^[a-c]{2,3}$"},
    {"type": "string", "pattern": "b"},
    {"type": "string", "pattern": "^x|9$"},
    {"type": "string", "pattern": "(^a|b)c*y"},
    {"type": "string", "pattern": "[\"\\\\\n]"},
    {"type": "string", "pattern": "^[^a]+$"},
    {"type": "array"},
    {"type": "array", "items": {"type": "integer"}},
    {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3},
    {"type": "array", "items": {"type": "null"}, "minItems": 2},
    {"type": "array", "maxItems": 0},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": {"type": "null"}, "minItems": 1},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 3},
    {"type": "array", "items": {"type": "array", "items": {"enum": [1, 2]}, "maxItems": 2}},
    {"type": "object"},
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}},
    {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["b"],
     "additionalProperties": False},
    {"type": "object", "properties": {"a": {"type": "integer"}, "ab": {"type": "null"}, "b\"": True}, "required": ["a"],
     "additionalProperties": {"type": "boolean"}},
    {"type": "object", "properties": {"a": True, "b": True, "c": True}, "additionalProperties": False, "minProperties": 2},
    {"type": "object", "properties": {"a": True, "b": True, "c": True}, "additionalProperties": False, "maxProperties": 1},
    {"type": "object", "properties": {"a": True, "b": True, "c": True, "x": True}, "required": ["c"],
     "additionalProperties": False, "minProperties": 2, "maxProperties": 3},
    {"type": "object", "properties": {"a": {"type": "null"}}, "minProperties": 1, "maxProperties": 2},
    {"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 2},
    {"type": "object", "properties": {"a": False, "b": {"type": "integer"}}},
    {"type": "object", "required": ["z"], "additionalProperties": {"type": "integer"}},
    {"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 2}, {"type": "array", "items": {"type": "null"}}]},
    {"oneOf": [{"type": "object", "properties": {"kind": {"const": "a"}, "n": {"type": "integer"}}, "required": ["kind", "n"]},
               {"type": "object", "properties": {"kind": {"const": "b"}, "s": {"type": "string"}}, "required": ["kind"]}]},
    {"type": "object", "properties": {"k": {"type": "integer"}}, "required": ["k"],
     "anyOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"properties": {"b": {"type": "null"}}, "required": ["b"]}]},
    {"allOf": [{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
               {"properties": {"b": {"type": "string"}}, "required": ["b"]}]},
    {"allOf": [{"type": ["integer", "string"], "minimum": 3}, {"type": ["number", "null"], "maximum": 20}]},
    {"type": "object", "properties": {"a": {"type": "integer", "minimum": 2}},
     "allOf": [{"properties": {"a": {"maximum": 30}}}], "additionalProperties": False},
    {"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "properties": {
        "value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
        "required": ["value", "next"], "additionalProperties": False}}},
    {"type": "object", "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
     "required": ["name"], "additionalProperties": False},
    {"definitions": {"a/b": {"type": "integer"}}, "type": "array", "items": {"$ref": "#/definitions/a~1b"}},
    {"type": "array", "items": {"$ref": "#/$defs/n", "maximum": 50}, "$defs": {"n": {"type": "integer", "minimum": 10}}},
    {"minLength": 2, "minimum": 5},
    {"type": "object", "properties": {
        "id": {"type": "string", "format": "uuid"}, "name": {"type": "string", "minLength": 1, "maxLength": 20},
        "tags": {"type": "array", "items": {"type": "string", "enum": ["x", "y", "z"]}, "maxItems": 3},
        "age": {"type": ["integer", "null"], "minimum": 0, "maximum": 150},
        "address": {"type": "object", "properties": {"street": {"type": "string"}, "zip": {"type": "string", "pattern": "^\\d{5}$"}},
                    "required": ["zip"], "additionalProperties": False}},
     "required": ["id", "name", "age"], "additionalProperties": False},
]

# Names of properties above: keys drawn beside them are others, since an order is promised for these alone.
NAMES = {"a", "b", "c", "x", "ab", 'b"', "z", "kind", "n", "s", "k", "value", "next", "name", "children"}

FORMATS = {
    "date": ["2024-02-29", "2023-02-29", "1900-02-29", "2000-02-29", "2021-13-01", "2021-04-31", "2021-12-31", "0000-01-01",
             "0001-01-01", "21-01-01", "2021-1-1", "9999-12-31", "2021-00-10", "2021-05-00", ""],
    "time": ["12:00:00Z", "23:59:59+01:00", "24:00:00Z", "12:60:00Z", "12:00:00", "12:00:00.123Z", "1:00:00Z"],
    "date-time": ["2024-02-29T12:00:00Z", "2023-02-29T12:00:00Z", "2024-02-29 12:00:00", "2024-02-29T12:00:00.5-23:59", "x"],
    "uuid": [str(uuid.UUID(int=7)), str(uuid.UUID(int=2**127)), "0" * 32, "g" * 8 + "-0000-0000-0000-000000000000", ""],
    "ipv4": ["1.2.3.4", "255.255.255.255", "256.1.1.1", "1.2.3", "01.2.3.4", "1.2.3.4.5", "0.0.0.0", "1..2.3"],
    "ipv6": ["::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8", "1::3:4:5:6:7:8",
             "1:2::4::5", "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "12345::", "g::", "1:::2",
             "1::2:3:4:5:6:7:8", "::1.2.3.4", "1::1.2.3.256", "fe80::1:2", ":1", "1:2:3:4:5:6:7:8:9", "a:b:c:d:e::1.2.3.4",
             "a:b:c:d::e:1.2.3.4", "a:b:c:d:e:f::1.2.3.4"],
}


def text(r, least=0, most=6):
    return "".join(r.choice(LETTERS) for _ in range(r.randint(least, most)))


def other_name(r, most):
    name = text(r, 1, most)
    return other_name(r, most) if name in NAMES else name


def anything(r, depth=0):
    kind = r.randrange(8 if depth < 2 else 6)
    if kind == 6:
        return [anything(r, depth + 1) for _ in range(r.randint(0, 3))]
    if kind == 7:
        return {other_name(r, 4): anything(r, depth + 1) for _ in range(r.randint(0, 3))}
    number = round(r.uniform(-50, 50), 2)
    fraction = number if number != int(number) else 0.5
    return [None, True, r.randint(-300, 1300), fraction, text(r), text(r, 0, 2)][kind]


def target(root, ref):
    now = root
    for part in ref[1:].split("/")[1:]:
        now = now[part.replace("~1", "/").replace("~0", "~")]
    return now


def draw(r, s, root, depth=0):
    """A document that has a good chance to be valid, its keys in the schema's order."""
    if s is True or s == {} or s is False:
        return anything(r, 1)
    if "$ref" in s:
        return draw(r, target(root, s["$ref"]), root, depth + 1)
    if "const" in s:
        return s["const"]
    if "enum" in s:
        return r.choice(s["enum"])
    for key in ("anyOf", "oneOf"):
        if key in s:
            branches = s[key] if depth < 4 else s[key][-1:]
            if "properties" not in s:
                return draw(r, r.choice(branches), root, depth + 1)
            merged = {**s, **{"properties": {**s["properties"], **r.choice(branches)["properties"]}}}
            return draw(r, {k: v for k, v in merged.items() if k != key}, root, depth)
    if "allOf" in s:
        merged = {k: v for k, v in s.items() if k != "allOf"}
        for part in s["allOf"]:
            for k, v in part.items():
                merged[k] = {**merged.get(k, {}), **v} if isinstance(v, dict) else v
        return draw(r, merged, root, depth)
    kind = s.get("type", r.choice(["object", "array", "string", "number", "boolean", "null"]))
    kind = r.choice(kind) if isinstance(kind, list) else kind
    if kind == "object":
        made = {}
        for name, inner in s.get("properties", {}).items():
            if name in s.get("required", []) or r.random() < 0.5:
                made[name] = draw(r, inner, root, depth + 1)
        for name in s.get("required", []):
            if name not in made:
                made[name] = draw(r, s.get("additionalProperties", True), root, depth + 1)
        if s.get("additionalProperties", True) is not False:
            for _ in range(r.randint(0, 2)):
                made.setdefault(other_name(r, 3), draw(r, s.get("additionalProperties", True), root, depth + 1))
        return made
    if kind == "array":
        prefix = s.get("prefixItems", [])
        least, most = s.get("minItems", 0), min(s.get("maxItems", 4), 0 if depth > 5 else 4)
        count = r.randint(min(least, most), most)
        return [draw(r, prefix[i] if i < len(prefix) else s.get("items", True), root, depth + 1) for i in range(count)]
    if kind == "string":
        if s.get("format") == "uuid":
            return str(uuid.UUID(int=r.getrandbits(128)))
        if s.get("pattern") == "^\\d{5}$":
            return str(r.randint(9990, 99999))
        return text(r, s.get("minLength", 0), s.get("maxLength", 6))
    if kind in ("number", "integer"):
        low = s.get("minimum", s.get("exclusiveMinimum", s.get("maximum", 60) - 60))
        high = s.get("maximum", s.get("exclusiveMaximum", low + 2000))
        whole = r.choice([int(low), int(high), r.randint(int(low) - 2, int(high) + 2), r.randint(int(low), int(high))])
        if kind == "integer" or r.random() < 0.4:
            return whole
        number = round(whole + r.choice([-1, 1]) * r.choice([0.5, 0.25, 0.75, 0.125]), 3)
        return number
    return {"boolean": r.random() < 0.5, "null": None}[kind]


def damaged(r, document):
    """The same with one place changed."""
    document = copy.deepcopy(document)
    places = [(None, None)]
    stack = [document]
    while stack:
        now = stack.pop()
        keys = list(now) if isinstance(now, dict) else range(len(now)) if isinstance(now, list) else []
        for key in keys:
            places.append((now, key))
            stack.append(now[key])
    holder, key = r.choice(places)
    if holder is None:
        if isinstance(document, dict):
            document[other_name(r, 2)] = anything(r, 1)
        elif isinstance(document, list):
            document.append(anything(r, 1))
        else:
            document = anything(r)
    elif r.random() < 0.4:
        del holder[key]
    else:
        holder[key] = anything(r, 1)
    return document


def verdicts(schema, documents):
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    return "".join("1" if checker.is_valid(document) else "0" for document in documents)


def schema_cases(r):
    cases = []
    for schema in SCHEMAS:
        documents = []
        for _ in range(25):
            document = draw(r, schema, schema)
            documents += [document, damaged(r, document)]
        texts = [json.dumps(d, ensure_ascii=False, **r.choice(FORMS)) for d in documents]
        cases.append({"schema": schema, "texts": texts, "valid": verdicts(schema, documents)})
    for name, values in FORMATS.items():
        schema = {"type": "string", "format": name}
        cases.append({"schema": schema, "texts": [json.dumps(v) for v in values], "valid": verdicts(schema, values)})
    return cases


def expression(r, depth):
    kind = r.randrange(9 if depth > 0 else 4)
    if kind == 0:
        return r.choice(["a", "b", "1", " ", "\u00e9", "\\.", "\\n", "\\x61", "\\u0062"])
    if kind == 1:
        return r.choice(["[ab]", "[^a]", "[a-c1-3]", "[^\\d]", "[\\w-]", "[\u00e0-\u00ff]", "\\d", "\\w", "\\s", "\\D", "\\W", "\\S", "."])
    if kind <= 3:
        return r.choice("ab1")
    if kind == 4:
        return "(" + r.choice(["", "?:"]) + expression(r, depth - 1) + ")"
    if kind == 5:
        return "(?:" + expression(r, depth - 1) + "|" + r.choice(["", expression(r, depth - 1)]) + ")"
    if kind == 6:
        inner = "(?:" + expression(r, depth - 1) + ")"
        return inner + r.choice(["*", "+", "?", "{2}", "{1,}", "{0,2}", "{2,3}", "*?", "+?"])
    return expression(r, depth - 1) + expression(r, depth - 1)


def pattern_cases(r):
    cases = []
    while len(cases) < 150:
        pattern = expression(r, 4)
        if len(pattern) > 60:
            continue
        search = r.random() < 0.4
        if search:
            pattern = r.choice(["", "^"]) + pattern + r.choice(["", "$"])
            if r.random() < 0.2:
                pattern = "(?:" + pattern + "|^a|b$)"
        # ECMAScript's $ is the end alone, Python's also stands before a last line end.
        compiled = re.compile(re.sub(r"(?<!\\)\$", r"\\Z", pattern), re.ASCII)
        match = compiled.search if search else compiled.fullmatch
        texts = ["".join(r.choice("aab1 c\u00e9.-") for _ in range(r.randint(0, 6))) for _ in range(24)]
        valid = "".join("1" if match(t) else "0" for t in texts)
        cases.append({"pattern": pattern, "search": search, "texts": texts, "valid": valid})
    return cases


def write(name, cases):
    lines = ",\n".join(json.dumps(case, ensure_ascii=True) for case in cases)
    (OUT / name).write_text("[\n" + lines + "\n]\n")
    valid = "".join(case["valid"] for case in cases)
    print(f"{name}: {len(cases)} cases, {len(valid)} texts, {valid.count('1')} valid")


if __name__ == "__main__":
    OUT.mkdir(parents=True, exist_ok=True)
    write("schemas.json", schema_cases(random.Random(1)))
    write("patterns.json", pattern_cases(random.Random(2)))
