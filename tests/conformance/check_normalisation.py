"""Compares our normalisation and hashing with Google's own formatter.

    check_normalisation.py TABLE.json  what our code made of each input (written by the tests)
    check_normalisation.py --selftest  tables made for the purpose

A row agrees with the formatter, or carries a text that explains why not. What we send must be in Google's form in any
case: the formatter leaves it as it is, and makes the same hash of it.
"""

import json
import re
import sys

from google.ads.datamanager_util import Encoding, Formatter

FORMATTER = Formatter()
FORMAT = {
    "email": FORMATTER.format_email_address,
    "phone": FORMATTER.format_phone_number,
    "given_name": FORMATTER.format_given_name,
    "family_name": FORMATTER.format_family_name,
    "postal_code": FORMATTER.format_postal_code,
    "region_code": FORMATTER.format_region_code,
}
HASH = {
    "email": FORMATTER.process_email_address,
    "phone": FORMATTER.process_phone_number,
    "given_name": FORMATTER.process_given_name,
    "family_name": FORMATTER.process_family_name,
}
SHA256_HEX = re.compile(r"[0-9a-f]{64}\Z")


def theirs(kind, value):
    """What the formatter makes of a value: normalised and hashed; nothing where it refuses."""
    try:
        output = FORMAT[kind](value)
        return output, HASH[kind](value, Encoding.HEX) if kind in HASH else None
    except ValueError:
        return None, None


def check(row):
    """What is wrong with a row."""
    kind, value, explained = row["kind"], row["input"], row.get("explained")
    ours = (row["output"], row["hash"])
    google = theirs(kind, value)
    if ours == google and explained:
        yield "is explained, but does not differ"
    if ours != google and not explained:
        yield f"ours {ours}, Google's {google}"
    output, digest = ours
    if output is not None and theirs(kind, output) != ours:
        yield f"ours {ours} is not in Google's form: {theirs(kind, output)}"
    if output is None and digest is not None:
        same = digest == value.strip().lower() and SHA256_HEX.match(digest)
        if kind not in HASH or not same:
            yield "a hash without a normalised value must be the given one"


def check_table(table):
    return [
        f"row {number}, {row['kind']} {row['input']!r} (region {row.get('region')}): {text}"
        for number, row in enumerate(table, 1)
        for text in check(row)
    ]


def row(kind, value, output=None, digest=None, explained=None):
    return {"kind": kind, "input": value, "output": output, "hash": digest, "explained": explained}


def selftest():
    email, phone = theirs("email", "ada@example.com")[1], theirs("phone", "+4915123456789")[1]
    good = [
        row("email", " Ada@Example.com", "ada@example.com", email),
        row("email", "ada"),
        row("email", email.upper(), None, email, "hashed already"),
        row("phone", "0151 23456789", "+4915123456789", phone, "national"),
        row("region_code", "Germany", "DE", None, "name"),
        row("postal_code", " 1 ", "1"),
    ]
    bad = [
        row("email", "Ada@Example.com", "Ada@Example.com", email),
        row("email", "ada@example.com", "ada@example.com", phone),
        row("email", "ada@example.com", "ada@example.com", phone, "no text explains a wrong hash"),
        row("email", "ada@example.com"),
        row("email", "ada@example.com", "ada@example.com", email, "explained without a difference"),
        row("email", "ada", None, email, "not the given hash"),
        row("phone", "0151 23456789", "0151 23456789", phone, "not E.164"),
        row("phone", "0151 23456789", "+4915123456789", phone),
        row("region_code", "Germany", "DE"),
        row("region_code", "Germany", "de", None, "not in capitals"),
        row("postal_code", " 1 ", " 1 "),
    ]
    wrong = check_table(good) + [f"passed: {sample}" for sample in bad if not check_table([sample])]
    for line in wrong:
        print(line)
    print(f"selftest: {len(good)} good and {len(bad)} bad rows, {len(wrong)} judged wrongly")
    return 1 if wrong else 0


def main(arguments):
    if arguments == ["--selftest"]:
        return selftest()
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(arguments[0], encoding="utf-8") as file:
            table = json.load(file)
    except (OSError, ValueError) as error:
        print(f"{arguments[0]} can't be read: {error}", file=sys.stderr)
        return 2
    if not table:
        print("the table is empty: nothing was proved")
        return 1
    lines = check_table(table)
    for line in lines:
        print(line)
    explained = sum(1 for line in table if line.get("explained"))
    print(f"{len(table)} rows: {len(table) - explained} as Google's formatter, {explained} explained, {len(lines)} wrong")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
