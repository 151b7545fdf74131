# SPDX-License-Identifier: BSD-3-Clause
"""Do scapy and tshark find the same packets inside?  Each is asked only where it is right.

scapy 2.5 leaves the high half of an ESN out of an HMAC, knows 16-byte GCM tags only and stumbles
over routing headers; tshark 4.0 knows no ESN.
"""

import os
import shutil
import subprocess
import tempfile

import ip
import pcapio
from esp_algorithms import family
from ipsec_oracle import without_udp

_SCAPY_ENCRYPTION = {
    "null": "NULL",
    "aes-cbc": "AES-CBC",
    "aes-ctr": "AES-CTR",
    "aes-gcm": "AES-GCM",
    "aes-ccm": "AES-CCM",
    "chacha20-poly1305": "CHACHA20-POLY1305",
    "3des-cbc": "3DES",
    "des-cbc": "DES",
}
_SCAPY_INTEGRITY = {
    "none": None,
    "hmac-md5-96": "HMAC-MD5-96",
    "hmac-sha1-96": "HMAC-SHA1-96",
    "hmac-sha2-256-128": "SHA2-256-128",
    "hmac-sha2-384-192": "SHA2-384-192",
    "hmac-sha2-512-256": "SHA2-512-256",
    "aes-cmac-96": "AES-CMAC-96",
}
_TSHARK_INTEGRITY = {
    "none": "NULL",
    "hmac-md5-96": "HMAC-MD5-96 [RFC2403]",
    "hmac-sha1-96": "HMAC-SHA-1-96 [RFC2404]",
    "hmac-sha2-256-96": "HMAC-SHA-256-96 [draft-ietf-ipsec-ciph-sha-256-00]",
    "hmac-sha2-256-128": "HMAC-SHA-256-128 [RFC4868]",
    "hmac-sha2-384-192": "HMAC-SHA-384-192 [RFC4868]",
    "hmac-sha2-512-256": "HMAC-SHA-512-256 [RFC4868]",
}
_TSHARK_ENCRYPTION = {
    "null": "NULL",
    "aes-cbc": "AES-CBC [RFC3602]",
    "aes-ctr": "AES-CTR [RFC3686]",
    "3des-cbc": "TripleDES-CBC [RFC2451]",
    "des-cbc": "DES-CBC [RFC2405]",
    "chacha20-poly1305": "ChaCha20 with Poly1305 [RFC7634]",
}


def scapy_is_right(sa):
    if sa.encryption != "null" and sa.integrity == "none":
        return sa.icv_bytes == 16
    return sa.integrity in _SCAPY_INTEGRITY and not sa.esn


def scapy_faults(sealed, plain, numbers, sa):
    """sealed[i] was made of plain[i] under the 64-bit numbers[i]."""
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.ipsec import ESP, SecurityAssociation

    family = {4: IP, 6: IPv6}
    outer = family[sealed[0][0] >> 4](src=sa.src, dst=sa.dst)
    association = SecurityAssociation(
        ESP,
        spi=sa.spi,
        crypt_algo=_scapy_encryption(sa.encryption),
        crypt_key=sa.encryption_key or None,
        auth_algo=_SCAPY_INTEGRITY[sa.integrity],
        auth_key=sa.integrity_key or None,
        tunnel_header=outer if sa.mode == "tunnel" else None,
        esn_en=sa.esn,
    )
    sealed = [without_udp(packet, sa) for packet in sealed]
    return _scapy_opens(association, sealed, plain, numbers, sa.esn)


def scapy_is_right_about_ah(ah):
    return ah.integrity in _SCAPY_INTEGRITY and not ah.esn


def scapy_ah_faults(sealed, plain, numbers, ah, tunnel):
    """The same for AH alone."""
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.ipsec import AH, SecurityAssociation

    family = {4: IP, 6: IPv6}
    outer = family[sealed[0][0] >> 4](src=ah.src, dst=ah.dst)
    association = SecurityAssociation(
        AH,
        spi=ah.spi,
        auth_algo=_SCAPY_INTEGRITY[ah.integrity],
        auth_key=ah.integrity_key,
        tunnel_header=outer if tunnel else None,
    )
    return _scapy_opens(association, sealed, plain, numbers, False)


def _scapy_opens(association, sealed, plain, numbers, esn):
    from scapy.layers.inet import IP
    from scapy.layers.inet6 import IPv6

    family, faults = {4: IP, 6: IPv6}, []
    for index, (packet, wanted, number) in enumerate(zip(sealed, plain, numbers)):
        if ip.has_routing_header(packet):
            continue
        try:
            opened = association.decrypt(
                family[packet[0] >> 4](packet), esn_en=esn, esn=number >> 32
            )
            got = bytes(opened)
        except Exception as error:  # scapy raises whatever its layers raise
            faults.append(f"packet {index + 1}: scapy: {type(error).__name__}: {error}")
            continue
        if got != wanted:
            faults.append(f"packet {index + 1}: scapy opens {got.hex()}, sent {wanted.hex()}")
    return faults


def _scapy_encryption(name):
    return _SCAPY_ENCRYPTION[family(name)]


def tshark():
    return shutil.which("tshark")


def tshark_faults(sealed, plain, sa):
    """sealed[i] was made of plain[i]; not for an SA with ESN."""
    with tempfile.TemporaryDirectory(prefix="ferrule-tshark-") as folder:
        path = os.path.join(folder, "sealed.pcap")
        pcapio.write(path, pcapio.of_frames(sealed, pcapio.RAW_IP))
        command = [tshark(), "-r", path, "-T", "fields"]
        options = (
            "esp.enable_encryption_decode:TRUE",
            "esp.enable_authentication_check:TRUE",
            f"uat:esp_sa:{_tshark_sa(sa)}",
        )
        for option in options:
            command += ["-o", option]
        for name in ("esp.icv_good", "esp.pad_len", "esp.decrypted_data"):
            command += ["-e", name]
        environment = dict(os.environ, XDG_CONFIG_HOME=folder, HOME=folder)
        run = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
    rows = [line.split("\t") for line in run.stdout.splitlines()]
    if run.returncode != 0 or len(rows) != len(sealed):
        return [f"tshark: exit {run.returncode}, {len(rows)} rows: {run.stderr.strip()}"]
    faults = []
    for index, (row, packet) in enumerate(zip(rows, plain)):
        split = 0 if sa.mode == "tunnel" else ip.transport_split(packet)[1]
        wanted = packet[split:].hex()
        icv_good, pad_length, decrypted = row
        got = decrypted[: -2 * (int(pad_length) + 2)] if pad_length else decrypted
        if icv_good not in ("1", "True") or got != wanted:  # as tshark 4.0 says it, and 4.4
            faults.append(f"packet {index + 1}: tshark: icv_good={icv_good}, {got}, sent {wanted}")
    return faults


def _tshark_sa(sa):
    if sa.encryption.startswith("aes-gcm"):
        encryption = f"AES-GCM with {sa.icv_bytes} octet ICV [RFC4106]"
    else:
        encryption = _TSHARK_ENCRYPTION[family(sa.encryption)]
    record = (
        "IPv6" if ":" in sa.src else "IPv4",
        sa.src,
        sa.dst,
        f"{sa.spi:#x}",
        encryption,
        f"0x{sa.encryption_key.hex()}" if sa.encryption_key else "",
        _TSHARK_INTEGRITY[sa.integrity],
        f"0x{sa.integrity_key.hex()}" if sa.integrity_key else "",
    )
    return ",".join(f'"{value}"' for value in record)
