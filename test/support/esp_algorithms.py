# SPDX-License-Identifier: BSD-3-Clause
"""What do the algorithms of the documents make of a packet?

Each is written from its RFC on the primitives of python3-cryptography, and shares no code with the
program that it judges.  algorithm(sa) has iv_bytes, icv_bytes, block (what the plaintext is padded
to a multiple of, before the rule of at least 4), and seal and open over everything behind the
sequence number.
"""

import functools
import hashlib
import hmac
import re
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, aead, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

try:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
except ImportError:  # before release 43
    from cryptography.hazmat.primitives.ciphers.algorithms import TripleDES


class Refused(Exception):
    """The packet must not be delivered; `verdict` is the project's name for the reason."""

    def __init__(self, verdict, text):
        super().__init__(f"{verdict}: {text}")
        self.verdict = verdict


# --- Encryption with integrity of its own ---------------------------------------------------


class Aead:
    """Nonce = salt, IV; additional data = SPI and the whole sequence number."""

    iv_bytes, block, salt_bytes = 8, 1, 4

    def __init__(self, sa):
        self._key = sa.encryption_key[: -self.salt_bytes]
        self._salt = sa.encryption_key[-self.salt_bytes :]
        self.icv_bytes = sa.icv_bytes
        self._additional = additional_data_esn if sa.esn else additional_data

    def seal(self, spi, seq, iv, plaintext):
        return iv + self._seal(self._salt + iv, plaintext, self._additional(spi, seq))

    def open(self, spi, seq, body):
        iv, sealed = body[: self.iv_bytes], body[self.iv_bytes :]
        try:
            return iv, self._open(self._salt + iv, sealed, self._additional(spi, seq))
        except InvalidTag:
            raise Refused("bad_icv", "tag is wrong") from None


class Gcm(Aead):
    """RFC 4106."""

    def _context(self, nonce, additional, tag=None):
        mode = modes.GCM(nonce, tag, min_tag_length=8)
        cipher = Cipher(algorithms.AES(self._key), mode)
        context = cipher.encryptor() if tag is None else cipher.decryptor()
        context.authenticate_additional_data(additional)
        return context

    def _seal(self, nonce, plaintext, additional):
        context = self._context(nonce, additional)
        ciphertext = context.update(plaintext) + context.finalize()
        return ciphertext + context.tag[: self.icv_bytes]

    def _open(self, nonce, sealed, additional):
        context = self._context(nonce, additional, sealed[-self.icv_bytes :])
        return context.update(sealed[: -self.icv_bytes]) + context.finalize()


class Ccm(Aead):
    """RFC 4309."""

    salt_bytes = 3

    def _seal(self, nonce, plaintext, additional):
        return aead.AESCCM(self._key, self.icv_bytes).encrypt(nonce, plaintext, additional)

    def _open(self, nonce, sealed, additional):
        return aead.AESCCM(self._key, self.icv_bytes).decrypt(nonce, sealed, additional)


class ChaCha(Aead):
    """RFC 7634."""

    def _seal(self, nonce, plaintext, additional):
        return aead.ChaCha20Poly1305(self._key).encrypt(nonce, plaintext, additional)

    def _open(self, nonce, sealed, additional):
        return aead.ChaCha20Poly1305(self._key).decrypt(nonce, sealed, additional)


# --- Encryption without ---------------------------------------------------------------------


class BlockCipher:
    """The whole text through one context of the library."""

    def encrypt(self, iv, plaintext):
        context = self._cipher(iv).encryptor()
        return context.update(plaintext) + context.finalize()

    def decrypt(self, iv, ciphertext):
        context = self._cipher(iv).decryptor()
        return context.update(ciphertext) + context.finalize()


class AesCbc(BlockCipher):
    """RFC 3602."""

    iv_bytes, block = 16, 16

    def __init__(self, key):
        self._key = key

    def _cipher(self, iv):
        return Cipher(algorithms.AES(self._key), modes.CBC(iv))


class AesCtr(BlockCipher):
    """RFC 3686: a counter block is salt, IV and a number from 1 on."""

    iv_bytes, block = 8, 1

    def __init__(self, key):
        self._key, self._salt = key[:-4], key[-4:]

    def _cipher(self, iv):
        return Cipher(algorithms.AES(self._key), modes.CTR(self._salt + iv + bytes([0, 0, 0, 1])))


class TripleDes(BlockCipher):
    """RFC 2451; with one key three times RFC 2405."""

    iv_bytes, block = 8, 8

    def __init__(self, key):
        self._key = key * (24 // len(key))

    def _cipher(self, iv):
        return Cipher(TripleDES(self._key), modes.CBC(iv))


class Null:
    """RFC 2410."""

    iv_bytes, block = 0, 1

    def __init__(self, key):
        if key:
            raise ValueError("NULL encryption has no key")

    @staticmethod
    def encrypt(_iv, plaintext):
        return plaintext

    decrypt = encrypt


# --- Integrity ------------------------------------------------------------------------------


def hashed(digest):
    return lambda key, message: hmac.new(key, message, digest).digest()


def no_mac(_key, _message):
    return b""


def aes_cmac(key, message):
    """RFC 4494."""
    context = CMAC(algorithms.AES(key))
    context.update(message)
    return context.finalize()


def aes_xcbc(key, message):
    """RFC 3566 section 4: three keys are derived; the last block is mixed with one of them."""
    ecb = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    k1, k2, k3 = (ecb.update(bytes([n]) * 16) for n in (1, 2, 3))
    whole = max(0, len(message) - 1) // 16 * 16
    last = message[whole:]
    mixed_with = k2 if len(last) == 16 else k3
    if len(last) < 16:
        last = (last + b"\x80").ljust(16, b"\0")
    last = bytes(a ^ b for a, b in zip(last, mixed_with))
    cbc = Cipher(algorithms.AES(k1), modes.CBC(bytes(16))).encryptor()
    return cbc.update(message[:whole] + last)[-16:]


class CipherThenMac:
    """RFC 4303: encrypt, then a MAC over SPI .. next header, with ESN the high half appended."""

    def __init__(self, sa):
        self._cipher = CIPHERS[family(sa.encryption)](sa.encryption_key)
        self.iv_bytes, self.block = self._cipher.iv_bytes, self._cipher.block
        # Without a MAC of its own, inside AH: the contract alone has that.
        mac, self.icv_bytes = MACS[sa.integrity] if sa.integrity != "none" else (no_mac, 0)
        self._mac = functools.partial(mac, sa.integrity_key)
        self._esn = sa.esn

    def _icv(self, spi, seq, covered):
        message = struct.pack("!II", spi, seq & 0xFFFFFFFF) + covered
        if self._esn:
            message += struct.pack("!I", seq >> 32)
        return self._mac(message)[: self.icv_bytes]

    def seal(self, spi, seq, iv, plaintext):
        covered = iv + self._cipher.encrypt(iv, plaintext)
        return covered + self._icv(spi, seq, covered)

    def open(self, spi, seq, body):
        end = len(body) - self.icv_bytes
        covered, icv = body[:end], body[end:]
        if not hmac.compare_digest(icv, self._icv(spi, seq, covered)):
            raise Refused("bad_icv", "MAC is wrong")
        iv, ciphertext = covered[: self.iv_bytes], covered[self.iv_bytes :]
        return iv, self._cipher.decrypt(iv, ciphertext)


class Gmac:
    """RFC 4543 in ESP: everything is additional data, the whole number in front of the IV."""

    iv_bytes, block, icv_bytes = 8, 1, 16

    def __init__(self, sa):
        if sa.encryption != "null":
            raise ValueError("AES-GMAC goes with NULL encryption alone")
        self._key, self._salt = sa.integrity_key[:-4], sa.integrity_key[-4:]
        self._additional = additional_data_esn if sa.esn else additional_data

    def _icv(self, spi, seq, iv, plaintext):
        covered = self._additional(spi, seq) + iv + plaintext
        return aead.AESGCM(self._key).encrypt(self._salt + iv, b"", covered)

    def seal(self, spi, seq, iv, plaintext):
        return iv + plaintext + self._icv(spi, seq, iv, plaintext)

    def open(self, spi, seq, body):
        iv, plaintext, icv = body[:8], body[8:-16], body[-16:]
        if not hmac.compare_digest(icv, self._icv(spi, seq, iv, plaintext)):
            raise Refused("bad_icv", "GMAC is wrong")
        return iv, plaintext


AEADS = {"aes-gcm": Gcm, "aes-ccm": Ccm, "chacha20-poly1305": ChaCha}
CIPHERS = {
    "aes-cbc": AesCbc,
    "aes-ctr": AesCtr,
    "3des-cbc": TripleDes,
    "des-cbc": TripleDes,
    "null": Null,
}
MACS = {
    "hmac-md5-96": (hashed(hashlib.md5), 12),
    "hmac-sha1-96": (hashed(hashlib.sha1), 12),
    "hmac-sha2-256-128": (hashed(hashlib.sha256), 16),
    "hmac-sha2-256-96": (hashed(hashlib.sha256), 12),
    "hmac-sha2-384-192": (hashed(hashlib.sha384), 24),
    "hmac-sha2-512-256": (hashed(hashlib.sha512), 32),
    "aes-xcbc-96": (aes_xcbc, 12),
    "aes-cmac-96": (aes_cmac, 12),
}

# What documents must allow in so many words.
LEGACY = ("3des-cbc", "des-cbc", "hmac-md5-96")


def family(name):
    """aes-gcm-256 -> aes-gcm: the key's length says the rest."""
    return re.sub("-(128|192|256)$", "", name)


def algorithm(sa):
    if sa.integrity.startswith("aes-gmac"):
        return Gmac(sa)
    return AEADS.get(family(sa.encryption), CipherThenMac)(sa)


def additional_data(spi, seq):
    return struct.pack("!II", spi, seq & 0xFFFFFFFF)


def additional_data_esn(spi, seq):
    return struct.pack("!IQ", spi, seq)
