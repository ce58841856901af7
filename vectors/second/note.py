"""C2SP signed notes, checkpoints, cosignatures, Spur's receipts."""
import base64
import binascii
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from . import Refused, Unknown, need
from .tree import sha256

ED25519, COSIGNATURE, ML_DSA_44 = 1, 4, 6
KEY_BYTES = {ED25519: 32, COSIGNATURE: 32, ML_DSA_44: 1312}
P = 2**255 - 19
# Points of low order (y, without the sign bit): under such a key one signature fits many messages, and verifiers disagree about such an R.
LOW_ORDER = {
    0,
    1,
    P - 1,
    int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little"),
    int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little"),
}


def unbase64(text):
    """Standard alphabet, padded, unused bits zero: what re-encodes to itself."""
    need(text.isascii(), "not base64")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused("not base64") from error
    need(base64.b64encode(data).decode() == text, "base64 that does not re-encode to itself")
    return data


def ed25519(public_key, message, signature):
    if len(public_key) != 32 or len(signature) != 64:
        return False
    for point in (public_key, signature[:32]):
        y = int.from_bytes(point, "little") & (2**255 - 1)
        if y >= P or y in LOW_ORDER:
            return False
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def key_id(name, kind, public_key):
    return sha256(name.encode() + b"\n" + bytes([kind]) + public_key)[:4]


def _is_name(name):
    return 0 < len(name) <= 1024 and "+" not in name and not any(c.isspace() or c < " " for c in name)


class Key:
    def __init__(self, vkey):
        parts = vkey.split("+", 2)
        need(len(parts) == 3, "a vkey has three parts")
        self.name, identifier, encoded = parts
        need(_is_name(self.name), "no key name")
        data = unbase64(encoded)
        need(len(data) > 1, "no key")
        self.kind, self.public_key = data[0], data[1:]
        need(len(self.public_key) == KEY_BYTES.get(self.kind, len(self.public_key)), "a key of another length")
        self.id = key_id(self.name, self.kind, self.public_key)
        need(identifier == self.id.hex(), "key id of another key")
        self.vkey = vkey


class Line:
    def __init__(self, text):
        parts = text.split(" ")
        need(len(parts) == 3 and parts[0] == "—" and _is_name(parts[1]), "no signature line")
        data = unbase64(parts[2])
        need(len(data) >= 5, "no signature behind the key id")
        self.name, self.id, self.signature = parts[1], data[:4], data[4:]


def split_note(note):
    """Text (with its final newline) and signature lines."""
    need(all(c == "\n" or c >= " " for c in note), "control character")
    text, blank, lines = note.rpartition("\n\n")
    need(blank and lines.endswith("\n") and lines != "\n", "no blank line and signatures")
    found = [Line(line) for line in lines[:-1].split("\n")]
    need(len(found) <= 64, "too many signatures")
    return text + "\n", found


def judge_line(line, text, keys):
    """("verified" | "invalid" | "unknown", time in seconds or None, key or None)."""
    for key in keys:
        if key.name != line.name or key.id != line.id or key.kind not in KEY_BYTES:
            continue
        if key.kind == ED25519:
            good, seconds = ed25519(key.public_key, text.encode(), line.signature), None
        else:
            signed_at = cosigned_at if key.kind == COSIGNATURE else subtree_signed_at
            seconds = signed_at(key, text, line.signature)
            good = seconds is not None
        return ("verified" if good else "invalid"), seconds, key
    return "unknown", None, None


def cosigned_message(seconds, text):
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def cosigned_at(key, text, blob):
    """The time of a cosignature/v1, or None if it does not verify."""
    if len(blob) != 72:
        return None
    seconds = int.from_bytes(blob[:8], "big")
    if seconds > 2**53 - 1 or not ed25519(key.public_key, cosigned_message(seconds, text), blob[8:]):
        return None
    return seconds


def with_length(text):
    data = text.encode()
    need(0 < len(data) < 256, "a name of 1 to 255 bytes")
    return bytes([len(data)]) + data


def subtree_message(name, seconds, text):
    origin, size, root, _ = read_checkpoint(text)
    eight = lambda number: number.to_bytes(8, "big")
    return b"subtree/v1\n\0" + with_length(name) + eight(seconds) + with_length(origin) + eight(0) + eight(size) + root


def subtree_signed_at(key, text, blob):
    """The time of an ML-DSA-44 cosignature (0: it names none), or None if it does not verify."""
    if len(blob) != 8 + 2420:
        return None
    seconds = int.from_bytes(blob[:8], "big")
    if seconds > 2**53 - 1:
        return None
    try:
        message = subtree_message(key.name, seconds, text)
        MLDSA44PublicKey.from_public_bytes(key.public_key).verify(blob[8:], message)
    except (Refused, InvalidSignature, ValueError):
        return None
    return seconds


NATURAL = re.compile(r"0|[1-9][0-9]{0,15}")


def natural(text):
    need(NATURAL.fullmatch(text) is not None and int(text) <= 2**53 - 1, "no number")
    return int(text)


def hash32(text):
    data = unbase64(text)
    need(len(data) == 32, "not 32 bytes")
    return data


def read_checkpoint(text):
    """Origin, size, root, extension lines."""
    need(text.endswith("\n"), "no final newline")
    lines = text[:-1].split("\n")
    need(len(lines) >= 3 and all(lines), "three lines, none empty")
    size, root = natural(lines[1]), hash32(lines[2])
    need(size > 0 or root == sha256(), "an empty log with a root of something")
    return lines[0], size, root, lines[3:]


def read_receipt(text):
    """Origin, rec, index, leaf hash, commitment."""
    lines = text.split("\n")
    if lines[0] != "spur-receipt/v1":
        raise Unknown("version of the receipt")
    need(len(lines) == 7 and lines[6] == "", "six lines of a receipt")
    need(lines[1] != "" and re.fullmatch(r"[0-9a-f]{32}", lines[2]) is not None, "origin or rec")
    return lines[1], lines[2], natural(lines[3]), hash32(lines[4]), hash32(lines[5])
