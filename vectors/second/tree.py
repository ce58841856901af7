"""Merkle trees of RFC 9162 §2.1, recursively as the RFC defines them."""
import hashlib

from . import need


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def leaf_hash(entry):
    return sha256(b"\x00", entry)


def node_hash(left, right):
    return sha256(b"\x01", left, right)


def split(n):
    """The largest power of two below n."""
    return 1 << ((n - 1).bit_length() - 1)


def root(leaves):
    if not leaves:
        return sha256()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return node_hash(root(leaves[:k]), root(leaves[k:]))


def _hashes(hashes):
    need(len(hashes) <= 63, "too many hashes")
    need(all(len(one) == 32 for one in hashes), "a hash is not 32 bytes")


def root_from_inclusion(leaf, index, size, proof):
    """The root a leaf and its proof lead to: the definition of PATH read backwards, from the top of the tree down."""
    need(0 <= index < size, "index outside the tree")
    _hashes([leaf, *proof])

    def up(m, n, hashes):
        if n == 1:
            need(not hashes, "proof too long")
            return leaf
        need(hashes, "proof too short")
        k = split(n)
        if m < k:
            return node_hash(up(m, k, hashes[:-1]), hashes[-1])
        return node_hash(hashes[-1], up(m - k, n - k, hashes[:-1]))

    return up(index, size, list(proof))


def check_inclusion(leaf, index, size, proof, expected):
    need(root_from_inclusion(leaf, index, size, proof) == expected, "proof leads to another root")


def check_consistency(size1, root1, size2, root2, proof):
    """Whether the tree of size2 begins with the tree of size1: SUBPROOF read backwards."""
    need(size1 > 0, "nothing to prove from size 0")
    need(size1 <= size2, "sizes in the wrong order")
    _hashes([root1, root2, *proof])

    def up(m, n, hashes, whole):
        """Hashes of the old and of the new subtree."""
        if m == n:
            if whole:
                need(not hashes, "proof too long")
                return root1, root1
            need(len(hashes) == 1, "proof of another length")
            return hashes[0], hashes[0]
        need(hashes, "proof too short")
        k = split(n)
        rest, last = hashes[:-1], hashes[-1]
        if m <= k:
            old, new = up(m, k, rest, whole)
            return old, node_hash(new, last)
        old, new = up(m - k, n - k, rest, False)
        return node_hash(last, old), node_hash(last, new)

    old, new = up(size1, size2, list(proof), True)
    need(old == root1, "differs at the old size")
    need(new == root2, "differs at the new size")
