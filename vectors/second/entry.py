"""Entries and the predicates they carry."""
import datetime
import hashlib
import re

from . import Refused, Unknown, canonical, need
from .note import unbase64

MAX_BYTES = 65_535
MAX_INTEGER = 2**53 - 1
HEX32, HEX64, KEY_ID = re.compile("[0-9a-f]{32}"), re.compile("[0-9a-f]{64}"), re.compile("[0-9a-f]{8}")
REGISTER = re.compile("[a-z][a-z0-9-]{0,63}")
HOUR = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2})Z")
DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?")
MINUS_ZERO = re.compile(r"-0(\.0+)?")
OUTER = {"v", "rec", "reg", "seq", "prev", "at", "evidence", "retention", "sealed", "statement", "dsse"}
LEVELS = {"observed", "reported", "imported"}
RETENTIONS = {"data", "training", "service", "output", "people", "system"}


# Shapes of public values: what they let through is all that a leaf can say.
def words(*allowed):
    return lambda value: need(isinstance(value, str) and value in allowed, f"{value!r} is not one of {allowed}")


def whole(low=0, high=MAX_INTEGER):
    return lambda value: need(is_whole(value) and low <= value <= high, f"{value!r} is not from {low} to {high}")


def is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool)


def matching(pattern):
    return lambda value: need(isinstance(value, str) and pattern.fullmatch(value) is not None, f"{value!r}")


def decimal(value):
    matching(DECIMAL)(value)
    need(MINUS_ZERO.fullmatch(value) is None, "minus zero")


digest, key_id = matching(HEX64), matching(KEY_ID)


def is_reference(value):
    return (
        isinstance(value, dict)
        and set(value) == {"rec", "index"}
        and isinstance(value["rec"], str)
        and HEX32.fullmatch(value["rec"]) is not None
        and is_whole(value["index"])
        and value["index"] >= 0
    )


def reference(value):
    need(is_reference(value), "not a reference")


def list_of(shape, most=1024):
    def check(value):
        need(isinstance(value, list) and len(value) <= most, f"not a list of at most {most}")
        for one in value:
            shape(one)

    return check


def members(**shapes):
    """Names ending in _ may be absent."""

    def check(value):
        need(isinstance(value, dict), "not an object")
        known = {name.rstrip("_"): (shape, name.endswith("_")) for name, shape in shapes.items()}
        need(set(value) <= set(known), f"unknown members {set(value) - set(known)}")
        for name, (shape, optional) in known.items():
            need(optional or name in value, f"{name} is missing")
            if name in value:
                shape(value[name])

    return check


def register_name(value):
    matching(REGISTER)(value)
    if value not in REGISTERS:
        raise Unknown(f"register {value}")


FOREIGN_TYPES = (
    "https://slsa.dev/provenance/v1",
    "https://model_signing/signature/v1.0",
    "https://in-toto.io/attestation/vulns/v0.1",
    "https://spdx.dev/Document/v2.3",
    "https://cyclonedx.org/bom",
)

# name: register, number of slots, plain digests allowed, shape of the predicate
PREDICATES = {
    "access": ("accesses", 3, (), members(purpose=words("open", "evidence", "audit"))),
    "alert": ("alerts", 1, (), members(kind=words("lost-by-restore", "recovered", "clock", "integrity"), count=whole())),
    "checkpoint": (
        "checkpoints",
        0,
        ("sha256",),
        members(run=reference, parent_=reference, step=whole(), state=digest, bytes=whole()),
    ),
    "data-run": (
        "data-runs",
        3,
        (),
        members(
            inputs=list_of(reference),
            code=digest,
            outcome=words("complete", "failed", "aborted"),
            rowsIn=whole(),
            rowsOut=whole(),
        ),
    ),
    "dataset": (
        "datasets",
        2,
        ("sha256", "spurRowsV1"),
        members(run_=reference, sources=list_of(reference), bytes=whole(), rows=whole(), heldOut_=whole()),
    ),
    "decision": (
        "decisions",
        1,
        (),
        members(
            output=reference,
            actor=words("rule", "model", "person"),
            verdict=words("released", "withheld", "altered", "not-delivered"),
            policy=reference,
            policyVersion=whole(1),
        ),
    ),
    "deployment": (
        "deployments",
        3,
        (),
        members(
            model_=reference,
            operator=words("self", "third-party", "unknown"),
            served_=digest,
            check=words("matched", "mismatch", "not-checked"),
            contentDays=whole(0, 36_500),
        ),
    ),
    "foreign": (
        "foreign",
        1,
        (),
        members(
            form=words("statement", "dsse", "openlineage", "mlflow", "other"),
            predicateType=words("other", *FOREIGN_TYPES),
            signer_=key_id,
            bytes=whole(),
        ),
    ),
    "key": (
        "keys",
        0,
        ("sha256",),
        members(
            purpose=words("log", "receipts", "statements"),
            algorithm=words("ed25519"),
            state=words("active", "retired", "compromised"),
        ),
    ),
    "model": (
        "models",
        3,
        ("sha256",),
        members(
            run_=reference,
            checkpoint_=reference,
            format=words("safetensors", "gguf", "onnx", "directory", "other"),
            bytes=whole(),
        ),
    ),
    "output": (
        "outputs",
        8,
        (),
        members(
            deployment=reference,
            outcome=words("complete", "partial", "refused", "cancelled", "interrupted", "failed", "cached"),
        ),
    ),
    "policy": ("policies", 1, (), members(kind=words("output", "retention", "publication"), version=whole(1))),
    "registers": (
        "registers",
        0,
        ("sha256",),
        members(size=whole(), last=list_of(members(name=register_name, seq=whole(1), index=whole()), 256)),
    ),
    "removal": (
        "removals",
        3,
        (),
        members(
            target=reference,
            kind=words("content", "entry"),
            basis=words(
                "erasure-request", "consent-withdrawn", "unlawful-content", "retention-end", "purpose-end", "other"
            ),
            state=words("ordered", "completed", "failed"),
            order_=reference,
            custodians_=members(vault=words("destroyed", "failed", "had-none")),
        ),
    ),
    "replay": (
        "replays",
        2,
        (),
        members(run=reference, **{"from": reference}, to=reference, recomputed=digest, result=words("same", "different")),
    ),
    "source": (
        "sources",
        4,
        ("sha256", "spurRowsV1"),
        members(
            kind=words("web", "third-party", "user", "public", "synthetic", "own", "other"), bytes=whole(), rows_=whole()
        ),
    ),
    "successor": (
        "successors",
        0,
        ("sha256",),
        members(direction=words("from", "to"), keyId=key_id, size=whole(), root=digest),
    ),
    "training-log": (
        "training-logs",
        0,
        ("sha256", "spurRowsV1"),
        members(
            run=reference,
            fromStep=whole(),
            toStep=whole(),
            rows=whole(),
            loss_=decimal,
            heldOutLoss_=decimal,
            state=words("running", "complete", "failed", "killed"),
        ),
    ),
    "training-run": (
        "training-runs",
        3,
        (),
        members(
            datasets=list_of(reference), base_=reference, code=digest, config=digest, steps=whole(), seed=whole()
        ),
    ),
}
REGISTERS = {one[0] for one in PREDICATES.values()}


def also(name, predicate):
    """What the shape alone cannot say."""
    if name == "removal":
        later = predicate["state"] != "ordered"
        need(later == ("order" in predicate) == ("custodians" in predicate), "order and custodians")
        failed = predicate.get("custodians", {}).get("vault") == "failed"
        need(failed == (predicate["state"] == "failed"), "failed exactly where a custodian failed")
    if name == "registers":
        names = [one["name"] for one in predicate["last"]]
        need("registers" not in names and names == sorted(set(names)), "each other register once, sorted")
        for one in predicate["last"]:
            need(one["index"] < predicate["size"] and one["seq"] <= one["index"] + 1, "a register that cannot be")


class Entry:
    """What was read of an entry; see docs/formats.md §1.2."""

    def __init__(self, outer):
        self.outer = outer
        self.rec, self.reg, self.seq, self.prev = outer["rec"], outer["reg"], outer["seq"], outer.get("prev")
        self.at, self.evidence = outer["at"], outer["evidence"]
        self.type, self.predicate, self.slots, self.digests = None, {}, 0, {}
        self.dsse = outer.get("dsse")

    def references(self):
        """(role, reference), in order of names."""
        found = []

        def walk(value, role):
            if is_reference(value):
                found.append((role, value))
            elif isinstance(value, list):
                for one in value:
                    walk(one, role)
            elif isinstance(value, dict):
                for name, member in value.items():
                    walk(member, name)

        for name, member in self.predicate.items():
            walk(member, name)
        return found


def read(data, index=None):
    """Raises Refused or Unknown. `index` is the place in the log, where it is known."""
    need(len(data) <= MAX_BYTES, "too long")
    outer = canonical.read(data)
    need(isinstance(outer, dict), "not an object")
    if outer.get("v") != "spur-entry/v1":
        raise Unknown("version of the entry")
    need(set(outer) <= OUTER, "unknown outer member")
    need(("statement" in outer) != ("dsse" in outer), "statement or dsse")
    for name, shape in (
        ("rec", matching(HEX32)),
        ("reg", matching(REGISTER)),
        ("seq", whole(1)),
        ("at", hour),
        ("evidence", words(*LEVELS)),
        ("retention", words(*RETENTIONS)),
    ):
        need(name in outer, f"{name} is missing")
        shape(outer[name])
    if "prev" in outer:
        whole()(outer["prev"])
    need((outer["seq"] == 1) == ("prev" not in outer), "prev is absent exactly at seq 1")
    if "sealed" in outer:
        read_sealed(outer["sealed"])
    entry = Entry(outer)
    if "dsse" in outer:
        need(entry.reg == "foreign" and "sealed" not in outer, "place of an envelope")
        read_envelope(entry.dsse)
    else:
        read_statement(entry, outer["statement"])
    if index is not None:
        need(entry.prev is None or entry.prev < index, "prev is not earlier")
        need(all(target["index"] < index for _, target in entry.references()), "reference forward")
    return entry


def hour(value):
    matching(HOUR)(value)
    year, month, day, hours = map(int, HOUR.fullmatch(value).groups())
    need(year >= 100, "years from 0100")
    try:
        datetime.datetime(year, month, day, hours)
    except ValueError as error:
        raise Refused("no such hour") from error


def read_statement(entry, statement):
    need(isinstance(statement, dict), "statement")
    need(set(statement) == {"_type", "subject", "predicateType", "predicate"}, "members of the statement")
    need(statement["_type"] == "https://in-toto.io/Statement/v1", "_type")
    kind, predicate, subject = statement["predicateType"], statement["predicate"], statement["subject"]
    need(isinstance(kind, str) and isinstance(predicate, dict), "predicate")
    name = kind[len("spur:") : -len("/v1")]
    if kind != f"spur:{name}/v1" or name not in PREDICATES:
        raise Unknown(f"predicate type {kind}")
    register, slots, plain, shape = PREDICATES[name]
    need(register == entry.reg, "register of another predicate")
    need(not OUTER & set(predicate), "outer name in the predicate")
    shape(predicate)
    also(name, predicate)
    need(isinstance(subject, list) and len(subject) == 1 and isinstance(subject[0], dict), "one subject")
    need(set(subject[0]) == {"name", "digest"} and subject[0]["name"] == entry.rec, "subject")
    digests = subject[0]["digest"]
    need(isinstance(digests, dict) and digests, "digests")
    need(set(digests) <= {*plain, *(["spurCommitmentV1"] if slots else [])}, "digests")
    for one in digests.values():
        digest(one)
    need(("spurCommitmentV1" in digests) == (slots > 0), "commitment")
    need(("sealed" in entry.outer) == (slots > 0), "sealed")
    need("spurRowsV1" not in digests or ("rows" in predicate and "sha256" in digests), "rows root alone")
    if name == "registers":
        own = hashlib.sha256(canonical.write(predicate).encode()).hexdigest()
        need(digests["sha256"] == own, "sha256 of another predicate")
    blobs = entry.outer["sealed"].get("blobs", []) if slots else []
    need(all(one["slot"] < slots for one in blobs), "blob of no slot")
    entry.type, entry.predicate, entry.slots, entry.digests = kind, predicate, slots, digests


def read_sealed(sealed):
    members(ct=digest, blobs_=list_of(members(slot=whole(), sha256=digest)))(sealed)
    blobs = [one["slot"] for one in sealed.get("blobs", [])]
    need("blobs" not in sealed or (blobs and blobs == sorted(set(blobs))), "blobs")


def read_envelope(envelope):
    text = lambda value: need(isinstance(value, str), "not a text")
    base64 = lambda value: (text(value), unbase64(value))
    members(payload=base64, payloadType=text, signatures=list_of(members(sig=base64, keyid_=text), 16))(envelope)
    need(len(envelope["signatures"]) > 0, "no signature")
