"""What a caller trusts: a C2SP tlog-policy inside a `spur-trust/v1` file."""
import json
import re

from . import Refused, Unknown, need
from .entry import list_of, members, whole
from .note import COSIGNATURE, ML_DSA_44, Key

# A log may sign with ML-DSA-44 as a witness does; the older cosignature is the witnesses' alone.
SIGNS_LOG = lambda kind: kind != COSIGNATURE
SIGNS_AS_WITNESS = lambda kind: kind in (COSIGNATURE, ML_DSA_44)

CHECKS = {
    "format", "log signature", "signature line", "witnesses", "entry", "inclusion", "opening", "row", "dsse signer",
    "reference", "register", "closing", "time", "anchor", "receipt", "claim", "successor", "misbehaviour", "answer",
}  # fmt: skip


class Policy:
    def __init__(self, text):
        self.logs, self.witnesses, self.groups, self.quorum = [], {}, {}, None
        grouped = set()
        for line in text.split("\n"):
            need(not re.search("[\x00-\x08\x0b-\x1f\x7f]", line), "control character")
            words = re.split("[ \t]+", line.strip(" \t"))
            kind, items = words[0], words[1:]
            if kind == "" or kind.startswith("#"):
                continue
            if kind == "log":
                self.logs.append(self.key(items, SIGNS_LOG, self.logs))
            elif kind == "witness":
                need(items, "no name")
                self.free(items[0])
                self.witnesses[items[0]] = self.key(items[1:], SIGNS_AS_WITNESS, self.witnesses.values())
            elif kind == "group":
                need(len(items) > 2, "a group has a name, a threshold and members")
                name, threshold, inside = items[0], items[1], items[2:]
                self.free(name)
                for one in inside:
                    need(one in self.witnesses or one in self.groups, f"{one} is not defined above")
                    need(one not in grouped, f"{one} is in two groups")
                    grouped.add(one)
                wanted = {"any": "1", "all": str(len(inside))}.get(threshold, threshold)
                need(re.fullmatch("[1-9][0-9]*", wanted) and int(wanted) <= len(inside), "threshold")
                self.groups[name] = (int(wanted), inside)
            else:
                need(kind == "quorum" and len(items) == 1 and self.quorum is None, "unknown line")
                need(items[0] == "none" or items[0] in self.witnesses or items[0] in self.groups, "unknown quorum")
                self.quorum = items[0]
        need(self.quorum is not None, "no quorum line")

    def free(self, name):
        need(name != "none" and name not in self.witnesses and name not in self.groups, "name")

    @staticmethod
    def key(items, signs_here, others):
        need(1 <= len(items) <= 2, "a key and at most one URL")
        key = Key(items[0])
        need(signs_here(key.kind), "a key of another kind")
        need(all(key.public_key != other.public_key for other in others), "one key twice")
        return key

    def met(self, cosigned, name=None):
        """Whether these witnesses are enough; None where nobody asks for any."""
        if self.quorum == "none":
            return None
        name = name or self.quorum
        if name in self.witnesses:
            return name in cosigned
        threshold, inside = self.groups[name]
        return sum(1 for one in inside if self.met(cosigned, one)) >= threshold


def text(value):
    need(isinstance(value, str), "not a text")


def hex_bytes(count):
    def check(value):
        text(value)
        need(re.fullmatch(f"0x[0-9a-f]{{{2 * count}}}", value), "0x and lower-case hex")

    return check


SHAPE = members(
    format=text,
    policy=text,
    statementKeys_=list_of(text),
    require_=list_of(text),
    maxAgeHours_=whole(1, 1_000_000),
    contracts_=list_of(members(chainId=whole(1), address=hex_bytes(20), codeHash=hex_bytes(32))),
    blocks_=list_of(members(chainId=whole(1), number=whole(), hash=hex_bytes(32))),
)


def once(pairs):
    found = dict(pairs)
    need(len(found) == len(pairs), "a member stands twice")
    return found


class Trust:
    def __init__(self, data):
        try:
            file = json.loads(data, object_pairs_hook=once)
        except json.JSONDecodeError as error:
            raise Refused("not JSON") from error
        need(isinstance(file, dict), "not an object")
        if file.get("format") != "spur-trust/v1":
            raise Unknown("version of the trust file")
        SHAPE(file)
        self.policy = Policy(file["policy"])
        self.statement_keys = [Key(one) for one in file.get("statementKeys", [])]
        self.require = set(file.get("require", []))
        need(self.require <= CHECKS, "unknown check required")
