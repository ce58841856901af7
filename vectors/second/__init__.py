"""Spur's formats a second time, in Python: standard library, and `cryptography` for Ed25519 and AES."""


class Refused(Exception):
    """Wrong: the bytes contradict the format, or what they claim."""


class Unknown(Exception):
    """This version cannot judge it: not checked, never wrong."""


def need(condition, why):
    if not condition:
        raise Refused(why)
