// SPDX-License-Identifier: BSD-3-Clause
// Is everything that is wrong with a document told in the promised line?
#include "conf/document.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define K16 "000102030405060708090a0b0c0d0e0f"
#define K20 K16 "a0a1a2a3"
#define K20B K16 "b0b1b2b3"
#define N63 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0._+:-12345"

// Parts of documents, with the lines they take when they come first, one behind the other.
#define SA(direction)                                                                              \
	"sas:\n- name: a\n  direction: " direction                                                 \
	"\n  mode: tunnel\n  src: 192.0.2.1\n  dst: 192.0.2.2\n"
#define OUT SA("out") // 1 to 6
#define IN SA("in")
#define ESP "  esp:\n    spi: 256\n"                                         // 7 and 8
#define GCM ESP "    encryption: aes-gcm-128\n    encryption_key: " K20 "\n" // 7 to 10
#define CBC ESP "    encryption: aes-cbc-128\n    encryption_key: " K16 "\n"
#define SHA1 "    integrity: hmac-sha1-96\n    integrity_key: " K20 "\n"      // 11 and 12
#define DES "    encryption: des-cbc\n    encryption_key: 0001020304050607\n" // 9 and 10
#define ENCRYPTIONS                                                                                \
	"null, aes-cbc-128, aes-cbc-192, aes-cbc-256, aes-gcm-128, aes-gcm-192, aes-gcm-256, "     \
	"aes-ccm-128, aes-ccm-192, aes-ccm-256, chacha20-poly1305, aes-ctr-128, aes-ctr-192, "     \
	"aes-ctr-256, 3des-cbc, des-cbc"
#define INTEGRITIES                                                                                \
	"none, hmac-sha1-96, hmac-sha2-256-128, hmac-sha2-256-96, hmac-sha2-384-192, "             \
	"hmac-sha2-512-256, aes-xcbc-96, aes-cmac-96, hmac-md5-96, aes-gmac-128, aes-gmac-192, "   \
	"aes-gmac-256"
#define POLICY                                                                                     \
	"policies:\n- name: p\n  direction: out\n  src: 10.1.0.0/16\n  dst: 10.2.0.0/16\n" // 1 to 5
#define DISCARD "  action: discard\n"                                                      // 6
#define FLOW(name, direction, mode, spi, key)                                                      \
	"- {name: " name ", direction: " direction ", mode: " mode                                 \
	",\n   src: 192.0.2.1, dst: 192.0.2.2,\n   esp: {spi: " spi                                \
	",\n     encryption: aes-gcm-128,\n     encryption_key: " key "}}\n"
#define UDP_FLOW(name, spi, key)                                                                   \
	"- {name: " name ", direction: out, mode: tunnel,\n"                                       \
	"   src: 192.0.2.1, dst: 192.0.2.2, udp: {sport: 4500, dport: 4500},\n"                    \
	"   esp: {spi: " spi ", encryption: aes-gcm-128, encryption_key: " key "}}\n"
// A second SA behind the first; it takes lines 11 to 15.
#define TWO(name, direction, spi, key) OUT GCM FLOW(name, direction, "tunnel", spi, key)
#define INTWO(name, direction, spi, key) IN GCM FLOW(name, direction, "tunnel", spi, key)
// A pair of ports, which takes two lines.
#define PORTS(host, wire) "- host: {port: " host "}\n  wire: {port: " wire "}\n"
#define ADDRESSES4(n) "\"::" n "0\",\"::" n "1\",\"::" n "2\",\"::" n "3\","
#define ADDRESSES(n) ADDRESSES4(#n "1") ADDRESSES4(#n "2") ADDRESSES4(#n "3") ADDRESSES4(#n "4")
// Outbound groups of both modes.
#define PAIR                                                                                       \
	"sas:\n" FLOW("tun", "out", "tunnel", "256", K20) FLOW("tra", "out", "transport", "257",   \
		K20B) FLOW("tra2", "out", "transport", "258", K16 "c0c1c2c3")

struct row {
	const char *yaml;
	size_t len;
	const char *want;
};

#define ROW(text, line)                                                                            \
	{                                                                                          \
		(text), sizeof(text) - 1, (line)                                                   \
	}

static const struct row rows[] = {
	// YAML
	ROW("", "t.yaml:1: yaml: the document is empty"),
	ROW("# nothing\n", "t.yaml:2: yaml: the document is empty"),
	ROW("---\n", "t.yaml:2: yaml: must be a mapping"),
	ROW("[]\n", "t.yaml:1: yaml: must be a mapping"),
	ROW("text\n", "t.yaml:1: yaml: must be a mapping"),
	ROW("sas: [\n",
		"t.yaml:2: yaml: did not find expected node content while parsing a flow node"),
	ROW("sas: []\n  x: 1\n",
		"t.yaml:2: yaml: did not find expected key while parsing a block mapping"),
	ROW("sas: []\n---\nsas: []\n", "t.yaml:2: yaml: a second document begins here"),
	ROW("sas: []\n...\n%TAG ! x\n---\n{}\n", "t.yaml:3: yaml: directives are not allowed"),
	ROW("# one\n%YAML 1.1\n---\nsas: []\n", "t.yaml:2: yaml: directives are not allowed"),
	ROW("sas: &all []\n", "t.yaml:1: sas: anchors are not allowed"),
	ROW("sas: *all\n", "t.yaml:1: sas: aliases are not allowed"),
	ROW("sas: !!seq []\n", "t.yaml:1: sas: tags are not allowed"),
	ROW(OUT "  group: !!str b\n" GCM, "t.yaml:7: sas[0].group: tags are not allowed"),
	ROW(OUT "  group: &g b\n" GCM, "t.yaml:7: sas[0].group: anchors are not allowed"),
	ROW(OUT "  group: *g\n" GCM, "t.yaml:7: sas[0].group: aliases are not allowed"),
	ROW(OUT "  group: \"b\\0c\"\n" GCM, "t.yaml:7: sas[0].group: NUL bytes are not allowed"),
	ROW("sas: []\n# \x01\n", "t.yaml:2: yaml: control characters are not allowed"),
	ROW("sas: []\r\n# \xff\r\n", "t.yaml:2: yaml: invalid leading UTF-8 octet"),
	ROW("sas: []\r# a\r# \xc0\x80\r", "t.yaml:3: yaml: invalid length of a UTF-8 sequence"),
	ROW("\xff\xfes\0a\0", "t.yaml:1: yaml: invalid leading UTF-8 octet"),
	ROW("sas: \"\n",
		"t.yaml:2: yaml: found unexpected end of stream while scanning a quoted scalar"),
	ROW("sas:\n\t- x\n", "t.yaml:2: yaml: found character that cannot start any token while "
			     "scanning for the next token"),
	ROW("{sas: [], sas: []", "t.yaml:1: sas: is given twice"),
	ROW("? [sas]\n: []\n", "t.yaml:1: yaml: must be a mapping whose keys are plain names"),
	ROW("{sas: []}}\n", "t.yaml:1: yaml: did not find expected <document start>"),
	// keys
	ROW("sa: []\n", "t.yaml:1: sa: unknown key"),
	ROW("sas: []\npolicies: []\nsas: []\n", "t.yaml:3: sas: is given twice"),
	ROW("? \"a b\\n\\u00e9\"\n: 1\n", "t.yaml:1: a?b???: unknown key"),
	ROW("\"\": 1\n", "t.yaml:1: ?: unknown key"),
	ROW("0123456789abcdef0123456789abcdef: 1\n", "t.yaml:1: ?: unknown key"),
	ROW("abcdefghijklmnopqrstuvwxyz_abcdefghijklmnopqrstuvwxyz: 1\n",
		"t.yaml:1: abcdefghijklmnopqrstuvwxyz_abcde: unknown key"),
	ROW(OUT GCM "  key: " K20 "\n", "t.yaml:11: sas[0].key: unknown key"),
	ROW(OUT "  name: b\n" GCM, "t.yaml:7: sas[0].name: is given twice"),
	ROW(OUT GCM "    spi: 257\n", "t.yaml:11: sas[0].esp.spi: is given twice"),
	ROW(OUT GCM "    esn: true\n", "t.yaml:11: sas[0].esp.esn: unknown key"),
	ROW(OUT GCM "  lifetime:\n    bytes: 0\n", "t.yaml:12: sas[0].lifetime.bytes: unknown key"),
	ROW(OUT GCM "  lifetime: 5\n", "t.yaml:11: sas[0].lifetime: must be a mapping"),
	ROW(OUT GCM "  lifetime:\n    hard_bytes: 1\n    soft_bytes: 2\n",
		"t.yaml:13: sas[0].lifetime.soft_bytes: is above the hard limit"),
	ROW(OUT GCM "  lifetime: {soft_packets: 18446744073709551615, hard_packets: 9}\n",
		"t.yaml:11: sas[0].lifetime.soft_packets: is above the hard limit"),
	ROW(OUT GCM "  lifetime:\n    soft_seconds: 11\n    hard_seconds: 10\n",
		"t.yaml:12: sas[0].lifetime.soft_seconds: is above the hard limit"),
	ROW(OUT GCM "  outer: {tos: 1}\n", "t.yaml:11: sas[0].outer.tos: unknown key"),
	ROW(OUT GCM "  outer:\n    ttl: 1\n    ttl: 1\n",
		"t.yaml:13: sas[0].outer.ttl: is given twice"),
	ROW(POLICY DISCARD "  ports: 1\n", "t.yaml:7: policies[0].ports: unknown key"),
	// missing
	ROW("sas:\n\n- {}\n", "t.yaml:3: sas[0].name: is missing"),
	ROW("sas:\n- direction: out\n", "t.yaml:2: sas[0].name: is missing"),
	ROW("sas:\n- name: a\n  mode: tunnel\n  src: ::1\n  dst: ::2\n" GCM,
		"t.yaml:2: sas[0].direction: is missing"),
	ROW("sas:\n- name: a\n  direction: out\n  src: ::1\n  dst: ::2\n" GCM,
		"t.yaml:2: sas[0].mode: is missing"),
	ROW("sas:\n- name: a\n  direction: out\n  mode: tunnel\n  dst: ::2\n" GCM,
		"t.yaml:2: sas[0].src: is missing"),
	ROW("sas:\n- name: a\n  direction: out\n  mode: tunnel\n  src: ::2\n" GCM,
		"t.yaml:2: sas[0].dst: is missing"),
	ROW(OUT, "t.yaml:2: sas[0].esp: is missing, and so is ah"),
	ROW(OUT "  ah: {}\n", "t.yaml:7: sas[0].ah.spi: is missing"),
	ROW(OUT "  ah:\n    spi: 256\n", "t.yaml:8: sas[0].ah.integrity: is missing"),
	ROW(OUT "  ah: {spi: 256, integrity: hmac-sha1-96}\n",
		"t.yaml:7: sas[0].ah.integrity_key: is missing"),
	ROW(OUT "  esp: {}\n", "t.yaml:7: sas[0].esp.spi: is missing"),
	ROW(OUT "  esp:\n    encryption: \"null\"\n", "t.yaml:8: sas[0].esp.spi: is missing"),
	ROW(OUT ESP, "t.yaml:8: sas[0].esp.encryption: is missing"),
	ROW(OUT ESP "    encryption: aes-gcm-128\n",
		"t.yaml:8: sas[0].esp.encryption_key: is missing"),
	ROW(OUT ESP "    encryption: aes-cbc-256\n" SHA1,
		"t.yaml:8: sas[0].esp.encryption_key: is missing"),
	ROW(OUT CBC, "t.yaml:8: sas[0].esp.integrity: aes-cbc-128 needs an integrity algorithm: "
		     "encryption without integrity does not exist"),
	ROW(OUT CBC "    integrity: hmac-sha1-96\n",
		"t.yaml:8: sas[0].esp.integrity_key: is missing"),
	ROW(OUT ESP "    encryption: null\n    integrity: hmac-sha2-256-128\n",
		"t.yaml:8: sas[0].esp.integrity_key: is missing"),
	ROW("policies:\n- {}\n", "t.yaml:2: policies[0].name: is missing"),
	ROW("policies:\n- name: p\n", "t.yaml:2: policies[0].direction: is missing"),
	ROW("policies:\n- name: p\n  direction: in\n", "t.yaml:2: policies[0].src: is missing"),
	ROW("policies:\n- name: p\n  direction: in\n  src: any\n",
		"t.yaml:2: policies[0].dst: is missing"),
	ROW(POLICY, "t.yaml:2: policies[0].action: is missing"),
	ROW(POLICY "  action: protect\n", "t.yaml:2: policies[0].sas: is missing"),
	// kinds
	ROW("sas: {}\n", "t.yaml:1: sas: must be a list"),
	ROW("sas:\n", "t.yaml:1: sas: must be a list"),
	ROW("sas: [a]\n", "t.yaml:1: sas[0]: must be a mapping"),
	ROW("sas:\n- - name: a\n", "t.yaml:2: sas[0]: must be a mapping"),
	ROW("policies: [[]]\n", "t.yaml:1: policies[0]: must be a mapping"),
	ROW("policies: none\n", "t.yaml:1: policies: must be a list"),
	ROW("legacy_algorithms: [true]\n", "t.yaml:1: legacy_algorithms: must be a single value"),
	ROW(OUT "  esp: aes-gcm-128\n", "t.yaml:7: sas[0].esp: must be a mapping"),
	ROW(OUT "  esp: []\n", "t.yaml:7: sas[0].esp: must be a mapping"),
	ROW(OUT "  group: [b]\n" GCM, "t.yaml:7: sas[0].group: must be a single value"),
	ROW(OUT "  sequence: {}\n" GCM, "t.yaml:7: sas[0].sequence: must be a single value"),
	ROW(OUT GCM "  outer:\n", "t.yaml:11: sas[0].outer: must be a mapping"),
	ROW(POLICY "  action: protect\n  sas: a\n", "t.yaml:7: policies[0].sas: must be a list"),
	ROW(POLICY "  action: protect\n  sas: {a: b}\n",
		"t.yaml:7: policies[0].sas: must be a list"),
	ROW(POLICY "  action: protect\n  sas: [[a]]\n",
		"t.yaml:7: policies[0].sas[0]: must be a name"),
	// values of all types
	ROW("legacy_algorithms: yes\n", "t.yaml:1: legacy_algorithms: is not true or false"),
	ROW("legacy_algorithms: false\n" OUT ESP DES SHA1,
		"t.yaml:10: sas[0].esp.encryption: des-cbc is a legacy algorithm and needs "
		"legacy_algorithms: true"),
	ROW("legacy_algorithms: true\n" OUT ESP
	    "    encryption: des-cbc\n    encryption_key: 01fe01fe01fe01ff\n" SHA1,
		"t.yaml:11: sas[0].esp.encryption_key: is a weak key of DES"),
	ROW("legacy_algorithms: true\n" OUT ESP "    encryption: 3des-cbc\n"
	    "    encryption_key: " K16 "01fe01fe01fe01ff\n" SHA1,
		"t.yaml:11: sas[0].esp.encryption_key: holds a weak key of DES"),
	ROW("legacy_algorithms: true\n" OUT ESP "    encryption: 3des-cbc\n"
	    "    encryption_key: " K16 "09080b0a0d0c0f0e\n" SHA1,
		"t.yaml:11: sas[0].esp.encryption_key: has two equal neighbours, which leaves "
		"single DES of it"),
	ROW(OUT ESP "    encryption: 3des-cbc\n    encryption_key: " K16 "0001020304050607\n" SHA1,
		"t.yaml:9: sas[0].esp.encryption: 3des-cbc is a legacy algorithm and needs "
		"legacy_algorithms: true"),
	ROW(OUT CBC "    integrity: hmac-md5-96\n    integrity_key: " K16 "\n",
		"t.yaml:11: sas[0].esp.integrity: hmac-md5-96 is a legacy algorithm and needs "
		"legacy_algorithms: true"),
	ROW(OUT ESP DES SHA1 "legacy_algorithms: false\n",
		"t.yaml:9: sas[0].esp.encryption: des-cbc is a legacy algorithm and needs "
		"legacy_algorithms: true"),
	ROW("sas:\n- name: a b\n",
		"t.yaml:2: sas[0].name: is not a name: 1 to 63 of A-Z a-z 0-9 . _ + : -"),
	ROW("sas:\n- name: \"\"\n",
		"t.yaml:2: sas[0].name: is not a name: 1 to 63 of A-Z a-z 0-9 . _ + : -"),
	ROW("sas:\n- name: " N63 "x\n",
		"t.yaml:2: sas[0].name: is not a name: 1 to 63 of A-Z a-z 0-9 . _ + : -"),
	ROW("sas:\n- name: a/b\n",
		"t.yaml:2: sas[0].name: is not a name: 1 to 63 of A-Z a-z 0-9 . _ + : -"),
	ROW("sas:\n- name: \xc3\xa9\n",
		"t.yaml:2: sas[0].name: is not a name: 1 to 63 of A-Z a-z 0-9 . _ + : -"),
	ROW(OUT "  group: a,b\n",
		"t.yaml:7: sas[0].group: is not a name: 1 to 63 of A-Z a-z 0-9 . _ + : -"),
	ROW("sas: [{direction: Out}]\n", "t.yaml:1: sas[0].direction: is not one of: out, in"),
	ROW("sas: [{mode: beet}]\n", "t.yaml:1: sas[0].mode: is not one of: transport, tunnel"),
	ROW("sas: [{src: 192.0.2}]\n", "t.yaml:1: sas[0].src: is not an IPv4 or IPv6 address"),
	ROW("sas: [{src: 192.0.2.1/32}]\n", "t.yaml:1: sas[0].src: is not an IPv4 or IPv6 address"),
	ROW("sas: [{src: any}]\n", "t.yaml:1: sas[0].src: is not an IPv4 or IPv6 address"),
	ROW("sas: [{dst: \"fe80::1%eth0\"}]\n",
		"t.yaml:1: sas[0].dst: is not an IPv4 or IPv6 address"),
	ROW("sas: [{dst: example.org}]\n", "t.yaml:1: sas[0].dst: is not an IPv4 or IPv6 address"),
	ROW(OUT "  ah: {spi: 255}\n",
		"t.yaml:7: sas[0].ah.spi: is not a number from 256 to 4294967295"),
	ROW(OUT "  ah:\n    spi: 256\n    integrity: none\n    integrity_key: \"00\"\n",
		"t.yaml:9: sas[0].ah.integrity: is none, but AH is nothing else"),
	ROW(OUT "  ah:\n    spi: 256\n    integrity: hmac-sha1-96\n    integrity_key: \"00\"\n",
		"t.yaml:10: sas[0].ah.integrity_key: is 1 bytes long, but hmac-sha1-96 takes 20"),
	ROW(OUT GCM "  ah: {spi: 256, integrity: hmac-sha1-96, integrity_key: \""
		    "00112233445566778899aabbccddeeff00112233\"}\n"
		    "  udp: {sport: 4500, dport: 4500}\n",
		"t.yaml:12: sas[0].udp: belongs to ESP without AH"),
	ROW(OUT "  ah: {spi: 256, encryption: aes-gcm-128}\n",
		"t.yaml:7: sas[0].ah.encryption: unknown key"),
	ROW(OUT "  ah: {spi: 256, icv_bytes: 12}\n", "t.yaml:7: sas[0].ah.icv_bytes: unknown key"),
	ROW(OUT "  esp: {spi: 255}\n",
		"t.yaml:7: sas[0].esp.spi: is not a number from 256 to 4294967295"),
	ROW(OUT "  esp: {spi: 0}\n",
		"t.yaml:7: sas[0].esp.spi: is not a number from 256 to 4294967295"),
	ROW(OUT "  esp: {spi: -1}\n",
		"t.yaml:7: sas[0].esp.spi: is not a number from 256 to 4294967295"),
	ROW(OUT "  esp: {spi: +256}\n",
		"t.yaml:7: sas[0].esp.spi: is not a number from 256 to 4294967295"),
	ROW(OUT "  esp: {spi: 0x100000000}\n",
		"t.yaml:7: sas[0].esp.spi: is not a number from 256 to 4294967295"),
	ROW(OUT "  esp: {spi: 4294967296}\n",
		"t.yaml:7: sas[0].esp.spi: is not a number from 256 to 4294967295"),
	ROW(OUT "  esp: {spi: 0400}\n",
		"t.yaml:7: sas[0].esp.spi: is not a number from 256 to 4294967295"),
	ROW(OUT "  esp: {spi: 0x}\n",
		"t.yaml:7: sas[0].esp.spi: is not a number from 256 to 4294967295"),
	ROW(OUT "  esp: {spi: 0x1g0}\n",
		"t.yaml:7: sas[0].esp.spi: is not a number from 256 to 4294967295"),
	ROW(OUT "  esp: {spi: 1e3}\n",
		"t.yaml:7: sas[0].esp.spi: is not a number from 256 to 4294967295"),
	ROW(OUT "  esp: {spi: 256.0}\n",
		"t.yaml:7: sas[0].esp.spi: is not a number from 256 to 4294967295"),
	ROW(OUT "  esp: {spi: 1_000}\n",
		"t.yaml:7: sas[0].esp.spi: is not a number from 256 to 4294967295"),
	ROW(OUT "  esp: {spi: \"256 \"}\n",
		"t.yaml:7: sas[0].esp.spi: is not a number from 256 to 4294967295"),
	ROW(OUT "  esp: {spi: ~}\n",
		"t.yaml:7: sas[0].esp.spi: is not a number from 256 to 4294967295"),
	ROW(OUT "  esp: {spi: }\n",
		"t.yaml:7: sas[0].esp.spi: is not a number from 256 to 4294967295"),
	ROW(OUT "  sequence: 18446744073709551616\n",
		"t.yaml:7: sas[0].sequence: is not a number from 0 to 18446744073709551615"),
	ROW(OUT "  sequence: 99999999999999999999999\n",
		"t.yaml:7: sas[0].sequence: is not a number from 0 to 18446744073709551615"),
	ROW(OUT "  esn: True\n", "t.yaml:7: sas[0].esn: is not true or false"),
	ROW(OUT "  esn: 1\n", "t.yaml:7: sas[0].esn: is not true or false"),
	ROW(OUT "  esn: no\n", "t.yaml:7: sas[0].esn: is not true or false"),
	ROW(OUT "  replay_window: 65537\n",
		"t.yaml:7: sas[0].replay_window: is not a number from 0 to 65536"),
	ROW(OUT "  replay_window: off\n",
		"t.yaml:7: sas[0].replay_window: is not a number from 0 to 65536"),
	ROW(OUT "  outer: {dscp: 64}\n",
		"t.yaml:7: sas[0].outer.dscp: is not copy or a number from 0 to 63"),
	ROW(OUT "  outer: {dscp: ef}\n",
		"t.yaml:7: sas[0].outer.dscp: is not copy or a number from 0 to 63"),
	ROW(OUT "  outer: {df: 1}\n", "t.yaml:7: sas[0].outer.df: is not one of: copy, set, clear"),
	ROW(OUT "  outer: {ecn: copy}\n", "t.yaml:7: sas[0].outer.ecn: is not one of: rfc6040"),
	ROW(OUT "  outer: {ttl: 0}\n", "t.yaml:7: sas[0].outer.ttl: is not a number from 1 to 255"),
	ROW(OUT "  outer: {ttl: 256}\n",
		"t.yaml:7: sas[0].outer.ttl: is not a number from 1 to 255"),
	ROW(OUT "  outer: {ttl: copy}\n",
		"t.yaml:7: sas[0].outer.ttl: is not a number from 1 to 255"),
	ROW(OUT "  outer: {flow_label: 0x100000}\n",
		"t.yaml:7: sas[0].outer.flow_label: is not copy or a number from 0 to 1048575"),
	ROW(OUT "  udp: {sport: 4500}\n", "t.yaml:7: sas[0].udp.dport: is missing"),
	ROW(OUT "  udp: {dport: 4500}\n", "t.yaml:7: sas[0].udp.sport: is missing"),
	ROW(OUT "  udp: {sport: 0, dport: 4500}\n",
		"t.yaml:7: sas[0].udp.sport: is not a number from 1 to 65535"),
	ROW(OUT "  udp: {sport: 4500, dport: 65536}\n",
		"t.yaml:7: sas[0].udp.dport: is not a number from 1 to 65535"),
	ROW(OUT "  udp: 4500\n", "t.yaml:7: sas[0].udp: must be a mapping"),
	ROW(OUT "  tfc: {pad_to: 3}\n",
		"t.yaml:7: sas[0].tfc.pad_to: is not mtu or a number from 4 to 9600"),
	ROW(OUT "  tfc: {pad_to: 9601}\n",
		"t.yaml:7: sas[0].tfc.pad_to: is not mtu or a number from 4 to 9600"),
	ROW(OUT "  tfc: {pad_to: 65535}\n",
		"t.yaml:7: sas[0].tfc.pad_to: is not mtu or a number from 4 to 9600"),
	ROW(OUT "  tfc: {dummy_rate: 100001}\n",
		"t.yaml:7: sas[0].tfc.dummy_rate: is not a number from 0 to 100000"),
	ROW(OUT "  tfc: {pads: 4}\n", "t.yaml:7: sas[0].tfc.pads: unknown key"),
	ROW(OUT "  tfc: mtu\n", "t.yaml:7: sas[0].tfc: must be a mapping"),
	ROW(OUT ESP "    encryption: aes-gcm\n",
		"t.yaml:9: sas[0].esp.encryption: is not an encryption algorithm: " ENCRYPTIONS),
	ROW(OUT ESP "    encryption: AES-GCM-128\n",
		"t.yaml:9: sas[0].esp.encryption: is not an encryption algorithm: " ENCRYPTIONS),
	ROW(OUT ESP "    encryption: none\n",
		"t.yaml:9: sas[0].esp.encryption: is not an encryption algorithm: " ENCRYPTIONS),
	ROW(OUT ESP "    encryption: hmac-sha1-96\n",
		"t.yaml:9: sas[0].esp.encryption: is not an encryption algorithm: " ENCRYPTIONS),
	ROW(OUT ESP "    integrity: hmac-sha1\n",
		"t.yaml:9: sas[0].esp.integrity: is not an integrity algorithm: " INTEGRITIES),
	ROW(OUT ESP "    integrity: null\n",
		"t.yaml:9: sas[0].esp.integrity: is not an integrity algorithm: " INTEGRITIES),
	ROW(OUT ESP "    encryption_key: 0x00\n",
		"t.yaml:9: sas[0].esp.encryption_key: is not written in hex digits alone"),
	ROW(OUT ESP "    encryption_key: 000\n",
		"t.yaml:9: sas[0].esp.encryption_key: has an odd number of hex digits"),
	ROW(OUT ESP "    encryption_key: \"00 11\"\n",
		"t.yaml:9: sas[0].esp.encryption_key: is not written in hex digits alone"),
	ROW(OUT ESP "    encryption_key: |\n      0011\n",
		"t.yaml:9: sas[0].esp.encryption_key: is not written in hex digits alone"),
	ROW(OUT ESP "    encryption_key:\n"
		    "      00zz\n",
		"t.yaml:10: sas[0].esp.encryption_key: is not written in hex digits alone"),
	ROW(OUT ESP "    integrity_key: " K16 K16 K16 K16 "00\n",
		"t.yaml:9: sas[0].esp.integrity_key: is longer than the longest key, 64 bytes"),
	ROW(OUT ESP "    icv_bytes: 0\n",
		"t.yaml:9: sas[0].esp.icv_bytes: is not a number from 1 to 32"),
	ROW(OUT ESP "    icv_bytes: 33\n",
		"t.yaml:9: sas[0].esp.icv_bytes: is not a number from 1 to 32"),
	ROW("policies: [{priority: -1}]\n",
		"t.yaml:1: policies[0].priority: is not a number from 0 to 2147483647"),
	ROW("policies: [{priority: 0x80000000}]\n",
		"t.yaml:1: policies[0].priority: is not a number from 0 to 2147483647"),
	ROW("policies: [{src: 10.0.0.0/33}]\n",
		"t.yaml:1: policies[0].src: is not any, an address, or ADDRESS/LENGTH with no bit "
		"set behind LENGTH"),
	ROW("policies: [{src: 10.0.0.1/8}]\n", "t.yaml:1: policies[0].src: is not any, an address, "
					       "or ADDRESS/LENGTH with no bit set behind LENGTH"),
	ROW("policies: [{src: \"2001:db8::/129\"}]\n",
		"t.yaml:1: policies[0].src: is not any, an address, or ADDRESS/LENGTH with no bit "
		"set behind LENGTH"),
	ROW("policies: [{dst: all}]\n", "t.yaml:1: policies[0].dst: is not any, an address, or "
					"ADDRESS/LENGTH with no bit set behind LENGTH"),
	ROW("policies: [{protocol: 256}]\n",
		"t.yaml:1: policies[0].protocol: is not a number from 0 to 255"),
	ROW("policies: [{protocol: -6}]\n", "t.yaml:1: policies[0].protocol: is not any, a number "
					    "from 0 to 255 or the name of a protocol"),
	ROW("policies: [{protocol: nosuchprotocol}]\n",
		"t.yaml:1: policies[0].protocol: is not any, a number from 0 to 255 or the name of "
		"a protocol"),
	ROW("policies: [{protocol: \"\"}]\n", "t.yaml:1: policies[0].protocol: is not any, a "
					      "number from 0 to 255 or the name of a protocol"),
	ROW("policies: [{sport: any}]\n",
		"t.yaml:1: policies[0].sport: is not a port or a range such as \"1024-65535\""),
	ROW("policies: [{sport: 65536}]\n",
		"t.yaml:1: policies[0].sport: is not a port or a range such as \"1024-65535\""),
	ROW("policies: [{sport: 1-}]\n",
		"t.yaml:1: policies[0].sport: is not a port or a range such as \"1024-65535\""),
	ROW("policies: [{sport: -1}]\n",
		"t.yaml:1: policies[0].sport: is not a port or a range such as \"1024-65535\""),
	ROW("policies: [{dport: 1-2-3}]\n",
		"t.yaml:1: policies[0].dport: is not a port or a range such as \"1024-65535\""),
	ROW("policies: [{dport: 9-8}]\n",
		"t.yaml:1: policies[0].dport: is a range that ends before it begins"),
	ROW("policies: [{dport: 080}]\n",
		"t.yaml:1: policies[0].dport: is not a port or a range such as \"1024-65535\""),
	ROW("policies: [{icmp_type: 256}]\n",
		"t.yaml:1: policies[0].icmp_type: is not a number from 0 to 255"),
	ROW("policies: [{icmp_type: echo-request}]\n",
		"t.yaml:1: policies[0].icmp_type: is not a number from 0 to 255"),
	ROW("policies: [{action: allow}]\n",
		"t.yaml:1: policies[0].action: is not one of: protect, bypass, discard"),
	ROW("policies: [{sas: [a, b, c]}]\n", "t.yaml:1: policies[0].sas[2]: is one too many: a "
					      "packet is protected by two groups at most"),
	ROW("policies: [{sas: [a, \"\"]}]\n",
		"t.yaml:1: policies[0].sas[1]: is not a name: 1 to 63 of A-Z a-z 0-9 . _ + : -"),
	ROW("policies: [{sas: [a,\n  a]}]\n", "t.yaml:2: policies[0].sas[1]: is named twice"),
	// contradictions of one SA
	ROW("sas:\n- name: a\n  direction: out\n  mode: transport\n  src: 192.0.2.1\n  dst: "
	    "2001:db8::1\n" GCM,
		"t.yaml:6: sas[0].dst: is not of the same IP version as src"),
	ROW("sas:\n- name: a\n  direction: in\n  mode: tunnel\n  src: 2001:db8::1\n  dst: "
	    "192.0.2.1\n" GCM,
		"t.yaml:6: sas[0].dst: is not of the same IP version as src"),
	ROW(OUT GCM SHA1, "t.yaml:11: sas[0].esp.integrity: aes-gcm-128 has integrity of its own "
			  "and takes no second algorithm"),
	ROW(OUT GCM "    integrity_key: " K20 "\n",
		"t.yaml:11: sas[0].esp.integrity_key: belongs to no algorithm"),
	ROW(OUT GCM "    integrity: none\n    integrity_key: " K20 "\n",
		"t.yaml:12: sas[0].esp.integrity_key: belongs to no algorithm"),
	ROW(OUT CBC "    integrity: none\n",
		"t.yaml:11: sas[0].esp.integrity: aes-cbc-128 needs an integrity algorithm: "
		"encryption without integrity does not exist"),
	ROW(OUT ESP "    encryption: null\n",
		"t.yaml:8: sas[0].esp.integrity: null needs an integrity algorithm: encryption "
		"without integrity does not exist"),
	ROW(OUT ESP "    encryption: null\n    integrity: none\n",
		"t.yaml:10: sas[0].esp.integrity: null needs an integrity algorithm: encryption "
		"without integrity does not exist"),
	ROW(OUT ESP "    encryption: null\n    encryption_key: " K16 "\n" SHA1,
		"t.yaml:10: sas[0].esp.encryption_key: is 16 bytes long, but null takes 0"),
	ROW(OUT ESP "    encryption: aes-gcm-128\n    encryption_key: " K16 "\n",
		"t.yaml:10: sas[0].esp.encryption_key: is 16 bytes long, but aes-gcm-128 takes 20, "
		"the last 4 of them the salt"),
	ROW(OUT ESP "    encryption: aes-gcm-256\n    encryption_key: " K20 "\n",
		"t.yaml:10: sas[0].esp.encryption_key: is 20 bytes long, but aes-gcm-256 takes 36, "
		"the last 4 of them the salt"),
	ROW(OUT ESP "    encryption: aes-cbc-192\n    encryption_key: " K16 "\n" SHA1,
		"t.yaml:10: sas[0].esp.encryption_key: is 16 bytes long, but aes-cbc-192 takes 24"),
	ROW(OUT ESP "    encryption: aes-cbc-128\n    encryption_key: \"\"\n" SHA1,
		"t.yaml:10: sas[0].esp.encryption_key: is 0 bytes long, but aes-cbc-128 takes 16"),
	ROW(OUT CBC "    integrity: hmac-sha1-96\n    integrity_key: " K16 "\n",
		"t.yaml:12: sas[0].esp.integrity_key: is 16 bytes long, but hmac-sha1-96 takes 20"),
	ROW(OUT CBC "    integrity: hmac-sha2-256-128\n    integrity_key: " K20 "\n",
		"t.yaml:12: sas[0].esp.integrity_key: is 20 bytes long, but hmac-sha2-256-128 "
		"takes 32"),
	ROW(OUT CBC "    integrity: hmac-sha2-512-256\n    integrity_key: " K16 K16 "\n",
		"t.yaml:12: sas[0].esp.integrity_key: is 32 bytes long, but hmac-sha2-512-256 "
		"takes 64"),
	ROW(OUT CBC "    integrity: aes-gmac-128\n    integrity_key: " K20 "\n",
		"t.yaml:11: sas[0].esp.integrity: aes-cbc-128 cannot be combined with an integrity "
		"algorithm that has an IV of its own"),
	ROW(OUT ESP "    encryption: \"null\"\n    integrity: aes-gmac-128\n    integrity_key: " K16
		    "\n",
		"t.yaml:11: sas[0].esp.integrity_key: is 16 bytes long, but aes-gmac-128 takes 20, "
		"the last 4 of them the salt"),
	ROW(OUT ESP "    encryption: aes-ccm-128\n    encryption_key: " K20 "\n",
		"t.yaml:10: sas[0].esp.encryption_key: is 20 bytes long, but aes-ccm-128 takes 19, "
		"the last 3 of them the salt"),
	ROW(OUT GCM "    icv_bytes: 10\n", "t.yaml:11: sas[0].esp.icv_bytes: aes-gcm-128 has no "
					   "integrity value of this length"),
	ROW(OUT CBC SHA1 "    icv_bytes: 16\n", "t.yaml:13: sas[0].esp.icv_bytes: hmac-sha1-96 has "
						"no integrity value of this length"),
	ROW(OUT GCM "  sequence: 4294967296\n",
		"t.yaml:11: sas[0].sequence: is over 2^32-1 and needs esn"),
	ROW(OUT GCM "  esn: false\n  sequence: 0x100000000\n",
		"t.yaml:12: sas[0].sequence: is over 2^32-1 and needs esn"),
	ROW(OUT GCM "  replay_window: 64\n",
		"t.yaml:11: sas[0].replay_window: belongs to direction in only"),
	ROW(IN GCM "  esn: true\n",
		"t.yaml:2: sas[0].replay_window: is missing, and esn with direction in needs one"),
	ROW(IN GCM "  esn: true\n  replay_window: 0\n",
		"t.yaml:12: sas[0].replay_window: is 0, but esn with direction in needs a window"),
	ROW(IN GCM "  outer: {ttl: 64}\n",
		"t.yaml:11: sas[0].outer: belongs to tunnels of direction out only"),
	ROW(IN GCM "  outer:\n    ttl: 64\n",
		"t.yaml:11: sas[0].outer: belongs to tunnels of direction out only"),
	ROW("sas:\n- name: a\n  direction: out\n  mode: transport\n  src: ::1\n  dst: ::2\n  "
	    "outer: {}\n" GCM,
		"t.yaml:7: sas[0].outer: belongs to tunnels of direction out only"),
	ROW(IN GCM "  tfc: {pad_to: mtu}\n",
		"t.yaml:11: sas[0].tfc: belongs to ESP of direction out only"),
	// contradictions of one policy
	ROW("policies:\n- name: p\n  direction: out\n  src: 10.0.0.0/8\n  dst: ::/0\n  action: "
	    "discard\n",
		"t.yaml:5: policies[0].dst: is not of the same IP version as src"),
	ROW(POLICY DISCARD "  sport: 53\n",
		"t.yaml:7: policies[0].sport: needs protocol tcp, udp or sctp"),
	ROW(POLICY DISCARD "  protocol: icmp\n  dport: 53\n",
		"t.yaml:8: policies[0].dport: needs protocol tcp, udp or sctp"),
	ROW(POLICY DISCARD "  protocol: 50\n  dport: 53\n",
		"t.yaml:8: policies[0].dport: needs protocol tcp, udp or sctp"),
	ROW(POLICY DISCARD "  icmp_type: 8\n",
		"t.yaml:7: policies[0].icmp_type: needs protocol icmp or ipv6-icmp"),
	ROW(POLICY DISCARD "  protocol: tcp\n  icmp_type: 8\n",
		"t.yaml:8: policies[0].icmp_type: needs protocol icmp or ipv6-icmp"),
	ROW(POLICY DISCARD "  sas: [a]\n",
		"t.yaml:7: policies[0].sas: belongs to action protect only"),
	ROW(POLICY "  action: bypass\n  sas: []\n",
		"t.yaml:7: policies[0].sas: belongs to action protect only"),
	ROW(POLICY "  action: protect\n  sas: []\n", "t.yaml:7: policies[0].sas: names no group"),
	// between SAs and policies
	ROW(TWO("a", "out", "257", K20B), "t.yaml:11: sas[1].name: is the name of sas[0] as well"),
	ROW(TWO("b", "out", "257", K20), "t.yaml:15: sas[1].esp.encryption_key: has the key and "
					 "salt of sas[0]: aes-gcm-128 would repeat nonces"),
	ROW(OUT GCM
		"- {name: b, direction: out, mode: tunnel,\n   src: 192.0.2.1, dst: 192.0.2.2,\n"
		"   esp: {spi: 257, encryption: \"null\", integrity: aes-gmac-128,\n"
		"     integrity_key: " K20 "}}\n",
		"t.yaml:14: sas[1].esp.integrity_key: has the key and salt of sas[0]: aes-gmac-128 "
		"would repeat nonces"),
	ROW(TWO("b", "in", "257", K20), "t.yaml:15: sas[1].esp.encryption_key: has the key and "
					"salt of sas[0]: aes-gcm-128 would repeat nonces"),
	ROW(INTWO("b", "in", "256", K20B),
		"t.yaml:13: sas[1].esp.spi: is that of sas[0], which has the same dst"),
	ROW(INTWO("b", "out", "256", K20), "t.yaml:15: sas[1].esp.encryption_key: has the key and "
					   "salt of sas[0]: aes-gcm-128 would repeat nonces"),
	ROW(POLICY DISCARD "- {name: p, direction: in, src: any, dst: any, action: bypass}\n",
		"t.yaml:7: policies[1].name: is the name of policies[0] as well"),
	ROW(POLICY "  action: protect\n  sas: [nobody]\n",
		"t.yaml:7: policies[0].sas[0]: names no group of this document"),
	ROW(POLICY "  action: protect\n  sas:\n  - a\n  - b\n" OUT GCM,
		"t.yaml:9: policies[0].sas[1]: names no group of this document"),
	ROW(POLICY "  action: protect\n  sas: [a]\n" IN GCM,
		"t.yaml:7: policies[0].sas[0]: names a group without an SA of direction out"),
	ROW("policies: [{name: p, direction: in, src: any, dst: any, action: protect, sas: "
	    "[a]}]\n" OUT GCM,
		"t.yaml:1: policies[0].sas[0]: names a group without an SA of direction in"),
	ROW(POLICY "  action: protect\n  sas: [tun, tra]\n" PAIR,
		"t.yaml:7: policies[0].sas[1]: names a group of transport mode, which only the "
		"first, innermost may be"),
	ROW(POLICY "  action: protect\n  sas: [tra2, tra]\n" PAIR,
		"t.yaml:7: policies[0].sas[1]: names a group of transport mode, which only the "
		"first, innermost may be"),
	ROW("policies: [{name: p, direction: out, src: any, dst: any, action: protect,\n"
	    "  sas: [b, c]}]\nsas:\n" UDP_FLOW("b", "258", K20B) UDP_FLOW("c", "257", K20),
		"t.yaml:2: policies[0].sas[1]: names a second group with udp, but nobody opens UDP "
		"in UDP"),
	// the daemon
	ROW("eal: --no-huge\n", "t.yaml:1: eal: must be a list"),
	ROW("eal: [a,\n {}]\n", "t.yaml:2: eal[1]: must be a single value"),
	ROW("eal: [\"\"]\n", "t.yaml:1: eal[0]: is not 1 to 255 characters long"),
	ROW("eal: [\"a\\tb\"]\n", "t.yaml:1: eal[0]: has control characters"),
	ROW("control: {path: a}\n", "t.yaml:1: control.path: unknown key"),
	ROW("control:\n  socket: /" N63 N63 "\n",
		"t.yaml:2: control.socket: is not 1 to 107 characters long"),
	ROW("control: {group: \"\"}\n", "t.yaml:1: control.group: is not 1 to 63 characters long"),
	ROW("workers: 0\n", "t.yaml:1: workers: is not a number from 1 to 128"),
	ROW("workers: {}\n", "t.yaml:1: workers: must be a list"),
	ROW("workers: []\n", "t.yaml:1: workers: is an empty list"),
	ROW("workers: [1, 128]\n", "t.yaml:1: workers[1]: is not a number from 0 to 127"),
	ROW("workers: [1, 2,\n  1]\n", "t.yaml:2: workers[2]: is given twice"),
	ROW("idle: sleep\n", "t.yaml:1: idle: is not one of: auto, poll, nap"),
	ROW("pairs: {}\n", "t.yaml:1: pairs: must be a list"),
	ROW("pairs:\n- {}\n", "t.yaml:2: pairs[0].host: is missing"),
	ROW("pairs:\n- host: {port: a}\n", "t.yaml:2: pairs[0].wire: is missing"),
	ROW("pairs:\n- host: {}\n", "t.yaml:2: pairs[0].host.port: is missing"),
	ROW("pairs:\n- host: {port: " N63 "x}\n",
		"t.yaml:2: pairs[0].host.port: is not 1 to 63 characters long"),
	ROW("pairs: [{mode: nic}]\n", "t.yaml:1: pairs[0].mode: is not one of: stack, oob"),
	ROW("pairs: [{completions: some}]\n",
		"t.yaml:1: pairs[0].completions: is not one of: failed, all"),
	ROW("pairs:\n" PORTS("a", "b") "  completions: all\n",
		"t.yaml:4: pairs[0].completions: has a meaning in mode oob only"),
	ROW("pairs:\n" PORTS("a", "b") "  delete_after_failures: 3\n",
		"t.yaml:4: pairs[0].delete_after_failures: has a meaning in mode oob only"),
	ROW("pairs: [{delete_after_failures: 65536}]\n",
		"t.yaml:1: pairs[0].delete_after_failures: is not a number from 0 to 65535"),
	ROW("pairs:\n" PORTS("a", "b") "  mode: oob\n  ike: pass\n",
		"t.yaml:5: pairs[0].ike: has a meaning in mode stack only"),
	ROW("pairs:\n" PORTS("a", "b") "  mode: oob\n  link_control: {arp: drop}\n",
		"t.yaml:5: pairs[0].link_control: has a meaning in mode stack only"),
	ROW("pairs:\n" PORTS("a", "b") "  mode: oob\n  clamp_mss: true\n",
		"t.yaml:5: pairs[0].clamp_mss: has a meaning in mode stack only"),
	ROW("pairs:\n" PORTS("a", "b") "  mode: oob\n  nat_keepalive: 20\n",
		"t.yaml:5: pairs[0].nat_keepalive: has a meaning in mode stack only"),
	ROW("pairs: [{nat_keepalive: 3601}]\n",
		"t.yaml:1: pairs[0].nat_keepalive: is not a number from 0 to 3600"),
	ROW("pairs:\n- host: {port: a, mtu: 1557}\n  wire: {port: b}\n  mode: oob\n",
		"t.yaml:2: pairs[0].host.mtu: must be at least 1558: what the wire carries, and 58 "
		"bytes of the shim"),
	ROW("pairs:\n" PORTS("a", "b") "  mode: oob\n" POLICY DISCARD,
		"t.yaml:6: policies[0].pair: is of mode oob: its host has the SAs and policies"),
	ROW("pairs:\n" PORTS("a", "b") "  mode: oob\n" OUT GCM,
		"t.yaml:6: sas[0].pair: is of mode oob: its host has the SAs and policies"),
	ROW("pairs: [{host: {mtu: 1279}}]\n",
		"t.yaml:1: pairs[0].host.mtu: is not a number from 1280 to 9600"),
	ROW("pairs: [{wire: {mtu: 9601}}]\n",
		"t.yaml:1: pairs[0].wire.mtu: is not a number from 1280 to 9600"),
	ROW("pairs: [{queues: 0}]\n", "t.yaml:1: pairs[0].queues: is not a number from 1 to 64"),
	ROW("pairs: [{capacity: 16777217}]\n",
		"t.yaml:1: pairs[0].capacity: is not a number from 1 to 16777216"),
	ROW("pairs: [{ike: drop}]\n", "t.yaml:1: pairs[0].ike: is not one of: pass, policy"),
	ROW("pairs: [{ike: []}]\n", "t.yaml:1: pairs[0].ike: is an empty list"),
	ROW("pairs: [{ike: [10.0.0.1, pass]}]\n",
		"t.yaml:1: pairs[0].ike[1]: is not an IPv4 or IPv6 address"),
	ROW("pairs: [{ike: [\"::1\", 10.0.0.1, \"0::1\"]}]\n",
		"t.yaml:1: pairs[0].ike[2]: is given twice"),
	ROW("pairs: [{ike: [" ADDRESSES(1) ADDRESSES(2) ADDRESSES(3) ADDRESSES(4) "\"::5\"]}]\n",
		"t.yaml:1: pairs[0].ike[64]: is one too many: there may be 64"),
	ROW("pairs: [{link_control: {arp: policy}}]\n",
		"t.yaml:1: pairs[0].link_control.arp: is not one of: pass, drop"),
	ROW("pairs: [{clamp_mss: 1400}]\n", "t.yaml:1: pairs[0].clamp_mss: is not true or false"),
	// several pairs
	ROW("pairs:\n" PORTS("a", "b") PORTS("c", "d") "  name: pair0\n",
		"t.yaml:6: pairs[1].name: is the name of pairs[0] as well"),
	ROW("pairs:\n" PORTS("a", "b") "  name: pair1\n" PORTS("c", "d"),
		"t.yaml:5: pairs[1].name: is the name of pairs[0] as well"),
	ROW("pairs:\n" PORTS("a", "a"),
		"t.yaml:3: pairs[0].wire.port: is that of pairs[0].host as well"),
	ROW("pairs:\n" PORTS("a", "b") PORTS("c", "b"),
		"t.yaml:5: pairs[1].wire.port: is that of pairs[0].wire as well"),
	ROW("workers: 3\npairs:\n" PORTS("a", "b") PORTS("c", "d"),
		"t.yaml:1: workers: are 3, but all pairs together have 2 queues"),
	ROW("pairs:\n" PORTS("a", "b")
			PORTS("c", "d") "sas:\n" FLOW("a", "out", "tunnel", "256", K20),
		"t.yaml:7: sas[0].pair: is missing, and there are several"),
	ROW("pairs:\n" PORTS("a", "b") PORTS("c", "d") POLICY DISCARD "  pair: pear0\n",
		"t.yaml:12: policies[0].pair: names no pair of this document"),
	ROW(POLICY DISCARD "  pair: p\n- {name: q, direction: in, src: any, dst: any, action: "
			   "bypass}\n",
		"t.yaml:8: policies[1].pair: is missing, but given in policies[0]"),
	ROW(OUT GCM POLICY DISCARD "  pair: p\n",
		"t.yaml:17: policies[0].pair: is given, but not in sas[0]"),
	ROW(OUT GCM "  pair: p\n" POLICY "  action: protect\n  sas: [a]\n  pair: q\n",
		"t.yaml:18: policies[0].sas[0]: names no group of this document"),
	ROW(OUT GCM "  pair: p\n" FLOW("b", "out, pair: q", "tunnel", "256", K20),
		"t.yaml:16: sas[1].esp.encryption_key: has the key and salt of sas[0]: aes-gcm-128 "
		"would repeat nonces"),
	// nothing that might be a key is shown
	ROW("encryption_key" K20 ": 1\n", "t.yaml:1: encryption_key?: unknown key"),
	ROW("{encryption_key~ " K20 "}\n", "t.yaml:1: encryption_key???: unknown key"),
	ROW("decade_face_x1: 1\n", "t.yaml:1: decade_face_x1: unknown key"),
};

static void every_fault_is_told_with_file_line_and_field(void **state)
{
	struct fer_doc *doc;
	struct fer_doc_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_not_equal(
			fer_doc_load_bytes("t.yaml", rows[i].yaml, rows[i].len, &doc, &err), 0);
		assert_string_equal(err.text, rows[i].want);
	}
}

static void the_error_is_one_line_whatever_the_file_is_called(void **state)
{
	struct fer_doc *doc;
	struct fer_doc_error err;

	(void)state;
	assert_int_not_equal(fer_doc_load_bytes("a\nb\x1b", "x", 1, &doc, &err), 0);
	assert_string_equal(err.text, "a?b?:1: yaml: must be a mapping");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fault_is_told_with_file_line_and_field),
		cmocka_unit_test(the_error_is_one_line_whatever_the_file_is_called),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
