"""Strict JSON form of a protobuf message, beyond what the parser of the message classes insists on."""

import re

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor as F

INT64 = {F.TYPE_INT64, F.TYPE_UINT64, F.TYPE_FIXED64, F.TYPE_SFIXED64, F.TYPE_SINT64}
INT32 = {F.TYPE_INT32, F.TYPE_UINT32, F.TYPE_FIXED32, F.TYPE_SFIXED32, F.TYPE_SINT32}
FLOAT = {F.TYPE_DOUBLE, F.TYPE_FLOAT}
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)\Z")
CURRENCY = re.compile(r"[A-Z]{3}\Z")
WELL_KNOWN = {
    "google.protobuf.Timestamp": RFC3339,
    "google.protobuf.Duration": re.compile(r"-?\d+(\.\d{1,9})?s\Z"),
    "google.protobuf.FieldMask": re.compile(r"[a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)*(,[a-z][A-Za-z0-9]*(\.[a-z][A-Za-z0-9]*)*)*\Z"),
}


class Report:
    """Violations of one request, each with its JSON path."""

    def __init__(self):
        self.violations = []

    def add(self, path, text):
        self.violations.append((path, text))

    def require(self, holds, path, text):
        if not holds:
            self.add(path, text)
        return holds


def fields_of(descriptor):
    """Fields by the name that they have in JSON."""
    return {field.camelcase_name: field for field in descriptor.fields}


def repeated(field):
    """Whether a field is a list. The newer classes have the property only, the older ones the label only."""
    if hasattr(field, "is_repeated"):
        return field.is_repeated
    return field.label == F.LABEL_REPEATED


def is_map(field):
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def parse(body, message, report):
    """Parses with the message's own class, unknown fields refused, and checks the form of every value. False where it
    is not well-formed, so that rules may rely on the types."""
    known = len(report.violations)
    descriptor = message.pb().DESCRIPTOR
    if not report.require(isinstance(body, dict), "$", "the body is no JSON object"):
        return False
    check_message(body, descriptor, "$", report)
    try:
        json_format.ParseDict(body, message.pb()(), ignore_unknown_fields=False)
    except json_format.ParseError as error:
        report.add("$", f"{descriptor.name} does not parse it: {' '.join(str(error).split())[:300]}")
    return len(report.violations) == known


def check_message(value, descriptor, path, report):
    """The form of an object: names in lowerCamelCase and known, nothing null or empty, at most one of a union."""
    if descriptor.full_name in WELL_KNOWN:
        form = WELL_KNOWN[descriptor.full_name]
        good = isinstance(value, str) and form.match(value)
        report.require(good, path, f"no {descriptor.name} in its JSON form")
        return
    if not report.require(isinstance(value, dict), path, f"{descriptor.name} must be an object"):
        return
    fields = fields_of(descriptor)
    for name, inner in value.items():
        field = fields.get(name)
        where = f"{path}.{name}"
        if field is None:
            report.add(where, f"{descriptor.name} has no field of this name in lowerCamelCase")
        elif inner is None:
            report.add(where, "null: leave it out")
        elif repeated(field) and not is_map(field):
            check_list(inner, field, where, report)
        elif not is_map(field):
            check_value(inner, field, where, report)
    for union in descriptor.oneofs:
        members = [field.camelcase_name for field in union.fields if field.camelcase_name in value]
        report.require(len(members) <= 1, path, f"more than one of the union {union.name}: {', '.join(members)}")


def check_list(value, field, path, report):
    if not report.require(isinstance(value, list), path, "must be a list"):
        return
    report.require(value, path, "empty list: leave it out")
    for index, item in enumerate(value):
        check_value(item, field, f"{path}[{index}]", report)


def check_value(value, field, path, report):
    """The form of one value by its type."""
    kind = field.type
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind == F.TYPE_MESSAGE:
        check_message(value, field.message_type, path, report)
        if value == {}:
            report.add(path, "empty object: leave it out")
    elif kind == F.TYPE_ENUM:
        known = isinstance(value, str) and value in field.enum_type.values_by_name
        if report.require(known, path, f"no name of {field.enum_type.name}"):
            filler = value.endswith("UNSPECIFIED") or value == "UNKNOWN"
            report.require(not filler, path, f"{value} is not for requests")
    elif kind in INT64:
        good = isinstance(value, str) and re.match(r"-?\d{1,20}\Z", value)
        report.require(good, path, "a 64-bit integer travels as a string")
    elif kind in INT32:
        report.require(number and isinstance(value, int), path, "a 32-bit integer travels as a number")
    elif kind in FLOAT:
        report.require(number, path, "a double travels as a number")
    elif kind == F.TYPE_BOOL:
        report.require(isinstance(value, bool), path, "must be true or false")
    elif kind == F.TYPE_STRING:
        if report.require(isinstance(value, str), path, "must be a string"):
            report.require(value != "", path, "empty string: leave it out")


def leaf(path, descriptor):
    """The field at a dotted lowerCamelCase path, or None; also None where the path goes on below a list."""
    field = None
    for name in path.split("."):
        if descriptor is None:
            return None
        field = fields_of(descriptor).get(name)
        if field is None:
            return None
        descriptor = None if repeated(field) else field.message_type
    return field


def leaves(value, prefix=""):
    """Dotted paths of all values of an object that are no objects."""
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from leaves(inner, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"
