"""Receipt files (docs/formats.md §3.4), alone or held against evidence of the log that gave them."""
from . import Refused, Unknown, entry, need
from .entry import list_of, members
from .evidence import FAIL, MAX_ITEMS, NOT_CHECKED, PASS, Report, opening, read_file, taken_back, text, verify
from .note import ED25519, Key, judge_line, read_receipt, split_note, unbase64
from .payload import check_slot
from .tree import sha256

SHAPE = members(format=text, note=text, vkey=text, opened=list_of(opening, MAX_ITEMS))


def verify_receipt(data, trust, shown=None):
    """A receipt file, and (where `shown` holds the bytes of an evidence file) whether the log kept what it promised."""
    report = Report(trust)
    report.required = {"format", "receipt", "opening"} | ({"inclusion"} if shown else set())
    wanted = trust.require
    try:
        file = read_file(data, "spur-receipt-file/v1", SHAPE)
        body, lines = split_note(file["note"])
        origin, rec, index, leaf, commitment = read_receipt(body)
        own = Key(file["vkey"])
        need(own.name == f"{origin}/receipts" and own.kind == ED25519, "not the log's receipts key")
        need(len(lines) == 1 and judge_line(lines[0], body, [own])[0] == "verified", "its key did not sign")
        keys = [key for key in trust.statement_keys if key.name == own.name]
        need(judge_line(lines[0], body, keys)[0] != "invalid", "a trusted key's signature is invalid")
    except Unknown:
        report.add("format", NOT_CHECKED)
        return report
    except Refused:
        report.add("receipt", FAIL)
        return report
    log = verify(shown, trust) if shown else None
    if log is not None and (log.origin != origin or not log.trusted):
        log = None
    # A signed tree is enough to contradict a receipt; to confirm one it must be all that the caller demands of evidence.
    sound = log is not None and log.sound()
    if not sound:
        report.required |= wanted
    above = taken_back(log.held, "receipts", own) if sound else None
    mine = own.vkey in {key.vkey for key in keys} or (sound and announced(log, own, index))
    report.trusted = mine and not (above is not None and index > above)
    report.add("receipt", PASS)
    report.add("format", PASS)
    for one in file["opened"]:

        def opened(one=one):
            need(one["index"] == index and "slot" in one, "an opening of another record")
            value = None if "value" not in one else unbase64(one["value"])
            path = [unbase64(hash_) for hash_ in one["path"]]
            check_slot(one["slot"], value, unbase64(one["salt"]), path, entry.PREDICATES["output"][1], commitment)

        report.run("opening", opened)
    there = log.held.get(index) if log else None
    said = there.entry if there else None
    promised = said is not None and (said.rec, said.type) == (rec, "spur:output/v1")
    promised = promised and said.digests.get("spurCommitmentV1") == commitment.hex()
    contradicts = there is not None and (there.leaf != leaf or (said is not None and not promised))
    if contradicts and report.trusted and index not in log.lost:  # a stranger can sign anything in somebody's name
        report.add("inclusion", FAIL)
    else:
        kept = promised and not contradicts and sound
        report.add("inclusion", PASS if kept else NOT_CHECKED)  # whether the log kept its word
    return report


def announced(log, key, index):
    """Whether the log announced a receipts key before `index`."""
    digest = sha256(key.public_key).hex()
    return any(
        one.type == "key"
        and one.index < index
        and one.entry.evidence == "observed"
        and one.entry.predicate["purpose"] == "receipts"
        and one.entry.digests.get("sha256") == digest
        for one in log.held.values()
    )
