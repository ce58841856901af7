"""Evidence files: the verdicts of docs/formats.md §3.5 on them, under what the caller trusts."""
import calendar

from . import Refused, Unknown, canonical, entry, need
from .entry import is_whole, list_of, members, whole
from .note import COSIGNATURE, Key, judge_line, read_checkpoint, split_note, unbase64
from .payload import check_row, check_slot
from .questions import PROVEN, RECORDED, state
from .tree import check_inclusion, leaf_hash, sha256

MAX_BYTES = 64 * 1024 * 1024
MAX_ITEMS = 65_536
ASKS = [f"Q{i}" for i in range(1, 10)] + ["lineage"]
REQUIRED = {"format", "log signature", "inclusion", "opening", "row"}
PASS, FAIL, NOT_CHECKED = "pass", "fail", "not-checked"

# Which predicate types a reference may point to, by type and member; any type where nothing is said.
TARGETS = {
    "checkpoint": {"run": ["training-run"], "parent": ["checkpoint"]},
    "data-run": {"inputs": ["source", "dataset"]},
    "dataset": {"run": ["data-run"], "sources": ["source", "dataset"]},
    "decision": {"output": ["output"], "policy": ["policy"]},
    "deployment": {"model": ["model"]},
    "model": {"run": ["training-run"], "checkpoint": ["checkpoint"]},
    "output": {"deployment": ["deployment"]},
    "removal": {"order": ["removal"]},
    "replay": {"run": ["training-run"], "from": ["checkpoint"], "to": ["checkpoint"]},
    "training-log": {"run": ["training-run"]},
    "training-run": {"datasets": ["dataset"], "base": ["model", "checkpoint"]},
}


class Report:
    """Findings as (check, verdict), and what follows from them."""

    def __init__(self, trust):
        self.findings, self.trust = [], trust
        self.trusted = False
        self.required = REQUIRED | trust.require | ({"witnesses"} if trust.policy.quorum != "none" else set())
        self.state, self.origin, self.held = None, None, {}
        self.lost = set()  # indexes of entries that stand under a key which the log took back

    def add(self, check, verdict):
        # Nothing is confirmed by a stranger's word.
        self.findings.append((check, NOT_CHECKED if verdict == PASS and not self.trusted else verdict))

    def run(self, check, call):
        """Adds a finding and returns what the call returned; None if it refused."""
        try:
            result = call()
        except Refused:
            return self.add(check, FAIL)
        except Unknown:
            return self.add(check, NOT_CHECKED)
        self.add(check, PASS)
        return result

    def has(self, check, verdict):
        return (check, verdict) in self.findings

    def sound(self):
        """Whether all that is required holds, but for the question that the file was made to answer."""
        bad = any(verdict == FAIL for _, verdict in self.findings)
        return not bad and self.required - {"opening", "row"} <= {check for check, _ in self.findings} and all(
            verdict == PASS for check, verdict in self.findings if check in self.required
        )

    def verdict(self):
        if any(verdict == FAIL for _, verdict in self.findings):
            return FAIL
        open_ = [check for check, verdict in self.findings if verdict != PASS and check in self.required]
        absent = self.required - {check for check, _ in self.findings} - {"opening", "row"}
        return NOT_CHECKED if open_ or absent or self.state not in (None, PROVEN, RECORDED) else PASS


def base64_text(value):
    need(isinstance(value, str), "not a text")
    unbase64(value)


def text(value):
    need(isinstance(value, str), "not a text")


def hash_text(value):
    text(value)
    need(len(unbase64(value)) == 32, "not 32 bytes")


anything = lambda value: None
HASHES = list_of(hash_text, MAX_ITEMS)
SLOT = members(index=whole(), slot=whole(), value_=base64_text, salt=base64_text, path=HASHES)
ROW = members(index=whole(), row=whole(), value=base64_text, path=HASHES)
ENTRY = members(index=whole(), entry=base64_text, proof=HASHES)


def opening(value):
    need(isinstance(value, dict), "not an object")
    (ROW if "row" in value else SLOT)(value)


SHAPE = members(
    format=text,
    log=members(origin=text, vkey=text),
    checkpoint=text,
    entries=list_of(ENTRY, MAX_ITEMS),
    opened=list_of(opening, MAX_ITEMS),
    registers=list_of(whole(), MAX_ITEMS),
    anchors=list_of(anything, MAX_ITEMS),
    ask=lambda value: need(value in ASKS, "unknown question"),
)


def rising(keys):
    need(all(a < b for a, b in zip(keys, keys[1:])), "not rising, or twice the same")


def place(one):
    return (one["index"], 1, one["row"]) if "row" in one else (one["index"], 0, one["slot"])


def read_file(data, wanted, shape):
    need(len(data) <= MAX_BYTES, "too large")
    file = canonical.read(data, 16)
    need(isinstance(file, dict) and isinstance(file.get("format"), str), "no format")
    if file["format"] != wanted:
        raise Unknown("version of the file")
    shape(file)
    rising([place(one) for one in file["opened"]])
    return file


def read(data):
    file = read_file(data, "spur-evidence/v1", SHAPE)
    rising([one["index"] for one in file["entries"]])
    rising(file["registers"])
    return file


def verify(data, trust):
    report = Report(trust)
    try:
        file = read(data)
    except Refused:
        report.add("format", FAIL)
        return report
    except Unknown:
        report.add("format", NOT_CHECKED)
        return report
    try:
        body, lines = split_note(file["checkpoint"])
        origin, size, root, _ = read_checkpoint(body)
        own = Key(file["log"]["vkey"])
        need(origin == file["log"]["origin"], "the file names another log")
        need(own.name == origin and own.kind != COSIGNATURE, "not a key of this log")
        signer = check_log_line(report, body, lines, own)
    except Refused:
        report.add("log signature", FAIL)
        return report
    report.add("format", PASS)
    seen_at = check_witnesses(report, body, lines)
    held = check_entries(report, file, size, root)
    report.origin, report.held = origin, held
    for one in file["opened"]:
        check_opening(report, one, held.get(one["index"]))
    check_log_key(report, held, signer)
    check_successors(report, held)
    edges = check_references(report, held)
    check_registers(report, held)
    check_closings(report, file, held)
    check_time(report, held, seen_at)
    report.state = state(report, file["ask"], held, edges)
    return report


def check_log_line(report, body, lines, own):
    """The line of the log's key. A file whose own key did not sign claims what is not so."""
    trusted = [key for key in report.trust.policy.logs if key.name == own.name]
    verdicts = [(judge_line(line, body, trusted), judge_line(line, body, [own])) for line in lines]
    need(all(by_trusted[0] != "invalid" for by_trusted, _ in verdicts), "a trusted key's signature is invalid")
    signers = {by_trusted[2].vkey for by_trusted, _ in verdicts if by_trusted[0] == "verified"}
    need(not signers or own.vkey in signers, "the file names another key than signed")
    by_own = [verdict[0] for _, verdict in verdicts]
    need("invalid" not in by_own and "verified" in by_own, "the file's own key did not sign")
    report.trusted = bool(signers)
    report.add("log signature", PASS)
    return own if signers else None


def check_witnesses(report, body, lines):
    """Times at which trusted witnesses saw the checkpoint."""
    policy = report.trust.policy
    names = {key.vkey: name for name, key in policy.witnesses.items()}
    cosigned, times = set(), []
    for line in lines:
        verdict, seconds, key = judge_line(line, body, list(policy.witnesses.values()))
        if verdict == "invalid":
            report.add("witnesses", FAIL)
        if verdict == "verified":
            cosigned.add(names[key.vkey])
            report.add("signature line", PASS)
            times += [seconds] if seconds > 0 else []  # 0 vouches for the tree, and for no time
    report.add("witnesses", PASS if policy.met(cosigned) else NOT_CHECKED)
    return sorted(times)


def taken_back(held, purpose, key):
    """Above which index nothing is under this key any more, as the log itself says; None if it says nothing of the kind."""
    digest = sha256(key.public_key).hex()
    said = {}
    for one in sorted(held.values(), key=lambda one: one.index):
        if one.type != "key" or one.entry.evidence != "observed" or one.entry.digests.get("sha256") != digest:
            continue
        if one.entry.predicate["purpose"] == purpose:
            said.setdefault(one.entry.predicate["state"], one.index)
    return -1 if "compromised" in said else said.get("retired")


def check_log_key(report, held, signer):
    above = None if signer is None else taken_back(held, "log", signer)
    report.lost = set() if above is None else {index for index in held if index > above}
    if report.lost:
        report.add("log signature", NOT_CHECKED)


def check_successors(report, held):
    known = {sha256(key.vkey.encode()).hex() for key in report.trust.policy.logs}
    for one in held.values():
        if one.type == "successor":
            report.add("successor", PASS if one.entry.digests.get("sha256") in known else NOT_CHECKED)


class Held:
    """An entry that stands in the tree; `entry` is None where this version does not know its kind, or it is wrong."""

    def __init__(self, index, leaf, outer, entry_):
        self.index, self.leaf, self.outer, self.entry = index, leaf, outer, entry_

    @property
    def type(self):
        return self.entry and self.entry.type and self.entry.type[len("spur:") : -len("/v1")]


def check_entries(report, file, size, root):
    held, names = {}, set()
    if not file["entries"]:
        report.add("inclusion", NOT_CHECKED)
    for one in file["entries"]:
        index, data = one["index"], unbase64(one["entry"])
        proof = [unbase64(hash_) for hash_ in one["proof"]]
        before = len(report.findings)
        report.run("inclusion", lambda: check_inclusion(leaf_hash(data), index, size, proof, root))
        if report.findings[before][1] == FAIL:
            continue
        read_ = report.run("entry", lambda: entry.read(data))
        try:
            outer = canonical.read(data)
            frame = isinstance(outer, dict) and isinstance(outer.get("rec"), str) and is_whole(outer.get("seq"))
        except Refused:
            frame = False
        held[index] = Held(index, leaf_hash(data), outer if frame and (read_ or report.findings[-1][1] != FAIL) else None, read_)
        if held[index].outer:
            if outer["rec"] in names:
                report.add("entry", FAIL)
            names.add(outer["rec"])
    return held


def check_opening(report, one, held):
    check = "row" if "row" in one else "opening"
    if held is None or held.entry is None:
        return report.add(check, NOT_CHECKED)
    value = None if "value" not in one else unbase64(one["value"])
    path = [unbase64(hash_) for hash_ in one["path"]]
    digests = held.entry.digests

    def slot():
        need("spurCommitmentV1" in digests, "this record seals nothing")
        commitment = bytes.fromhex(digests["spurCommitmentV1"])
        check_slot(one["slot"], value, unbase64(one["salt"]), path, held.entry.slots, commitment)

    def row():
        need("spurRowsV1" in digests, "this record has no rows")
        check_row(one["row"], value, path, held.entry.predicate["rows"], bytes.fromhex(digests["spurRowsV1"]))

    report.run(check, row if check == "row" else slot)


def check_references(report, held):
    """(from, role, to) of every edge that holds, and (from, role, None) of every one that does not or cannot be seen."""
    edges = []
    by_rec = {one.outer["rec"]: one.index for one in held.values() if one.outer}
    for one in held.values():
        for role, target in one.entry.references() if one.entry else []:
            other = held.get(target["index"])
            wrong = target["index"] >= one.index or by_rec.get(target["rec"], target["index"]) != target["index"]
            if other and other.outer:
                wrong = wrong or other.outer["rec"] != target["rec"]
            if other and other.entry:
                allowed = TARGETS.get(one.type, {}).get(role)
                wrong = wrong or (allowed is not None and other.type not in allowed)
            known = other is not None and other.entry is not None
            report.add("reference", FAIL if wrong else PASS if known else NOT_CHECKED)
            edges.append((one.index, role, other.index if known and not wrong else None))
    return edges


def lines_of(held):
    lines = {}
    for one in sorted(held.values(), key=lambda one: one.index):
        if one.outer:
            lines.setdefault(one.outer["reg"], []).append(one)
    return lines


def check_registers(report, held):
    for register, line in lines_of(held).items():
        last_seq, last_index, good = 0, -1, True
        for one in line:
            seq, prev = one.outer["seq"], one.outer.get("prev")
            good = good and seq > last_seq
            if prev is not None:
                between = seq - 1 - last_seq
                good = good and last_index + between <= prev < one.index
                if between == 0:
                    good = good and prev == last_index
                there = held.get(prev)
                if there and there.outer:
                    good = good and there.outer["reg"] == register and there.outer["seq"] == seq - 1
            last_seq, last_index = seq, one.index
        if not good:
            report.add("register", FAIL)


def check_closings(report, file, held):
    for index in file["registers"]:
        if index not in held or held[index].entry is None:
            report.add("closing", NOT_CHECKED)
        elif held[index].type != "registers":
            report.add("closing", FAIL)
    for closing in [one for one in held.values() if one.type == "registers"]:
        last = {one["name"]: one for one in closing.entry.predicate["last"]}
        good = closing.entry.predicate["size"] == closing.index
        for register, line in lines_of(held).items():
            if register == "registers":
                continue
            said = last.get(register, {"seq": 0, "index": -1})
            for one in line:
                if one.index < closing.index:
                    good = good and one.index <= said["index"]
                good = good and (one.index <= said["index"]) == (one.outer["seq"] <= said["seq"])
                good = good and (one.index == said["index"]) == (one.outer["seq"] == said["seq"])
        report.add("closing", PASS if good else FAIL)


def check_time(report, held, seen_at):
    if not seen_at:
        return report.add("time", NOT_CHECKED)
    for one in held.values():
        if one.outer:
            year, month, day, hour = map(int, entry.HOUR.fullmatch(one.outer["at"]).groups())
            if calendar.timegm((year, month, day, hour, 0, 0)) > seen_at[0] + 300:
                return report.add("time", FAIL)
    report.add("time", PASS)
