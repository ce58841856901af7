"""Canonical JSON: RFC 8785 with integers only and ASCII names. Reads the canonical grammar and nothing else, in one pass."""
import re

from . import Refused, need

MAX_INTEGER = 2**53 - 1
MAX_DEPTH = 32
MAX_MARKS = 4_194_304
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)")
NAME = re.compile(r'"([\x20\x21\x23-\x5b\x5d-\x7e]+)"')
PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
SHORT = {'"': '"', "\\": "\\", "b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r"}
LONG = re.compile(r"u00([01][0-9a-f])")
ESCAPED = {value: "\\" + letter for letter, value in SHORT.items()}


def read(data, max_depth=MAX_DEPTH):
    """The value of canonical bytes. Refuses every other text of the same value."""
    try:
        text = data.decode("utf-8", "strict")
    except UnicodeDecodeError as error:
        raise Refused("not UTF-8") from error
    reader = _Reader(text, max_depth)
    value = reader.value(0)
    need(reader.at == len(text), "something behind the value")
    return value


class _Reader:
    def __init__(self, text, max_depth):
        self.text, self.at, self.max_depth, self.marks = text, 0, max_depth, 0

    def mark(self):
        """A comma or an opening bracket."""
        self.marks += 1
        need(self.marks <= MAX_MARKS, "too many values")

    def take(self, expected):
        if self.text.startswith(expected, self.at):
            self.at += len(expected)
            return True
        return False

    def value(self, depth):
        first = self.text[self.at : self.at + 1]
        if first == '"':
            return self.string()
        if first in ("{", "["):
            need(depth < self.max_depth, "too deep")
            self.mark()
            self.at += 1
            return self.members(depth + 1) if first == "{" else self.items(depth + 1)
        for word, value in (("null", None), ("true", True), ("false", False)):
            if self.take(word):
                return value
        return self.number()

    def number(self):
        found = NUMBER.match(self.text, self.at)
        need(found is not None, "no value")
        self.at = found.end()
        need(self.text[self.at : self.at + 1] not in (".", "e", "E"), "not an integer")
        need(found[0] != "-0", "minus zero")
        need(len(found[0]) <= 17, "integer too large")
        number = int(found[0])
        need(abs(number) <= MAX_INTEGER, "integer too large")
        return number

    def string(self):
        need(self.take('"'), "no string")
        parts = []
        while True:
            plain = PLAIN.match(self.text, self.at)
            parts.append(plain[0])
            self.at = plain.end()
            if self.take('"'):
                return "".join(parts)
            need(self.take("\\"), "control character or end in a string")
            letter = self.text[self.at : self.at + 1]
            if letter in SHORT:
                parts.append(SHORT[letter])
                self.at += 1
                continue
            long = LONG.match(self.text, self.at)
            need(long is not None, "escape that is not the shortest")
            character = chr(int(long[1], 16))
            need(character not in ESCAPED, "escape that is not the shortest")
            parts.append(character)
            self.at = long.end()

    def items(self, depth):
        found = []
        if self.take("]"):
            return found
        while True:
            found.append(self.value(depth))
            if self.take("]"):
                return found
            need(self.take(","), "list not closed")
            self.mark()

    def members(self, depth):
        found, last = {}, ""
        if self.take("}"):
            return found
        while True:
            name = NAME.match(self.text, self.at)
            need(name is not None, "name is not plain ASCII")
            need(name[1] > last, "names out of order, or twice")
            last = name[1]
            self.at = name.end()
            need(self.take(":"), "no colon")
            found[last] = self.value(depth)
            if self.take("}"):
                return found
            need(self.take(","), "object not closed")
            self.mark()


def write(value):
    """The canonical text of a value."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (int, float)):
        need(value == int(value) and abs(value) <= MAX_INTEGER, "not an integer within 2^53-1")
        return str(int(value))
    if isinstance(value, str):
        return '"' + "".join(map(_escape, value)) + '"'
    if isinstance(value, list):
        return "[" + ",".join(map(write, value)) + "]"
    for name in value:
        need(NAME.fullmatch(f'"{name}"') is not None, "name is not plain ASCII")
    return "{" + ",".join(f'"{name}":{write(value[name])}' for name in sorted(value)) + "}"


def _escape(character):
    if character in ESCAPED:
        return ESCAPED[character]
    need(not "\ud800" <= character <= "\udfff", "lone surrogate")
    return f"\\u{ord(character):04x}" if character < " " else character
