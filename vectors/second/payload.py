"""Commitments, sealed payloads, key wrapping, journal rows, rows of plain payloads."""
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from . import Refused, need
from .tree import leaf_hash, root, root_from_inclusion, sha256

INLINE_LIMIT = 1 << 20
CHUNK = 1 << 16
ABSENT, INLINE, CHUNKED = 0, 1, 2


def u8(n):
    return n.to_bytes(1, "big")


def u64(n):
    return n.to_bytes(8, "big")


def hkdf(key, info, length=32):
    """RFC 5869 with SHA-256 and no salt."""
    secret = hmac.digest(bytes(32), key, "sha256")
    out, block = b"", b""
    for i in range(1, -(-length // 32) + 1):
        block = hmac.digest(secret, block + info + bytes([i]), "sha256")
        out += block
    return out[:length]


def slot_salts(dek, n):
    return [hkdf(dek, b"spur/v1/slots" + u8(n), 32 * n)[32 * i : 32 * i + 32] for i in range(n)]


def slot_digest(salt, slot, present, held):
    return sha256(b"\x02", salt, u8(slot), u8(present), u64(len(held)), held)


def chunk_digest(salt, j, chunk):
    t = hkdf(salt, b"spur/v1/chunk" + u64(j))
    return sha256(b"\x03", t, u64(j), len(chunk).to_bytes(4, "big"), chunk)


def chunks_of(value):
    return [value[at : at + CHUNK] for at in range(0, len(value), CHUNK)]


def chunk_head(salt, value):
    digests = [chunk_digest(salt, j, chunk) for j, chunk in enumerate(chunks_of(value))]
    return b"spur-chunks/v1" + u64(len(value)) + root(digests)


def held_form(salt, value):
    """What is hashed and sealed of a value (None = absent): its length alone decides whether it is chunked."""
    if value is None:
        return ABSENT, b""
    if len(value) <= INLINE_LIMIT:
        return INLINE, value
    return CHUNKED, chunk_head(salt, value)


def check_slot(slot, value, salt, path, slots, commitment):
    need(0 <= slot < slots, "no such slot")
    need(len(salt) == 32, "a salt has 32 bytes")
    digest = slot_digest(salt, slot, *held_form(salt, value))
    need(root_from_inclusion(digest, slot, slots, path) == commitment, "not what was committed")


def check_row(row, value, path, rows, expected):
    need(b"\n" not in value, "a row holds no newline")
    need(root_from_inclusion(leaf_hash(value), row, rows, path) == expected, "not a row of this payload")


def rows_of(payload):
    if payload == b"":
        return []
    return (payload[:-1] if payload.endswith(b"\n") else payload).split(b"\n")


def decrypt(key, nonce, aad, ct):
    try:
        return AESGCM(key).decrypt(nonce, ct, aad)
    except (InvalidTag, ValueError) as error:
        raise Refused("does not decrypt") from error


ZERO_NONCE = bytes(12)


def enc_key(dek, rec, commitment):
    return hkdf(dek, b"spur/v1/enc" + rec + commitment)


def enc_aad(rec, commitment):
    return b"spur-sealed/v1" + rec + commitment


def plaintext(held):
    return u8(len(held)) + b"".join(u8(i) + u8(p) + u64(len(v)) + v for i, (p, v) in enumerate(held))


def seal(dek, rec, commitment, held):
    return AESGCM(enc_key(dek, rec, commitment)).encrypt(ZERO_NONCE, plaintext(held), enc_aad(rec, commitment))


def unseal(dek, rec, commitment, n, ct):
    """The slots as held; the commitment is recomputed."""
    data = decrypt(enc_key(dek, rec, commitment), ZERO_NONCE, enc_aad(rec, commitment), ct)
    need(data[:1] == u8(n), "another number of slots")
    at, held = 1, []
    for i in range(n):
        head = data[at : at + 10]
        need(len(head) == 10 and head[0] == i and head[1] <= CHUNKED, "no such slot")
        present, length = head[1], int.from_bytes(head[2:], "big")
        value = data[at + 10 : at + 10 + length]
        need(len(value) == length, "cut")
        need(present != ABSENT or length == 0, "an absent slot with a value")
        need(present != CHUNKED or length == 54, "no chunk head")
        held.append((present, value))
        at += 10 + length
    need(at == len(data), "bytes behind the last slot")
    salts = slot_salts(dek, n)
    digests = [slot_digest(salts[i], i, *one) for i, one in enumerate(held)]
    need(root(digests) == commitment, "sealed_mismatch")
    return held


def stream_key(dek, rec, slot):
    return hkdf(dek, b"spur/v1/stream" + u8(slot) + rec)


def chunk_nonce(j, last):
    return bytes(3) + u64(j) + u8(1 if last else 0)


def chunk_aad(rec, slot):
    return b"spur-chunk/v1" + rec + u8(slot)


def seal_chunks(dek, rec, slot, value):
    chunks = chunks_of(value)
    cipher, aad = AESGCM(stream_key(dek, rec, slot)), chunk_aad(rec, slot)
    return [cipher.encrypt(chunk_nonce(j, j == len(chunks) - 1), chunk, aad) for j, chunk in enumerate(chunks)]


def unseal_blob(dek, rec, slot, salt, head, blob):
    step = CHUNK + 16
    key, aad = stream_key(dek, rec, slot), chunk_aad(rec, slot)
    parts = [blob[at : at + step] for at in range(0, len(blob), step)]
    value = b"".join(decrypt(key, chunk_nonce(j, j == len(parts) - 1), aad, part) for j, part in enumerate(parts))
    need(chunk_head(salt, value) == head, "not the chunks that were committed")
    return value


def unwrap(kek, wrapped):
    need(len(wrapped) == 40, "a wrapped 32-byte key has 40 bytes")
    try:
        return keywrap.aes_key_unwrap(kek, wrapped)
    except keywrap.InvalidUnwrap as error:
        raise Refused("does not unwrap") from error


def journal_key(dek, rec):
    return hkdf(dek, b"spur/v1/journal" + rec)
