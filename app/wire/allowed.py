"""Decodes values into types of the wire; a value that a field does not take is answered with what the field allows.

The sentence comes from the field's type, its bounds, its description and its example: `soc must be a number from 0 to
100 (percent), such as 82.5`. msgspec's own messages say where the fault is, and are not shown.
"""

import json
import re
from functools import lru_cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from app.errors import InvalidParameter

_T = TypeVar("_T")

# Where a fault is: names of fields after `$`. What a client sends may look like it, so it is bounded.
_PLACE = re.compile(r" - at `\$((?:\.\w{1,32}){0,3})`$")
_MISSING = re.compile("Object missing required field `(.*)`")
_UNKNOWN = re.compile("Object contains unknown field `(.*)`", re.DOTALL)
_LONGEST_NAME_SHOWN = 64


def decode(content: bytes, type_: type[_T], name: str) -> _T:
    """JSON as a value of a type; `name` is what errors call it.

    Raises :class:`InvalidParameter` where the type does not take it, and what msgspec raises where it is not JSON.
    """
    try:
        return msgspec.json.decode(content, type=type_)
    except msgspec.ValidationError as error:
        path, detail = _fault(error, type_, name)
        raise InvalidParameter(detail, {"field": path or None}) from None


def convert(value: object, type_: Any, name: str) -> Any:
    """The value of a field or parameter as one of a type. Raises :class:`InvalidParameter`."""
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        path, detail = _fault(error, type_, name)
        raise InvalidParameter(detail, {"field": path or name}) from None


def must_be(name: str, type_: Any) -> str:
    """What the value of a field has to be."""
    return f"{name} must be {_described(_node(type_))}"


def missing(name: str, type_: Any) -> str:
    """That a field is not there, and what it has to be."""
    return f"{name} is missing: it must be {_described(_node(type_))}"


def such_as(type_: Any) -> str:
    """An example of a type, as the end of a sentence; empty where there is none."""
    example = _example(_node(type_))
    return f", such as {_written(example)}" if example else ""


def _fault(error: msgspec.ValidationError, type_: Any, name: str) -> tuple[str, str]:
    """The path of the field at fault, and what it has to be."""
    text = str(error)
    place = _PLACE.search(text)
    path = tuple(place[1].split(".")[1:]) if place else ()
    fault = text[: place.start()] if place else text
    if found := _MISSING.fullmatch(fault):
        path = (*path, found[1])
        detail = f"{'.'.join(path)} is missing: it must be {_described(_node(type_, path))}"
    elif found := _UNKNOWN.fullmatch(fault):
        node = _node(type_, path)
        detail = f"{found[1]:.{_LONGEST_NAME_SHOWN}} is unknown: the fields are {', '.join(_fields(node))}"
        if example := _example(node):
            detail += f", such as {_written(example)}"
        path = (*path, found[1][:_LONGEST_NAME_SHOWN])
    else:
        detail = f"{'.'.join(path) or name} must be {_described(_node(type_, path))}"
    return ".".join(path), detail


@lru_cache(maxsize=256)
def _node(type_: Any, path: tuple[str, ...] = ()) -> inspect.Type:
    """The type of the field that a path leads to, as far as it leads anywhere."""
    node = inspect.type_info(type_)
    for name in path:
        node = _fields(node).get(name, node)
    return node


def _fields(node: inspect.Type) -> dict[str, inspect.Type]:
    """The fields of the struct among what a value may be."""
    alternatives = node.types if isinstance(node, inspect.UnionType) else (node,)
    structs = (alternative for alternative in alternatives if isinstance(alternative, inspect.StructType))
    return {field.encode_name: field.type for struct in structs for field in struct.fields}


def _described(node: inspect.Type) -> str:
    match node:
        case inspect.Metadata(type=inner, extra_json_schema={"description": description, "examples": [example, *_]}):
            return f"{_described(inner)} ({description}), such as {example}"
        case inspect.UnionType(types=types):
            return ", or ".join(map(_described, types))
        case inspect.LiteralType(values=(*others, last)):
            return f"{', '.join(map(str, others))} or {last}"
        case inspect.FloatType(gt=None, ge=lowest, le=highest):
            return f"a number from {lowest:g} to {highest:,.10g}"
        case inspect.FloatType(gt=lowest, le=highest):
            return f"a number above {lowest:g} and up to {highest:,.10g}"
        case inspect.StructType():
            example = _example(node)
            named = f"an object with the fields {', '.join(_fields(node))}"
            return f"{named}, such as {_written(example)}" if example else named
        case _:
            return _PLAIN[type(node)]


def _example(node: inspect.Type) -> Any:
    """A value of a type: of an object its required fields, or its first one; None where nothing gives an example."""
    match node:
        case inspect.Metadata(extra_json_schema={"examples": [example, *_]}):
            return example
        case inspect.Metadata(type=inner):
            return _example(inner)
        case inspect.LiteralType(values=(first, *_)):
            return first
        case inspect.UnionType(types=types):
            return next(filter(None, map(_example, types)), None)
        case inspect.StructType(fields=fields):
            required = [field for field in fields if field.required] or fields[:1]
            # Ids of meters and of vehicles are of one type.
            return {
                field.encode_name: "V-202" if field.encode_name == "vehicleId" else _example(field.type)
                for field in required
            }
        case _:
            return None


def _written(example: Any) -> str:
    return json.dumps(example)


_PLAIN = {
    inspect.BoolType: "true or false",
    inspect.StrType: "a string",
    inspect.DateTimeType: "a date and time",
    inspect.NoneType: "null",
    inspect.ListType: "an array",
    inspect.DictType: "an object",
}
