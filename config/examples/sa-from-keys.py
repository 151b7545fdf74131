#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Makes a document of the ESP keys that an IKE daemon negotiated.

    ip xfrm state | sa-from-keys.py --local 192.0.2.1 --group east >east.yaml
    sa-from-keys.py --local 192.0.2.1 --group east --newest esp_sa >east.yaml

Reads what "ip xfrm state" prints, or the table esp_sa of Wireshark, which strongSwan's plugin
save-keys writes and tshark reads.  Associations from the local address are outbound, those to it
inbound, others are left out.  What cannot be told for certain is refused with one line, and nothing
is printed.
"""

import argparse
import csv
import ipaddress
import re
import sys

# Kernel names, with the bits of salt behind the key and those of the integrity value.
XFRM_AEADS = {
    "rfc4106(gcm(aes))": ("aes-gcm", 32),
    "rfc4309(ccm(aes))": ("aes-ccm", 24),
    "rfc7539esp(chacha20,poly1305)": ("chacha20-poly1305", None),
}
XFRM_GMAC = "rfc4543(gcm(aes))"
XFRM_CIPHERS = {
    "cbc(aes)": ("aes-cbc", 0),
    "rfc3686(ctr(aes))": ("aes-ctr", 32),
    "cbc(des3_ede)": ("3des-cbc", None),
    "cbc(des)": ("des-cbc", None),
    "ecb(cipher_null)": ("null", None),
    "cipher_null": ("null", None),
}
XFRM_HASHES = {
    ("hmac(md5)", 96): "hmac-md5-96", ("hmac(sha1)", 96): "hmac-sha1-96",
    ("hmac(sha256)", 128): "hmac-sha2-256-128", ("hmac(sha256)", 96): "hmac-sha2-256-96",
    ("hmac(sha384)", 192): "hmac-sha2-384-192", ("hmac(sha512)", 256): "hmac-sha2-512-256",
    ("xcbc(aes)", 96): "aes-xcbc-96", ("cmac(aes)", 96): "aes-cmac-96",
}
# Without the RFC in brackets, in lower case.
ESP_SA_CIPHERS = {
    "null": ("null", None), "aes-cbc": ("aes-cbc", 0), "aes-ctr": ("aes-ctr", 32),
    "tripledes-cbc": ("3des-cbc", None), "des-cbc": ("des-cbc", None),
    "aes-gcm": ("aes-gcm", 32), "aes-ccm": ("aes-ccm", 24),
    "chacha20 with poly1305": ("chacha20-poly1305", None),
}
ESP_SA_HASHES = {
    "hmac-md5-96": "hmac-md5-96", "hmac-sha-1-96": "hmac-sha1-96",
    "hmac-sha-256-128": "hmac-sha2-256-128", "hmac-sha-256-96": "hmac-sha2-256-96",
    "hmac-sha-384-192": "hmac-sha2-384-192", "hmac-sha-512-256": "hmac-sha2-512-256",
}


class Refused(Exception):
    pass


def sized(name, salt_bits, key):
    """The name with the bits of the key in it, where there are several."""
    return name if salt_bits is None else f"{name}-{len(key) * 4 - salt_bits}"


def known(table, key, what):
    if key not in table:
        words = key if isinstance(key, str) else " ".join(map(str, key))
        raise Refused(f"{what} {words} has no name here")
    return table[key]


def hexadecimal(text):
    if not re.fullmatch(r"(0x)?([0-9a-fA-F]{2})*", text):
        raise Refused("a key is not hexadecimal")
    return text.removeprefix("0x").lower()


# --- ip xfrm state ------------------------------------------------------------------------------


def from_xfrm(text, is_ours):
    """Associations of ours, the oldest first; the kernel lists the newest first."""
    blocks = re.split(r"^(?=src )", text, flags=re.MULTILINE)
    return [parsed for block in reversed(blocks) if (parsed := parse_xfrm(block, is_ours))]


def parse_xfrm(block, is_ours):
    head = re.match(
        r"src (\S+) dst (\S+)\s+proto (esp|ah) spi (\S+).* mode (transport|tunnel)", block)
    if not head or not is_ours(head[1], head[2]):
        return None
    src, dst, protocol, spi, mode = head.groups()
    if protocol == "ah":
        raise Refused(f"SPI {spi} is of AH, alone or in a bundle: only ESP is taken over")
    if "<<Keys hidden>>" in block:
        raise Refused("the keys are hidden: ask as root, without nokeys")
    sa = {"src": src, "dst": dst, "mode": mode, "spi": int(spi, 0),
          "esn": bool(re.search(r"^\s+.*\besn\b", block, re.MULTILINE))}
    if aead := re.search(r"^\s+aead (\S+) 0x(\S*) (\d+)", block, re.MULTILINE):
        parse_xfrm_aead(*aead.groups(), sa)
    else:
        parse_xfrm_pair(block, sa)
    if encap := re.search(r"^\s+encap type espinudp sport (\d+) dport (\d+)", block, re.MULTILINE):
        sa["udp"] = f"{{sport: {encap[1]}, dport: {encap[2]}}}"
    for key in ("seq", "oseq"):
        low, high = (re.search(rf"\b{name} 0x([0-9a-f]+)", block) for name in (key, f"{key}-hi"))
        sa[key] = (int(low[1], 16) if low else 0) | (int(high[1], 16) if high else 0) << 32
    return sa


def parse_xfrm_aead(algorithm, key, icv_bits, sa):
    if algorithm == XFRM_GMAC:
        sa |= {"encryption": "null", "integrity": sized("aes-gmac", 32, key), "integrity_key": key}
        return
    name, salt_bits = known(XFRM_AEADS, algorithm, "algorithm")
    sa |= {"encryption": sized(name, salt_bits, key), "encryption_key": key}
    if salt_bits is not None:
        sa["icv_bytes"] = int(icv_bits) // 8


def parse_xfrm_pair(block, sa):
    cipher = re.search(r"^\s+enc (\S+) (?:0x)?([0-9a-f]*)", block, re.MULTILINE)
    auth = re.search(r"^\s+auth-trunc (\S+) 0x(\S+) (\d+)", block, re.MULTILINE)
    if not cipher or not auth:
        raise Refused(f"SPI {sa['spi']:#x} has no encryption, or no integrity with its length")
    name, salt_bits = known(XFRM_CIPHERS, cipher[1], "algorithm")
    sa |= {"encryption": sized(name, salt_bits, cipher[2]),
           "integrity": known(XFRM_HASHES, (auth[1], int(auth[3])), "algorithm"),
           "integrity_key": auth[2]}
    if name != "null":
        sa["encryption_key"] = cipher[2]


# --- esp_sa -------------------------------------------------------------------------------------


def from_esp_sa(text, mode, is_ours):
    """Associations of ours, the oldest first: the table grows at its end."""
    lines = (line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    rows = list(csv.reader(lines))
    for row in rows:
        if len(row) < 8:
            raise Refused(f"neither ip xfrm state nor a line of esp_sa: {','.join(row[:4])[:60]}")
    return [parse_esp_sa(row, mode) for row in rows if is_ours(row[1], row[2])]


def parse_esp_sa(row, mode):
    _, src, dst, spi, encryption, key, integrity, integrity_key, *more = row
    encryption, integrity = (
        re.sub(r" *\[[^]]*\]$", "", name).lower() for name in (encryption, integrity))
    plain, _, icv = encryption.partition(" with ")
    if not re.fullmatch(r"\d+ octet icv", icv):  # a name of another kind
        plain, icv = encryption, ""
    key = hexadecimal(key)
    name, salt_bits = known(ESP_SA_CIPHERS, plain, "encryption")
    sa = {"src": src, "dst": dst, "mode": mode, "spi": int(spi, 0),
          "encryption": sized(name, salt_bits, key),
          "esn": bool(more) and more[0].startswith("64"), "seq": 0, "oseq": 0}
    if name != "null":
        sa["encryption_key"] = key
    if name in ("aes-gcm", "aes-ccm"):
        sa["icv_bytes"] = int(icv.split()[0]) if icv else other_icv(integrity)
    elif name != "chacha20-poly1305":
        sa |= {"integrity": known(ESP_SA_HASHES, integrity, "integrity"),
               "integrity_key": hexadecimal(integrity_key)}
    return sa


def other_icv(integrity):
    """strongSwan tells the length of an AEAD in the other column, and 12 bytes as if it were 8."""
    if integrity in ("null", "any 128 bit authentication"):
        return 16
    raise Refused(f"{integrity}: the integrity value may have 8 bytes or 12")


# --- documents ----------------------------------------------------------------------------------


def directed(sas, local):
    """Those of ours, with their directions."""
    for sa in sas:
        for direction, end in (("out", "src"), ("in", "dst")):
            if ipaddress.ip_address(sa[end]) in local:
                yield {**sa, "direction": direction}


def newest(sas):
    """The last one of each direction between each two."""
    return list({(sa["direction"], sa["src"], sa["dst"], sa["mode"]): sa for sa in sas}.values())


def document(sas, group):
    lines = ["sas:"]
    for sa in sas:
        if sa["direction"] == "out" and sa["oseq"]:
            raise Refused(f"SPI {sa['spi']:#x} has sent {sa['oseq']} packets: two senders under one"
                          " key would repeat nonces")
        lines += [f"  - name: {group}-{sa['direction']}-{sa['spi']:08x}", f"    group: {group}"]
        lines += [f"    {key}: {sa[key]}" for key in ("direction", "mode", "src", "dst")]
        lines += ["    esp:", f"      spi: {sa['spi']:#x}"]
        for key in ("encryption", "encryption_key", "icv_bytes", "integrity", "integrity_key"):
            if key in sa:  # unquoted, digits and null are no text for everyone
                value = sa[key] if key == "icv_bytes" else f'"{sa[key]}"'
                lines.append(f"      {key}: {value}")
        if sa["esn"]:
            lines.append("    esn: true")
        if sa["direction"] == "in":
            lines.append("    replay_window: 1024")
            if sa["seq"]:
                lines.append(f"    sequence: {sa['seq']}")
        if "udp" in sa:
            lines.append(f"    udp: {sa['udp']}")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", help="standard input where none is named")
    parser.add_argument("--local", required=True, action="append", type=ipaddress.ip_address,
                        help="an address of this side; may be repeated")
    parser.add_argument("--group", default="ike", help="what policies name; default: ike")
    parser.add_argument("--only", choices=("in", "out"),
                        help="one direction: a rekey wants in first, then out")
    parser.add_argument("--newest", action="store_true",
                        help="of each two ends and direction the last one alone")
    parser.add_argument("--mode", choices=("tunnel", "transport"), default="tunnel",
                        help="esp_sa does not tell it; default: tunnel")
    options = parser.parse_args()

    def is_ours(*ends):
        return any(ipaddress.ip_address(end) in options.local for end in ends)

    try:
        with open(options.file or 0, encoding="utf-8") as file:
            text = file.read()
        is_xfrm = re.search(r"^src \S+ dst \S+", text, re.MULTILINE)
        sas = (from_xfrm(text, is_ours) if is_xfrm
               else from_esp_sa(text, options.mode, is_ours))
        sas = list(directed(sas, options.local))
        sas = newest(sas) if options.newest else sas
        sas = [sa for sa in sas if options.only in (None, sa["direction"])]
        if not sas:
            raise Refused(f"nothing from or to {', '.join(map(str, options.local))}")
        print(document(sas, options.group))
    except (Refused, OSError, ValueError) as why:
        print(f"sa-from-keys: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
