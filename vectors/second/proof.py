"""C2SP tlog-proof (docs/formats.md §3.7), of any log, under what the caller trusts."""
from . import Refused, Unknown, need
from .evidence import FAIL, NOT_CHECKED, PASS, Report, check_witnesses
from .note import hash32, judge_line, natural, read_checkpoint, split_note, unbase64
from .tree import leaf_hash, root_from_inclusion

HEADER = "c2sp.org/tlog-proof@v1"


def read(text):
    """Extra data (or None), index, hashes, checkpoint."""
    head, blank, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines[0] != HEADER:
        raise Unknown("version of the proof")
    need(len(text) <= 2_000_000, "too long")
    rest = lines[1:]
    extra = unbase64(rest.pop(0)[len("extra ") :]) if rest and rest[0].startswith("extra ") else None
    need(rest and rest[0].startswith("index "), "no index")
    index = natural(rest[0][len("index ") :])
    need(len(rest) <= 64, "more than 63 hashes")
    return extra, index, [hash32(line) for line in rest[1:]], checkpoint


def verify_proof(data, trust, entry=None):
    report = Report(trust)
    report.required = {"format", "log signature", "inclusion"} | trust.require
    report.required |= {"witnesses"} if trust.policy.quorum != "none" else set()
    try:
        extra, index, hashes, checkpoint = read(data.decode())
    except Unknown:
        report.add("format", NOT_CHECKED)
        return report
    except (Refused, UnicodeDecodeError):
        report.add("format", FAIL)
        return report
    try:
        body, lines = split_note(checkpoint)
        origin, size, root, _ = read_checkpoint(body)
        trusted = [key for key in trust.policy.logs if key.name == origin]
        verdicts = [judge_line(line, body, trusted)[0] for line in lines]
        need("invalid" not in verdicts, "a trusted key's signature is invalid")
    except Refused:
        report.add("log signature", FAIL)
        return report
    report.trusted = "verified" in verdicts
    report.add("log signature", PASS)
    report.add("format", PASS)
    check_witnesses(report, body, lines)
    about = entry if entry is not None else extra
    try:
        found = root_from_inclusion(leaf_hash(about or b""), index, size, hashes)
    except Refused:  # index or number of hashes fit no tree of this size, whatever the proof is about
        report.add("inclusion", FAIL)
        return report
    if found == root:
        report.add("inclusion", PASS)
    else:
        report.add("inclusion", FAIL if entry is not None else NOT_CHECKED)
    if extra is not None and extra != about:
        report.add("claim", NOT_CHECKED)
    return report
