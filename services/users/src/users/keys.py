"""Signing keys: read from PEM, named by their thumbprint, published as a JWKS (RFC 7517)."""

import base64
import hashlib
import json
import re
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from jwt.algorithms import ECAlgorithm

_BLOCK = re.compile(r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----", re.DOTALL)


def private_key(pem: str) -> ec.EllipticCurvePrivateKey:
    """Raises ValueError, which never quotes the key."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("not an unencrypted private key in PEM") from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ValueError("not an EC key on P-256")


def public_keys(pems: str) -> list[ec.EllipticCurvePublicKey]:
    """The public halves of all keys in `pems`; a private one counts, so that a replaced file can be kept.

    Raises ValueError when anything but P-256 keys stands there.
    """
    if _BLOCK.sub("", pems).strip():
        raise ValueError("more than PEM keys stands there")
    return [_public_key(block.group()) for block in _BLOCK.finditer(pems)]


def _public_key(pem: str) -> ec.EllipticCurvePublicKey:
    if "PRIVATE KEY" in pem:
        return private_key(pem).public_key()
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("not a public key in PEM") from None
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise ValueError("not an EC key on P-256")


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: ec.EllipticCurvePublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def derived(key: ec.EllipticCurvePrivateKey, purpose: str) -> bytes:
    """A secret for one purpose, derived from the key file. It is never stored in the database."""
    secret = private_pem(key).encode()
    return HKDF(hashes.SHA256(), length=32, salt=None, info=f"facet: {purpose}".encode()).derive(secret)


def sealing_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The key that encrypts stored private keys."""
    return base64.urlsafe_b64encode(derived(key, "signing keys at rest"))


def jwk(key: ec.EllipticCurvePublicKey) -> dict[str, Any]:
    """As it is published; its id is the thumbprint of RFC 7638, so it needs no register of ids."""
    members: dict[str, str] = ECAlgorithm.to_jwk(key, as_dict=True)
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    thumbprint = base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()
    return {**members, "kid": thumbprint, "use": "sig", "alg": "ES256"}
