#!/usr/bin/env python3
"""Runs every vector of this folder through the second implementation (second/). Exit 1 and the vector's name if one fails.

    python3 vectors/check.py [NAME…]      needs Python 3.9 and the package `cryptography`, 48 or newer (ML-DSA-44)
"""
import json
import pathlib
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from second import Refused, Unknown, canonical, entry, evidence, note, payload, tree
from second.misbehaviour import convicts
from second.proof import verify_proof
from second.receipt import verify_receipt
from second.trust import Policy, Trust

HERE = pathlib.Path(__file__).resolve().parent
unhex = bytes.fromhex


class Failed(Exception):
    pass


def same(actual, expected, what):
    if actual != expected:
        raise Failed(f"{what}: {actual!r}, expected {expected!r}")


def refused(call, verdict="fail"):
    try:
        result = call()
    except Refused:
        return same("fail", verdict, "verdict")
    except Unknown:
        return same("not-checked", verdict, "verdict")
    raise Failed(f"accepted: {result!r}")


def rule_text(rule):
    return rule["before"] + rule["repeat"] * rule["times"] + rule["after"]


def data_of(vector):
    if "hex" in vector:
        return unhex(vector["hex"])
    return (rule_text(vector["rule"]) if "rule" in vector else vector["text"]).encode()


def value_of(value):
    if value is None:
        return None
    if "ruleBytes" in value:
        return (bytes(i * 31 % 256 for i in range(256)) * (value["ruleBytes"] // 256 + 1))[: value["ruleBytes"]]
    return data_of(value)


def each(file, valid, invalid):
    """(name, call) for every vector of a file."""
    yield from (("valid: " + v["name"], lambda v=v: valid(v)) for v in file["valid"])
    yield from (("invalid: " + v["name"], lambda v=v: invalid(v)) for v in file["invalid"])


def run_canonical(file):
    def valid(v):
        same(canonical.write(canonical.read(v["text"].encode())), v["text"], "text")
        if "input" in v:
            same(canonical.write(json.loads(v["input"])), v["text"], "canonical form")

    return each(file, valid, lambda v: refused(lambda: canonical.read(data_of(v))))


def run_decimal(file):
    return each(file, lambda v: entry.decimal(v["value"]), lambda v: refused(lambda: entry.decimal(v["value"])))


def run_entry(file):
    data = lambda v: (rule_text(v["rule"]) if "rule" in v else v["entry"]).encode()

    def valid(v):
        read = entry.read(data(v), v["index"])
        same([{"role": role, **target} for role, target in read.references()], v["references"], "references")
        if "leafHash" in v:
            same(tree.leaf_hash(data(v)).hex(), v["leafHash"], "leaf hash")

    return each(file, valid, lambda v: refused(lambda: entry.read(data(v), v.get("index")), v.get("verdict", "fail")))


def open_slot(opening, value, slots, commitment):
    path = [unhex(one) for one in opening["path"]]
    payload.check_slot(opening["slot"], value_of(value), unhex(opening["salt"]), path, slots, unhex(commitment))


def run_commitment(file):
    def valid(v):
        n = len(v["slots"])
        salts = payload.slot_salts(unhex(v["dek"]), n)
        same([one.hex() for one in salts], [one["salt"] for one in v["slots"]], "salts")
        held = [payload.held_form(salts[i], value_of(one["value"])) for i, one in enumerate(v["slots"])]
        same([one[0] for one in held], [one["present"] for one in v["slots"]], "present")
        digests = [payload.slot_digest(salts[i], i, *one) for i, one in enumerate(held)]
        same([one.hex() for one in digests], [one["digest"] for one in v["slots"]], "digests")
        same(tree.root(digests).hex(), v["commitment"], "commitment")
        for one in v.get("chunked", []):
            salt, chunks = salts[one["slot"]], payload.chunks_of(value_of(v["slots"][one["slot"]]["value"]))
            same(held[one["slot"]][1].hex(), one["head"], "head")
            same(len(chunks), one["chunks"], "chunks")
            same(payload.chunk_digest(salt, 0, chunks[0]).hex(), one["firstHash"], "first chunk")
            same(payload.chunk_digest(salt, len(chunks) - 1, chunks[-1]).hex(), one["lastHash"], "last chunk")
        for opening in v["openings"]:
            open_slot(opening, v["slots"][opening["slot"]]["value"], n, v["commitment"])

    invalid = lambda v: refused(lambda: open_slot(v["opening"], v["opening"]["value"], v["slots"], v["commitment"]))
    return each(file, valid, invalid)


def run_sealed(file):
    def valid(v):
        dek, rec, commitment, ct = (unhex(v[name]) for name in ("dek", "rec", "commitment", "ct"))
        salts = payload.slot_salts(dek, len(v["slots"]))
        values = [value_of(one) for one in v["slots"]]
        held = [payload.held_form(salts[i], value) for i, value in enumerate(values)]
        same(payload.enc_key(dek, rec, commitment).hex(), v["kEnc"], "k_enc")
        same(payload.enc_aad(rec, commitment).hex(), v["aad"], "aad")
        same(payload.plaintext(held).hex(), v["plaintext"], "plaintext")
        same(payload.seal(dek, rec, commitment, held).hex(), v["ct"], "ct")
        same(tree.sha256(ct).hex(), v["ctSha256"], "sha256(ct)")
        same(payload.unseal(dek, rec, commitment, len(held), ct), held, "opened")
        same(
            [one["slot"] for one in v.get("blobs", [])],
            [i for i, one in enumerate(held) if one[0] == payload.CHUNKED],
            "slots of blobs",
        )
        for one in v.get("blobs", []):
            slot = one["slot"]
            chunks = payload.seal_chunks(dek, rec, slot, values[slot])
            blob = b"".join(chunks)
            same(payload.stream_key(dek, rec, slot).hex(), one["kStream"], "k_str")
            same(payload.chunk_aad(rec, slot).hex(), one["aad"], "aad")
            same(payload.chunk_nonce(0, False).hex(), one["firstNonce"], "first nonce")
            same(payload.chunk_nonce(len(chunks) - 1, True).hex(), one["lastNonce"], "last nonce")
            same([len(chunks), len(blob)], [one["chunks"], one["bytes"]], "blob")
            same(chunks[-1].hex(), one["lastChunk"], "last chunk")
            same(tree.sha256(blob).hex(), one["sha256"], "sha256(blob)")
            same(payload.unseal_blob(dek, rec, slot, salts[slot], held[slot][1], blob), values[slot], "value")

    def invalid(v):
        dek, rec, commitment, ct = (unhex(v[name]) for name in ("dek", "rec", "commitment", "ct"))
        refused(lambda: payload.unseal(dek, rec, commitment, v["slots"], ct))

    yield from each(file, valid, invalid)
    v = next(one for one in file["valid"] if "blobs" in one)
    for one in file["blobs"]["invalid"]:
        yield "invalid blob: " + one["name"], lambda one=one: refused(lambda: open_edited(v, one["edit"]))


def open_edited(v, edit):
    dek, rec, slot = unhex(v["dek"]), unhex(v["rec"]), v["blobs"][0]["slot"]
    salt, value = payload.slot_salts(dek, len(v["slots"]))[slot], value_of(v["slots"][slot])
    chunks = payload.seal_chunks(dek, rec, slot, value)
    blob = b"".join(chunks)
    if "valueFlip" in edit:
        other = bytearray(value)
        other[edit["valueFlip"]] ^= 1
        chunks = payload.seal_chunks(dek, rec, slot, bytes(other))
    if "swap" in edit:
        a, b = edit["swap"]
        chunks[a], chunks[b] = chunks[b], chunks[a]
    if "drop" in edit:
        del chunks[edit["drop"]]
    if "repeat" in edit:
        chunks.insert(edit["repeat"], chunks[edit["repeat"]])
    edited = bytearray(b"".join(chunks))
    if "cut" in edit:
        del edited[edit["cut"] :]
    if "flip" in edit:
        edited[edit["flip"]] ^= 1
    edited += unhex(edit.get("append", ""))
    if edited == blob:
        raise Failed("an edit that changes nothing")
    return payload.unseal_blob(dek, rec, slot, salt, payload.chunk_head(salt, value), bytes(edited))


def run_wrapping(file):
    return each(
        file,
        lambda v: same(payload.unwrap(unhex(v["kek"]), unhex(v["wrapped"])).hex(), v["key"], "key"),
        lambda v: refused(lambda: payload.unwrap(unhex(v["kek"]), unhex(v["wrapped"]))),
    )


def run_journal(file):
    def opened(v):
        key = payload.journal_key(unhex(v["dek"]), unhex(v["rec"]))
        return key.hex(), payload.decrypt(key, payload.ZERO_NONCE, b"", unhex(v["ct"])).hex()

    return each(
        file,
        lambda v: same(opened(v), (v["key"], v["plaintext"]), "journal row"),
        lambda v: refused(lambda: opened(v)),
    )


def run_rows(file):
    def opened(opening, rows, root):
        path = [unhex(one) for one in opening["path"]]
        payload.check_row(opening["row"], unhex(opening["value"]), path, rows, unhex(root))

    def valid(v):
        rows = payload.rows_of(data_of(v))
        leaves = [tree.leaf_hash(row) for row in rows]
        same([row.hex() for row in rows], v["rows"], "rows")
        same([leaf.hex() for leaf in leaves], v["leaves"], "leaves")
        same(tree.root(leaves).hex(), v["rowsRoot"], "root")
        same(tree.sha256(data_of(v)).hex(), v["sha256"], "sha256")
        for opening in v["openings"]:
            opened(opening, len(rows), v["rowsRoot"])

    return each(file, valid, lambda v: refused(lambda: opened(v["opening"], v["rows"], v["rowsRoot"])))


def run_merkle(file):
    leaves = [tree.leaf_hash(f"entry {i}".encode()) for i in range(len(file["valid"]["leaves"]))]
    hashes = lambda v: [unhex(one) for one in v["proof"]]

    def inclusion(v):
        tree.check_inclusion(unhex(v["leaf"]), v["index"], v["size"], hashes(v), unhex(v["root"]))

    def consistency(v):
        tree.check_consistency(v["from"], unhex(v["root1"]), v["to"], unhex(v["root2"]), hashes(v))

    yield "leaves", lambda: same([one.hex() for one in leaves], file["valid"]["leaves"], "leaves")
    for v in file["valid"]["roots"]:
        yield f"root of {v['size']}", lambda v=v: same(tree.root(leaves[: v["size"]]).hex(), v["root"], "root")
    for v in file["valid"]["inclusion"]:
        yield f"entry {v['index']} of {v['size']}", lambda v=v: inclusion(v)
    for v in file["valid"]["consistency"]:
        yield f"{v['from']} to {v['to']}", lambda v=v: consistency(v)
    for v in file["invalid"]["inclusion"]:
        yield "invalid: " + v["name"], lambda v=v: refused(lambda: inclusion(v))
    for v in file["invalid"]["consistency"]:
        yield "invalid: " + v["name"], lambda v=v: refused(lambda: consistency(v))


def run_vkey(file):
    def valid(v):
        key = note.Key(v["vkey"])
        same([key.name, key.kind, key.public_key.hex()], [v["name"], v["type"], v["publicKey"]], "key")
        same(key.id.hex(), v["keyId"], "key id")
        lattice = v["type"] == note.ML_DSA_44
        private = (MLDSA44PrivateKey.from_seed_bytes if lattice else Ed25519PrivateKey.from_private_bytes)(unhex(v["seed"]))
        same(private.public_key().public_bytes_raw().hex(), v["publicKey"], "public key of the seed")

    return each(file, valid, lambda v: refused(lambda: note.Key(v["vkey"])))


def run_checkpoint(file):
    def valid(v):
        origin, size, root, extensions = note.read_checkpoint(v["text"])
        same([origin, size, root.hex(), extensions], [v["origin"], v["size"], v["root"], v["extensions"]], "checkpoint")

    return each(file, valid, lambda v: refused(lambda: note.read_checkpoint(v["text"])))


def run_note(file):
    def valid(v):
        text, lines = note.split_note(v["note"])
        keys = [note.Key(one) for one in v["keys"]]
        outcome = []
        for line in lines:
            verdict, seconds, _ = note.judge_line(line, text, keys)
            one = {"key": f"{line.name} {line.id.hex()}", "verdict": verdict}
            outcome.append(one if seconds is None else {**one, "timestamp": seconds})
        same(outcome, v["outcome"], "outcome")

    return each(file, valid, lambda v: refused(lambda: note.split_note(rule_text(v["rule"]) if "rule" in v else v["note"])))


def run_ed25519(file):
    def check(v, expected):
        verified = note.ed25519(unhex(v["publicKey"]), unhex(v["message"]), unhex(v["signature"]))
        same(verified, expected, "verified")

    return each(file, lambda v: check(v, True), lambda v: check(v, False))


def run_cosignature(file):
    def valid(v):
        key, line = note.Key(v["vkey"]), note.Line(v["line"][:-1])
        same(note.cosigned_message(v["seconds"], v["text"]).decode(), v["message"], "message")
        same(line.signature[8:].hex(), v["signature"], "signature")
        same(note.cosigned_at(key, v["text"], line.signature), v["seconds"], "seconds")

    invalid = lambda v: same(note.cosigned_at(note.Key(v["vkey"]), v["text"], unhex(v["blob"])), None, "seconds")
    return each(file, valid, invalid)


def run_ml_dsa(file):
    def valid(v):
        key, line = note.Key(v["vkey"]), note.Line(v["line"][:-1])
        same(note.subtree_message(key.name, v["seconds"], v["text"]).hex(), v["message"], "message")
        same(note.subtree_signed_at(key, v["text"], line.signature), v["seconds"], "seconds")

    invalid = lambda v: same(note.subtree_signed_at(note.Key(v["vkey"]), v["text"], unhex(v["blob"])), None, "seconds")
    return each(file, valid, invalid)


def run_receipt(file):
    def opened(v):
        text, lines = note.split_note(v["note"])
        verdicts = [note.judge_line(line, text, [note.Key(file["vkey"])])[0] for line in lines]
        if verdicts != ["verified"]:
            raise Refused(f"signature {verdicts}")
        origin, rec, index, leaf, commitment = note.read_receipt(text)
        if origin != file["origin"]:
            raise Refused("receipt of another log")
        return text, rec, index, leaf.hex(), commitment.hex()

    def valid(v):
        same(opened(v), (v["text"], v["rec"], v["index"], v["leafHash"], v["commitment"]), "receipt")

    return each(file, valid, lambda v: refused(lambda: opened(v), v.get("verdict", "fail")))


def run_dsse(file):
    def pae(v):
        kind, body = v["payloadType"].encode(), unhex(v["payload"])
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(body), body)

    def valid(v):
        same(pae(v).hex(), v["pae"], "PAE")
        if "signature" in v:
            same(note.ed25519(unhex(v["publicKey"]), pae(v), unhex(v["signature"])), True, "signature")

    invalid = lambda v: same(note.ed25519(unhex(v["publicKey"]), pae(v), unhex(v["signature"])), False, "signature")
    return each(file, valid, invalid)


def run_policy(file):
    def valid(v):
        policy = Policy(v["policy"])
        same([key.vkey for key in policy.logs], v["logs"], "logs")
        same(list(policy.witnesses), v["witnesses"], "witnesses")
        for one in v["quorum"]:
            same(policy.met(set(one["cosigned"])), one["met"], f"quorum of {one['cosigned']}")

    return each(file, valid, lambda v: refused(lambda: Policy(v["policy"])))


def run_trust(file):
    return each(file, lambda v: Trust(v["text"]), lambda v: refused(lambda: Trust(v["text"]), v["verdict"]))


EXITS = {"pass": 0, "fail": 1, "not-checked": 2}


def file_text(file, v):
    if "text" in v:
        return v["text"]
    base, edit = file["files"][v["file"]], v.get("edit")
    if edit is None:
        return base
    edited = base[: edit["at"]] + edit["insert"] + base[edit["at"] + edit["cut"] :]
    if edited == base:
        raise Failed("an edit that changes nothing")
    return edited


def run_evidence(file):
    def run(v):
        report = evidence.verify(file_text(file, v).encode(), Trust(file["trust"][v["trust"]]))
        same((report.verdict(), EXITS[report.verdict()]), (v["verdict"], v["exit"]), f"verdict {report.findings}")
        if "state" in v:
            same(report.state, v["state"], f"state {report.findings}")
        if "check" in v:
            same(report.has(v["check"], v["verdict"]), True, f"{v['check']} {v['verdict']} in {report.findings}")

    return each(file, run, run)


def run_receipt_file(file):
    def run(v):
        shown = file["files"][v["evidence"]].encode() if "evidence" in v else None
        report = verify_receipt(v["text"].encode(), Trust(file["trust"][v["trust"]]), shown)
        same((report.verdict(), EXITS[report.verdict()]), (v["verdict"], v["exit"]), f"verdict {report.findings}")

    return each(file, run, run)


def run_tlog_proof(file):
    def run(v):
        entry = v["entry"].encode() if "entry" in v else None
        report = verify_proof(v["text"].encode(), Trust(file["trust"][v["trust"]]), entry)
        same((report.verdict(), EXITS[report.verdict()]), (v["verdict"], v["exit"]), f"verdict {report.findings}")
        if "check" in v:
            same(report.has(v["check"], v["verdict"]), True, f"{v['check']} {v['verdict']} in {report.findings}")

    return each(file, run, run)


def run_misbehaviour(file):
    def run(v):
        exit_ = 1 if convicts(v["text"].encode(), Trust(file["trust"][v["trust"]])) else 2
        same(exit_, v["exit"], "exit")

    return each(file, run, run)


RUN = {name[len("run_") :].replace("_", "-"): value for name, value in list(globals().items()) if name.startswith("run_")}


def main(wanted):
    passed, failed = 0, 0
    for path in sorted(HERE.glob("*.json")):
        name = path.stem
        if wanted and name not in wanted:
            continue
        if name not in RUN:
            print(f"FAILED {path.name}: nobody here can run it")
            failed += 1
            continue
        for title, call in RUN[name](json.loads(path.read_text("utf-8"))):
            try:
                call()
                passed += 1
            except Exception as error:  # a crash on a hostile vector is a failure like any other
                failed += 1
                print(f"FAILED {path.name}: {title}: {type(error).__name__}: {error}"[:500])
    print(f"{passed} passed, {failed} failed")
    return 0 if failed == 0 and passed > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
