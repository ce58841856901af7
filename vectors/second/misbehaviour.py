"""Proofs of misbehaviour (docs/formats.md §3.8): whether a file convicts a log that the caller trusts."""
from . import Refused, Unknown, canonical, entry, need
from .evidence import ENTRY, HASHES, hash_text, text
from .entry import members
from .note import ED25519, Key, judge_line, read_checkpoint, read_receipt, split_note, unbase64
from .tree import check_inclusion, leaf_hash, node_hash, sha256, split

FORK = members(format=text, older=text, newer=text, hashes=HASHES, vkey=text)
CONFLICT = members(
    format=text, receipt=members(note=text, vkey=text), note=text, leaf=hash_text, proof=HASHES, key_=ENTRY, vkey=text
)


def convicts(data, trust):
    """True if the file convicts the log whose key is `vkey`, and the caller trusts that key."""
    try:
        file = read(data)
        key = Key(file["vkey"])
        known = receipt_is_broken(file, key, trust) if "receipt" in file else histories_differ(file, key)
    except (Refused, Unknown):
        return False
    return known and any(one.vkey == key.vkey for one in trust.policy.logs)


def read(data):
    need(len(data) <= 64 * 1024 * 1024, "too large")
    file = canonical.read(data, 16)
    need(isinstance(file, dict), "not an object")
    if file.get("format") != "spur-misbehaviour/v1":
        raise Unknown("version of the file")
    (CONFLICT if "receipt" in file else FORK)(file)
    return file


def signed_by(key, note):
    """The text of a note with exactly one line, which this key has made."""
    body, lines = split_note(note)
    need(len(lines) == 1 and judge_line(lines[0], body, [key])[0] == "verified", "not signed by this key, or by more")
    return body


def checkpoint_of(key, note):
    origin, size, root, _ = read_checkpoint(signed_by(key, note))
    need(origin == key.name, "a checkpoint of another log")
    return size, root


def histories_differ(file, key):
    (m, older), (n, newer) = checkpoint_of(key, file["older"]), checkpoint_of(key, file["newer"])
    hashes = [unbase64(one) for one in file["hashes"]]
    need(m <= n, "the larger one first")
    if m == n:
        need(not hashes, "hashes where none are needed")
        before = newer
    else:
        need(m > 0, "every tree extends the empty one")
        before, after = both_roots(m, n, hashes)
        need(after == newer, "the hashes do not lead to the root that was signed")
    need(before != older, "one history")
    return True


def both_roots(m, n, hashes):
    """Roots of the trees of m and n from the subtrees of the larger one: from the top down, the last hash first."""
    need(len(hashes) <= 64, "too many hashes")
    rest = list(hashes)

    def down(m, n):
        if m == n:
            return (rest[0], rest[0]) if len(rest) == 1 else fail()
        need(rest, "too few hashes")
        sibling, k = rest.pop(), split(n)
        if m <= k:
            before, after = down(m, k)
            return before, node_hash(after, sibling)
        before, after = down(m - k, n - k)
        return node_hash(sibling, before), node_hash(sibling, after)

    return down(m, n)


def fail():
    raise Refused("another number of hashes")


def receipt_is_broken(file, key, trust):
    size, root = checkpoint_of(key, file["note"])
    receipts = Key(file["receipt"]["vkey"])
    need(receipts.kind == ED25519 and receipts.name == f"{key.name}/receipts", "not the log's receipts key")
    origin, _, index, promised, _ = read_receipt(signed_by(receipts, file["receipt"]["note"]))
    need(origin == key.name, "a receipt of another log")
    leaf = unbase64(file["leaf"])
    check_inclusion(leaf, index, size, [unbase64(one) for one in file["proof"]], root)
    need(leaf != promised, "the receipt is kept")
    if "key" not in file:
        return receipts.vkey in {one.vkey for one in trust.statement_keys}
    shown = file["key"]
    data = unbase64(shown["entry"])
    check_inclusion(leaf_hash(data), shown["index"], size, [unbase64(one) for one in shown["proof"]], root)
    said = entry.read(data)
    need(said.type == "spur:key/v1" and said.evidence == "observed" and shown["index"] < index, "no announcement")
    need((said.predicate["purpose"], said.predicate["state"]) == ("receipts", "active"), "another announcement")
    need(said.digests.get("sha256") == sha256(receipts.public_key).hex(), "an announcement of another key")
    return True
