"""Checks of a query in Google Ads Query Language against the message of its rows."""

import re

from google.ads.googleads.v26.services.types.google_ads_service import GoogleAdsRow

from wire import repeated

TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")|(?P<number>-?\d+(?:\.\d+)?)"
    r"|(?P<word>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*)|(?P<sign>!=|<=|>=|[=<>(),]))"
)
WORD_OPERATORS = ("IN", "NOT IN", "LIKE", "NOT LIKE", "CONTAINS ANY", "CONTAINS ALL", "CONTAINS NONE", "IS NULL",
                  "IS NOT NULL", "DURING", "BETWEEN", "REGEXP_MATCH", "NOT REGEXP_MATCH")
CLAUSES = ("FROM", "WHERE", "ORDER", "LIMIT", "PARAMETERS")


class Malformed(Exception):
    """The query can't be read."""


def tokens(query):
    found, at = [], 0
    query = query.rstrip()
    while at < len(query):
        match = TOKEN.match(query, at)
        if not match:
            raise Malformed(f"unreadable at character {at}")
        kind = match.lastgroup
        found.append((kind, match.group(kind)))
        at = match.end()
    return found


class Reader:
    """Reads a query's clauses, and collects its fields and conditions."""

    def __init__(self, query):
        self.rest = tokens(query)
        self.selected, self.conditions, self.ordered = [], [], []
        self.word("SELECT")
        self.selected.append(self.field())
        while self.take("sign", ","):
            self.selected.append(self.field())
        self.word("FROM")
        self.resource = self.field()
        if self.take("word", "WHERE"):
            self.conditions.append(self.condition())
            while self.take("word", "AND"):
                self.conditions.append(self.condition())
        if self.take("word", "ORDER"):
            self.word("BY")
            self.order()
            while self.take("sign", ","):
                self.order()
        if self.take("word", "LIMIT") and not self.next("number").isdigit():
            raise Malformed("LIMIT takes a whole number")
        if self.take("word", "PARAMETERS"):
            self.rest = []
        if self.rest:
            raise Malformed(f"{self.rest[0][1]} is not expected")

    def take(self, kind, text):
        if self.rest and self.rest[0][0] == kind and self.rest[0][1].upper() == text:
            self.rest.pop(0)
            return True
        return False

    def next(self, kind):
        if not self.rest or self.rest[0][0] != kind:
            raise Malformed(f"{self.rest[0][1] if self.rest else 'the end'} where a {kind} is expected")
        return self.rest.pop(0)[1]

    def word(self, text):
        if not self.take("word", text):
            raise Malformed(f"{text} is missing")

    def field(self):
        name = self.next("word")
        if name.upper() in CLAUSES:
            raise Malformed(f"{name} where a field is expected")
        return name

    def order(self):
        self.ordered.append(self.field())
        _ = self.take("word", "ASC") or self.take("word", "DESC")

    def condition(self):
        name = self.field()
        if self.rest and self.rest[0][0] == "sign":
            operator = self.rest.pop(0)[1]
            if operator in "(),":
                raise Malformed(f"{operator} is no operator")
            return name, operator, [self.value()]
        for operator in sorted(WORD_OPERATORS, key=len, reverse=True):
            words = operator.split()
            ahead = [text.upper() for kind, text in self.rest[: len(words)] if kind == "word"]
            if ahead == words:
                del self.rest[: len(words)]
                return name, operator, self.operands(operator)
        raise Malformed(f"no operator after {name}")

    def operands(self, operator):
        if operator.endswith("NULL"):
            return []
        if operator == "BETWEEN":
            low = self.value()
            self.word("AND")
            return [low, self.value()]
        if not self.take("sign", "("):
            return [self.value()]
        values = [self.value()]
        while self.take("sign", ","):
            values.append(self.value())
        if not self.take("sign", ")"):
            raise Malformed("a closing bracket is missing")
        return values

    def value(self):
        if not self.rest or self.rest[0][0] == "sign":
            raise Malformed("a value is missing")
        kind, text = self.rest.pop(0)
        return re.sub(r"\\(.)", r"\1", text[1:-1]) if kind == "text" else text


def resolve(path):
    """The field of a row at a path such as `conversion_action.value_settings.default_value`, or None."""
    descriptor, field = GoogleAdsRow.pb().DESCRIPTOR, None
    for name in path.split("."):
        if descriptor is None:
            return None
        names = descriptor.fields_by_name
        # The classes write an underscore behind names that are words of Python.
        field = names.get(name) or names.get(f"{name}_")
        if field is None:
            return None
        descriptor = None if repeated(field) else field.message_type
    return field


def check(query, path, report):
    """Every field of a query exists and can be selected; values of enumerations are known."""
    try:
        read = Reader(query)
    except Malformed as error:
        report.add(path, f"GAQL: {error}")
        return
    if "." in read.resource or resolve(read.resource) is None:
        report.add(path, f"GAQL: there is no resource {read.resource}")
    for name in read.selected + read.ordered + [condition[0] for condition in read.conditions]:
        field = resolve(name)
        if field is None or "." not in name:
            report.add(path, f"GAQL: rows have no field {name}")
        elif field.message_type is not None and not repeated(field):
            report.add(path, f"GAQL: {name} is no leaf")
    if len(set(read.selected)) != len(read.selected):
        report.add(path, "GAQL: a field is selected twice")
    for name, operator, values in read.conditions:
        field = resolve(name)
        if field is None or field.enum_type is None or operator.endswith("LIKE"):
            continue
        for value in values:
            if value not in field.enum_type.values_by_name:
                report.add(path, f"GAQL: {value} is no value of {name}")
