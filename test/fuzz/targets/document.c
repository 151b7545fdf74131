// SPDX-License-Identifier: BSD-3-Clause
// Can any bytes break the reader of documents, or make it say something that is not one line?
#include "target.h"

#include "conf/document.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fer_doc_error error = {.text = ""};
	struct fer_doc *doc = NULL;
	int rc = fer_doc_load_bytes("t", data, size, &doc, &error);

	TARGET_MUST((rc == 0) == (doc != NULL));
	if (rc != 0) {
		TARGET_MUST(strncmp(error.text, "t:", 2) == 0);
		for (const char *c = error.text; *c != '\0'; c++)
			TARGET_MUST((unsigned char)*c >= ' ' && *c != 0x7f);
	}
	fer_doc_destroy(doc);
	return 0;
}

void target_seeds(target_put *put, void *arg)
{
	static const struct {
		const char *name, *text;
	} seeds[] = {
		{"tunnel", "sas:\n- name: a\n  direction: out\n  mode: tunnel\n  src: 192.0.2.1\n"
			   "  dst: 192.0.2.2\n  esp:\n    spi: 0x1001\n"
			   "    encryption: aes-gcm-128\n    encryption_key: "
			   "\"000102030405060708090a0b0c0d0e0f10111213\"\n    icv_bytes: 12\n"
			   "  esn: true\n  sequence: 17\n  lifetime: {soft_bytes: 1, "
			   "hard_bytes: 2}\n  outer: {dscp: 3, df: set, ecn: rfc6040, ttl: 9, "
			   "flow_label: copy}\n"},
		{"all", "legacy_algorithms: true\nsas:\n- {name: b, group: g, direction: in, mode: "
			"transport, src: \"2001:db8::1\", dst: \"2001:db8::2\", esp: {spi: 300, "
			"encryption: \"null\", integrity: hmac-sha1-96, integrity_key: "
			"\"000102030405060708090a0b0c0d0e0f10111213\"}, ah: {spi: 301, integrity: "
			"hmac-sha1-96, integrity_key: \"000102030405060708090a0b0c0d0e0f10111213\"}"
			", udp: {sport: 4500, dport: 4500}, replay_window: 64}\n"},
		{"policies",
			"policies:\n- {name: p, priority: 3, direction: out, src: 10.0.0.0/8, "
			"dst: any, protocol: tcp, sport: 80, dport: \"1-9\", action: discard}\n"
			"- {name: q, direction: in, src: \"::/0\", dst: any, protocol: "
			"ipv6-icmp, icmp_type: 8, action: bypass}\n"},
		{"pairs",
			"eal: [--no-huge]\ncontrol: {socket: /tmp/s, group: g}\nworkers: [1, 2]\n"
			"idle: nap\npairs:\n- {name: x, mode: stack, host: {port: net_tap0, mtu: "
			"1500}, wire: {port: net_tap1}, queues: 2, capacity: 9, ike: [192.0.2.1], "
			"link_control: {arp: drop}, clamp_mss: false}\n"},
		{"json", "{\"sas\": [], \"policies\": []}"},
		{"alias", "a: &a [1, 2]\nb: *a\n"},
		{"deep", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["},
		{"block", "sas: |\n  text\n"},
		{"many", "--- {}\n--- {}\n"},
		{"tag", "!!binary sas: !x []\n"},
	};

	for (unsigned i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
		put(arg, seeds[i].name, seeds[i].text, strlen(seeds[i].text));
}
