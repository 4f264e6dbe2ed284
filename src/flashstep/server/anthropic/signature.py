"""The opaque string beside a thinking block, which clients must send back with it.

Shown thinking gets a digest: it has to be there, and nothing is decided by it, since a caller may
write any history anyway. Where thinking was left out of the answer ("display": "omitted"), the
string carries it instead, so that a tool loop can go on from it. Other services' strings are
accepted and say nothing.
"""

import base64
import hashlib

_DIGEST, _CARRIED = "fsd.", "fst."


def digest_of(thinking: str) -> str:
    """The signature of thinking that is shown."""
    digest = hashlib.sha256(thinking.encode("utf-8", "surrogatepass")).digest()
    return _DIGEST + base64.urlsafe_b64encode(digest).decode("ascii")


def carrying(thinking: str) -> str:
    """The signature of thinking that is not shown; `carried_by` reads it."""
    return _CARRIED + base64.urlsafe_b64encode(thinking.encode("utf-8", "surrogatepass")).decode("ascii")


def carried_by(signature: str | None) -> str:
    """The thinking in a signature made by `carrying`; "" for any other string."""
    if signature is None or not signature.startswith(_CARRIED):
        return ""
    try:
        return base64.urlsafe_b64decode(signature[len(_CARRIED) :]).decode("utf-8")
    except ValueError:  # not base64, or not UTF-8: somebody else's string after all
        return ""
