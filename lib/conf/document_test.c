// SPDX-License-Identifier: BSD-3-Clause
// Does a good document become the structs it describes, field by field?
#include "conf/document.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define K16 "000102030405060708090a0b0c0d0e0f"

static struct fer_doc *load(const char *yaml)
{
	struct fer_doc *doc = NULL;
	struct fer_doc_error err = {.text = ""};
	int rc = fer_doc_load_bytes("t.yaml", yaml, strlen(yaml), &doc, &err);

	assert_string_equal(err.text, "");
	assert_int_equal(rc, 0);
	assert_string_equal(doc->name, "t.yaml");
	return doc;
}

static void assert_addr(const struct fer_addr *a, const char *text)
{
	char buf[FER_ADDR_TEXT_BYTES];

	assert_string_equal(fer_addr_text(a, buf), text);
}

static void assert_prefix(const struct fer_prefix *p, const char *text, unsigned len)
{
	assert_addr(&p->addr, text);
	assert_int_equal(p->len, len);
}

static void assert_ports(const struct fer_doc_ports *p, unsigned first, unsigned last)
{
	assert_int_equal(p->first, first);
	assert_int_equal(p->last, last);
}

// The key 00 01 02 ...
static void assert_key(const struct fer_doc_key *key, unsigned len)
{
	assert_int_equal(key->len, len);
	for (unsigned i = 0; i < len; i++)
		assert_int_equal(key->bytes[i], i);
}

static void every_key_of_an_sa_is_read(void **state)
{
	struct fer_doc *doc = load("legacy_algorithms: false\n"
				   "sas:\n"
				   "  - name: A.b_c+d:e-9\n"
				   "    group: east\n"
				   "    direction: out\n"
				   "    mode: tunnel\n"
				   "    src: 192.0.2.1\n"
				   "    dst: 198.51.100.1\n"
				   "    esp:\n"
				   "      spi: 0xFfffffff\n"
				   "      encryption: aes-gcm-128\n"
				   "      encryption_key: \"" K16 "10111213\"\n"
				   "      integrity: none\n"
				   "      icv_bytes: 8\n"
				   "    esn: true\n"
				   "    sequence: 18446744073709551615\n"
				   "    outer:\n"
				   "      dscp: 46\n"
				   "      df: clear\n"
				   "      ecn: rfc6040\n"
				   "      ttl: 255\n"
				   "      flow_label: 0xfffff\n"
				   "    tfc: {pad_to: 9600, dummy_rate: 100000}\n"
				   "    udp: {sport: 4500, dport: 40123}\n"
				   "    lifetime: {soft_bytes: 1, hard_bytes: 2,\n"
				   "      soft_packets: 3, hard_packets: 3,\n"
				   "      soft_seconds: 18446744073709551615, hard_seconds: 0}\n");
	const struct fer_lifetime lifetime = {1, 2, 3, 3, UINT64_MAX, 0};
	const struct fer_doc_sa *sa = &doc->sas[0];

	(void)state;
	assert_int_equal(doc->n_sas, 1);
	assert_int_equal(doc->n_policies, 0);
	assert_string_equal(sa->name, "A.b_c+d:e-9");
	assert_int_equal(sa->line, 3);
	assert_string_equal(doc->groups[sa->group].name, "east");
	assert_int_equal(sa->direction, FER_OUT);
	assert_int_equal(sa->mode, FER_TUNNEL);
	assert_addr(&sa->src, "192.0.2.1");
	assert_addr(&sa->dst, "198.51.100.1");
	assert_int_equal(sa->spi, UINT32_MAX);
	assert_ptr_equal(sa->encryption, fer_algo_find(FER_ENCRYPTION, "aes-gcm-128"));
	assert_null(sa->integrity);
	assert_key(&sa->encryption_key, 20);
	assert_int_equal(sa->integrity_key.len, 0);
	assert_int_equal(sa->icv_bytes, 8);
	assert_true(sa->esn);
	assert_true(sa->sequence == UINT64_MAX);
	assert_int_equal(sa->replay_window, 0);
	assert_int_equal(sa->outer.dscp, 46);
	assert_int_equal(sa->outer.df, FER_DF_CLEAR);
	assert_int_equal(sa->outer.ttl, 255);
	assert_int_equal(sa->outer.flow_label, 0xfffff);
	assert_int_equal(sa->tfc.pad_to, 9600);
	assert_int_equal(sa->tfc.dummy_rate, 100000);
	assert_int_equal(sa->udp.sport, 4500);
	assert_int_equal(sa->udp.dport, 40123);
	assert_memory_equal(&sa->lifetime, &lifetime, sizeof(lifetime));
	fer_doc_destroy(doc);
}

#define SHORT(name, direction, spi)                                                                \
	"- {name: " name ", direction: " direction                                                 \
	", mode: transport, src: \"2001:db8::1\", dst: \"2001:db8::2\", esp: {spi: " spi           \
	", encryption: aes-cbc-128, encryption_key: " K16                                          \
	", integrity: hmac-sha2-256-128, integrity_key: " K16 "101112131415161718191A1B1C1D1E1F}"

static void what_is_left_out_has_its_default(void **state)
{
	struct fer_doc *doc =
		load("sas:\n" SHORT("a", "in", "256") "}\n" SHORT("b", "out", "256") "}\n");
	const struct fer_doc_sa *in = &doc->sas[0];
	const struct fer_doc_sa *out = &doc->sas[1];

	(void)state;
	assert_int_equal(in->direction, FER_IN);
	assert_int_equal(in->mode, FER_TRANSPORT);
	assert_addr(&in->src, "2001:db8::1");
	assert_addr(&in->dst, "2001:db8::2");
	assert_ptr_equal(in->integrity, fer_algo_find(FER_INTEGRITY, "hmac-sha2-256-128"));
	assert_key(&in->encryption_key, 16);
	assert_key(&in->integrity_key, 32);
	assert_int_equal(in->icv_bytes, 16);
	assert_false(in->esn);
	assert_int_equal(in->sequence, 0);
	assert_int_equal(in->replay_window, FER_DOC_REPLAY_WINDOW_DEFAULT);
	assert_string_equal(doc->groups[in->group].name, "a");
	assert_int_equal(out->replay_window, 0);
	assert_int_equal(out->line, 3);
	assert_int_equal(out->outer.dscp, FER_DSCP_COPY);
	assert_int_equal(out->outer.df, FER_DF_COPY);
	assert_int_equal(out->outer.ttl, 64);
	assert_true(out->outer.flow_label == FER_FLOW_LABEL_COPY);
	assert_int_equal(out->tfc.pad_to, 0);
	assert_int_equal(out->udp.dport, 0);
	assert_memory_equal(&out->lifetime, &(struct fer_lifetime){0}, sizeof(out->lifetime));
	fer_doc_destroy(doc);
}

static void windows_and_sequences_are_read_at_their_bounds(void **state)
{
	struct fer_doc *doc = load("sas:\n" SHORT("a", "in", "256") ", replay_window: 0}\n" SHORT(
		"b", "in", "257") ", replay_window: 65536, esn: true}\n" SHORT("c", "in",
		"258") ", replay_window: 1, sequence: 4294967295}\n");

	(void)state;
	assert_int_equal(doc->sas[0].replay_window, 0);
	assert_int_equal(doc->sas[1].replay_window, 65536);
	assert_true(doc->sas[1].esn);
	assert_int_equal(doc->sas[2].replay_window, 1);
	assert_true(doc->sas[2].sequence == UINT32_MAX);
	fer_doc_destroy(doc);
}

#define BARE "- {direction: out, src: any, dst: any, action: discard, name: "

static void every_key_of_a_policy_is_read(void **state)
{
	struct fer_doc *doc = load("policies:\n"
				   "- name: p\n"
				   "  priority: 2147483647\n"
				   "  direction: in\n"
				   "  src: 10.1.0.0/16\n"
				   "  dst: 10.2.0.1\n"
				   "  protocol: tcp\n"
				   "  sport: 1024-65535\n"
				   "  dport: \"53\"\n"
				   "  action: bypass\n" BARE "q}\n" BARE
				   "r, protocol: ipv6-icmp, icmp_type: 128}\n" BARE
				   "s, protocol: 0x84, dport: 0-0}\n");
	const struct fer_doc_policy *p = doc->policies;

	(void)state;
	assert_int_equal(doc->n_policies, 4);
	assert_string_equal(p[0].name, "p");
	assert_int_equal(p[0].line, 2);
	assert_int_equal(p[0].priority, INT32_MAX);
	assert_int_equal(p[0].direction, FER_IN);
	assert_prefix(&p[0].src, "10.1.0.0", 16);
	assert_prefix(&p[0].dst, "10.2.0.1", 32);
	assert_int_equal(p[0].protocol, FER_PROTO_TCP);
	assert_ports(&p[0].sport, 1024, 65535);
	assert_ports(&p[0].dport, 53, 53);
	assert_int_equal(p[0].icmp_type, FER_DOC_ICMP_TYPE_ANY);
	assert_int_equal(p[0].action, FER_DOC_BYPASS);
	assert_int_equal(p[0].n_groups, 0);

	assert_int_equal(p[1].line, 11);
	assert_int_equal(p[1].priority, 0);
	assert_int_equal(p[1].src.addr.version, 0);
	assert_int_equal(p[1].protocol, FER_DOC_PROTOCOL_ANY);
	assert_ports(&p[1].sport, 0, 65535);
	assert_ports(&p[1].dport, 0, 65535);
	assert_int_equal(p[1].action, FER_DOC_DISCARD);
	assert_int_equal(p[2].protocol, FER_PROTO_ICMPV6);
	assert_int_equal(p[2].icmp_type, 128);
	assert_int_equal(p[3].protocol, FER_PROTO_SCTP);
	assert_ports(&p[3].dport, 0, 0);
	fer_doc_destroy(doc);
}

static void protocols_are_known_by_number_and_name(void **state)
{
	static const struct {
		const char *text;
		unsigned number;
	} rows[] = {{"any", FER_DOC_PROTOCOL_ANY}, {"0", 0}, {"255", 255}, {"icmp", 1}, {"tcp", 6},
		{"udp", 17}, {"ipv6", 41}, {"gre", 47}, {"esp", 50}, {"ah", 51}, {"ipv6-icmp", 58},
		{"sctp", 132}};
	char yaml[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(yaml, sizeof(yaml), "policies:\n" BARE "p, protocol: %s}\n", rows[i].text);
		struct fer_doc *doc = load(yaml);
		assert_int_equal(doc->policies[0].protocol, rows[i].number);
		fer_doc_destroy(doc);
	}
}

#define PROTECT(name, direction, sas)                                                              \
	"- {name: " name ", direction: " direction                                                 \
	", src: any, dst: any, action: protect, sas: " sas "}\n"
#define TUNNEL(name, group, direction, spi)                                                        \
	"- {name: " name ", group: " group ", direction: " direction                               \
	", mode: tunnel, src: 192.0.2.1, dst: 192.0.2.2, esp: {spi: " spi                          \
	", encryption: \"null\", integrity: hmac-sha1-96, integrity_key: " K16 "10111213}}\n"

static void policies_find_groups_that_come_behind_them(void **state)
{
	struct fer_doc *doc = load("policies:\n" PROTECT("one", "out", "[site]") PROTECT(
		"two", "out", "[host, site]") PROTECT("back", "in", "[site]") PROTECT("twice",
		"out", "[other, site]") "sas:\n" SHORT("host", "out", "256") "}\n" TUNNEL("s1",
		"site", "out", "256") TUNNEL("s2", "site", "in", "256")
			TUNNEL("s3", "other", "out", "256") TUNNEL("s4", "site", "out", "256"));
	const struct fer_doc_policy *p = doc->policies;

	(void)state;
	assert_int_equal(doc->n_groups, 3);
	assert_string_equal(doc->groups[0].name, "host");
	assert_string_equal(doc->groups[1].name, "site");
	assert_string_equal(doc->groups[2].name, "other");
	assert_int_equal(doc->groups[0].n_transport_sas[FER_OUT], 1);
	assert_int_equal(doc->groups[1].n_sas[FER_OUT], 2);
	assert_int_equal(doc->groups[1].n_sas[FER_IN], 1);
	assert_int_equal(doc->groups[1].n_transport_sas[FER_OUT], 0);
	assert_int_equal(doc->sas[4].group, 1);
	assert_int_equal(doc->sas[4].icv_bytes, 12);
	assert_int_equal(doc->sas[4].encryption_key.len, 0);

	assert_int_equal(p[0].n_groups, 1);
	assert_int_equal(p[0].groups[0], 1);
	assert_int_equal(p[1].n_groups, 2);
	assert_int_equal(p[1].groups[0], 0);
	assert_int_equal(p[1].groups[1], 1);
	assert_int_equal(p[2].groups[0], 1);
	assert_int_equal(p[3].groups[0], 2);
	fer_doc_destroy(doc);
}

static void two_receivers_may_share_a_counter_key(void **state)
{
#define GCM_IN(name, dst)                                                                          \
	"- {name: " name ", direction: in, mode: tunnel, src: 192.0.2.1, dst: " dst                \
	", esp: {spi: 256, encryption: aes-gcm-128, encryption_key: " K16 "10111213}}\n"
	struct fer_doc *doc = load("sas:\n" GCM_IN("a", "192.0.2.2") GCM_IN("b", "192.0.2.3"));

	(void)state;
	assert_int_equal(doc->n_sas, 2);
	fer_doc_destroy(doc);
}

static void json_and_other_spellings_are_the_same_document(void **state)
{
	static const char *const docs[] = {
		"{}",
		"---\n{}\n...\n",
		"sas: []\npolicies: []\n",
		"\xef\xbb\xbfsas: []\n",
		"sas: []\r\n# \xc3\xa9\r\n",
		"# 100 \xc2\xa9%\n{}",
		"{\"legacy_algorithms\": false, \"sas\": [], \"policies\": []}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
		struct fer_doc *doc = load(docs[i]);
		assert_int_equal(doc->n_sas + doc->n_policies + doc->n_groups, 0);
		fer_doc_destroy(doc);
	}
}

static void the_examples_load(void **state)
{
	static const struct {
		const char *name;
		unsigned n_sas, n_policies, n_groups;
	} rows[] = {
		{"../ferruled.yaml", 0, 0, 0},
		{"tunnel-gcm.yaml", 2, 2, 1},
		{"transport-cbc-hmac.yaml", 2, 2, 1},
		{"policies.yaml", 2, 4, 2},
	};
	const char *root = getenv("FER_SOURCE_ROOT");
	char path[4096];

	(void)state;
	if (root == NULL)
		skip();
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fer_doc *doc = NULL;
		struct fer_doc_error err = {.text = ""};
		snprintf(path, sizeof(path), "%s/config/examples/%s", root, rows[i].name);
		int rc = fer_doc_load_file(path, &doc, &err);
		assert_string_equal(err.text, "");
		assert_int_equal(rc, 0);
		assert_int_equal(doc->n_sas, rows[i].n_sas);
		assert_int_equal(doc->n_policies, rows[i].n_policies);
		assert_int_equal(doc->n_groups, rows[i].n_groups);
		fer_doc_destroy(doc);
	}
}

static void a_pipe_is_read_to_its_end(void **state)
{
	static char yaml[40000];
	char path[64];
	struct fer_doc *doc = NULL;
	struct fer_doc_error err;
	int fds[2];

	(void)state;
	memset(yaml, '#', sizeof(yaml));
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "sas: []\n", 8), 8);
	assert_int_equal(write(fds[1], yaml, sizeof(yaml)), sizeof(yaml));
	close(fds[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
	assert_int_equal(fer_doc_load_file(path, &doc, &err), 0);
	close(fds[0]);
	fer_doc_destroy(doc);
}

static int load_part(const char *yaml, struct fer_doc **doc, struct fer_doc_error *err)
{
	char path[64];
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], yaml, strlen(yaml)), strlen(yaml));
	close(fds[1]);
	snprintf(path, sizeof(path), "/dev/fd/%d", fds[0]);
	int rc = fer_doc_load_part(path, doc, err);
	close(fds[0]);
	return rc;
}

// Groups of a part may have all their SAs, or those of a direction, elsewhere.
static void a_part_names_groups_of_others(void **state)
{
	const char *yaml = "policies:\n" PROTECT("p1", "out", "\n  [far]")
		PROTECT("p2", "in", "[site,\n  far]") "sas:\n" TUNNEL("s1", "site", "out", "257");
	struct fer_doc *doc = NULL;
	struct fer_doc_error err = {.text = ""};

	(void)state;
	assert_int_equal(load_part(yaml, &doc, &err), 0);
	assert_int_equal(doc->n_groups, 2);
	assert_string_equal(doc->groups[0].name, "site");
	assert_string_equal(doc->groups[1].name, "far");
	assert_int_equal(doc->groups[1].n_sas[FER_OUT] + doc->groups[1].n_sas[FER_IN], 0);
	assert_int_equal(doc->policies[0].groups[0], 1);
	assert_int_equal(doc->policies[0].group_lines[0], 3);
	assert_int_equal(doc->policies[1].groups[0], 0);
	assert_int_equal(doc->policies[1].groups[1], 1);
	assert_int_equal(doc->policies[1].group_lines[1], 5);
	fer_doc_destroy(doc);
}

static void what_a_part_has_is_checked(void **state)
{
	const char *yaml = "policies:\n" PROTECT("p1", "out", "[far, h]") "sas:\n" SHORT(
		"h", "out", "256") "}\n";
	struct fer_doc *doc = NULL;
	struct fer_doc_error err = {.text = ""};

	(void)state;
	assert_int_not_equal(load_part(yaml, &doc, &err), 0);
	assert_string_equal(err.text + strcspn(err.text, ":"),
		":2: policies[0].sas[1]: names a group of transport mode, which only the first, "
		"innermost may be");
}

static void files_that_cannot_be_read_are_named(void **state)
{
	struct fer_doc *doc = NULL;
	struct fer_doc_error err;

	(void)state;
	assert_int_equal(fer_doc_load_file("/nonexistent/x.yaml", &doc, &err), -ENOENT);
	assert_string_equal(err.text, "/nonexistent/x.yaml: No such file or directory");
	assert_int_equal(fer_doc_load_file("/", &doc, &err), -EISDIR);
	assert_string_equal(err.text, "/: Is a directory");
	assert_null(doc);
	fer_doc_destroy(NULL);
}

static void a_file_that_is_too_large_is_refused(void **state)
{
	char path[] = "/tmp/fer_doc_XXXXXX";
	struct fer_doc *doc = NULL;
	struct fer_doc_error err;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)FER_DOC_MAX_BYTES + 1), 0);
	close(fd);
	assert_int_equal(fer_doc_load_file(path, &doc, &err), -EFBIG);
	unlink(path);
}

static void a_pair_for_an_external_host(void **state)
{
	struct fer_doc *doc = load("pairs:\n"
				   "- {host: {port: a}, wire: {port: b, mtu: 9600}, mode: oob,\n"
				   "   completions: all, keywords: /etc/ferrule/keywords,\n"
				   "   delete_after_failures: 500}\n"
				   "- {host: {port: c, mtu: 2000}, wire: {port: d}, mode: oob}\n"
				   "- {host: {port: e}, wire: {port: f}}\n");
	const struct fer_doc_pair *p = doc->pairs;

	(void)state;
	assert_int_equal(p[0].mode, FER_DOC_OOB);
	assert_int_equal(p[0].completions, FER_DOC_COMPLETE_ALL);
	assert_string_equal(p[0].keywords, "/etc/ferrule/keywords");
	assert_int_equal(p[0].delete_after, 500);
	assert_int_equal(p[1].delete_after, 0);
	assert_int_equal(p[0].host.mtu, 9658);
	assert_int_equal(p[1].mode, FER_DOC_OOB);
	assert_int_equal(p[1].completions, FER_DOC_COMPLETE_FAILED);
	assert_string_equal(p[1].keywords, "");
	assert_int_equal(p[1].host.mtu, 2000);
	assert_int_equal(p[2].mode, FER_DOC_STACK);
	assert_int_equal(p[2].host.mtu, 1500);
	fer_doc_destroy(doc);
}

static void every_key_of_a_daemon_is_read(void **state)
{
	struct fer_doc *doc =
		load("eal: [--no-huge, \"--vdev=net_tap0,iface=a b\"]\n"
		     "control: {socket: /tmp/s, group: wheel}\n"
		     "workers: [3, 127]\n"
		     "idle: nap\n"
		     "pairs:\n"
		     "- name: east\n"
		     "  mode: stack\n"
		     "  host: {port: net_tap0, mtu: 9600}\n"
		     "  wire:\n"
		     "    port: 0000:3b:00.0\n"
		     "    mtu: 1280\n"
		     "  queues: 64\n"
		     "  capacity: 16777216\n"
		     "  ike: [192.0.2.7, \"2001:db8::7\"]\n"
		     "  link_control: {arp: drop, neighbour_discovery: drop, other: drop}\n"
		     "  clamp_mss: false\n"
		     "  nat_keepalive: 3600\n");
	const struct fer_doc_daemon *d = &doc->daemon;
	const struct fer_doc_pair *p = &doc->pairs[0];

	(void)state;
	assert_int_equal(d->n_eal, 2);
	assert_string_equal(d->eal[0], "--no-huge");
	assert_string_equal(d->eal[1], "--vdev=net_tap0,iface=a b");
	assert_string_equal(d->socket, "/tmp/s");
	assert_string_equal(d->group, "wheel");
	assert_int_equal(d->n_workers, 2);
	assert_int_equal(d->n_lcores, 2);
	assert_int_equal(d->lcores[0], 3);
	assert_int_equal(d->lcores[1], 127);
	assert_int_equal(d->workers_line, 3);
	assert_int_equal(d->idle, FER_DOC_IDLE_NAP);
	assert_int_equal(doc->n_pairs, 1);
	assert_string_equal(p->name, "east");
	assert_int_equal(p->line, 6);
	assert_string_equal(p->host.name, "net_tap0");
	assert_int_equal(p->host.mtu, 9600);
	assert_string_equal(p->wire.name, "0000:3b:00.0");
	assert_int_equal(p->wire.mtu, 1280);
	assert_int_equal(p->wire.port_line, 10);
	assert_int_equal(p->wire.mtu_line, 11);
	assert_int_equal(p->n_queues, 64);
	assert_int_equal(p->queues_line, 12);
	assert_int_equal(p->capacity, 1 << 24);
	assert_int_equal(p->ike, FER_DOC_IKE_PASS);
	assert_int_equal(p->n_ike_peers, 2);
	assert_addr(&p->ike_peers[0], "192.0.2.7");
	assert_addr(&p->ike_peers[1], "2001:db8::7");
	assert_int_equal(p->arp, FER_DOC_DROP);
	assert_int_equal(p->neighbour_discovery, FER_DOC_DROP);
	assert_int_equal(p->other, FER_DOC_DROP);
	assert_false(p->clamp_mss);
	assert_int_equal(p->nat_keepalive, 3600);
	fer_doc_destroy(doc);
}

static void what_a_daemon_is_not_told_has_its_default(void **state)
{
	struct fer_doc *doc = load("pairs:\n"
				   "- {host: {port: a}, wire: {port: b}}\n"
				   "- {host: {port: c}, wire: {port: d}, ike: policy}\n");
	const struct fer_doc_daemon *d = &doc->daemon;
	const struct fer_doc_pair *p = &doc->pairs[0];

	(void)state;
	assert_int_equal(d->n_eal, 0);
	assert_string_equal(d->socket, "/run/ferrule/control.sock");
	assert_string_equal(d->group, "");
	assert_int_equal(d->n_workers, 1);
	assert_int_equal(d->n_lcores, 0);
	assert_int_equal(d->workers_line, 0);
	assert_int_equal(d->idle, FER_DOC_IDLE_AUTO);
	assert_int_equal(doc->n_pairs, 2);
	assert_string_equal(p->name, "pair0");
	assert_string_equal(doc->pairs[1].name, "pair1");
	assert_int_equal(p->host.mtu, 1500);
	assert_int_equal(p->wire.mtu, 1500);
	assert_int_equal(p->wire.mtu_line, 2);
	assert_int_equal(p->n_queues, 1);
	assert_int_equal(p->capacity, 4096);
	assert_int_equal(p->ike, FER_DOC_IKE_PASS);
	assert_int_equal(p->n_ike_peers, 0);
	assert_int_equal(doc->pairs[1].ike, FER_DOC_IKE_POLICY);
	assert_int_equal(p->arp, FER_DOC_PASS);
	assert_int_equal(p->neighbour_discovery, FER_DOC_PASS);
	assert_int_equal(p->other, FER_DOC_PASS);
	assert_true(p->clamp_mss);
	assert_int_equal(p->nat_keepalive, 20);
	fer_doc_destroy(doc);
}

#define SA_OF(name, pair, direction, spi)                                                          \
	"- {name: " name ", group: g, pair: " pair ", direction: " direction ", mode: tunnel,\n"   \
	"   src: 192.0.2.1, dst: 192.0.2.2, esp: {spi: " spi ", encryption: aes-gcm-128,\n"        \
	"   encryption_key: " K16 "10111213}}\n"
#define POLICY_OF(name, pair, direction)                                                           \
	"- {name: " name ", pair: " pair ", direction: " direction ", src: any, dst: any,\n"       \
	"   action: protect, sas: [g]}\n"

// Pairs share nothing: both have a group g, and one is the peer of the other.
static void assert_both_ends(const struct fer_doc *doc, const char *first, const char *second)
{
	assert_int_equal(doc->n_pairs, 2);
	assert_string_equal(doc->pairs[0].name, first);
	assert_string_equal(doc->pairs[1].name, second);
	assert_int_equal(doc->n_groups, 2);
	assert_string_equal(doc->pairs[doc->sas[0].pair].name, "west");
	assert_string_equal(doc->pairs[doc->sas[1].pair].name, "east");
	assert_int_equal(doc->groups[doc->sas[0].group].pair, doc->sas[0].pair);
	assert_int_equal(doc->groups[doc->sas[1].group].pair, doc->sas[1].pair);
	assert_int_equal(doc->policies[0].pair, doc->sas[1].pair);
	assert_int_equal(doc->policies[0].groups[0], doc->sas[1].group);
	assert_int_equal(doc->policies[1].pair, doc->sas[0].pair);
	assert_int_equal(doc->policies[1].groups[0], doc->sas[0].group);
}

static void sas_and_policies_belong_to_the_pair_they_name(void **state)
{
	static const char ends[] = "sas:\n" SA_OF("a", "west", "out", "256")
		SA_OF("b", "east", "in", "256") "policies:\n" POLICY_OF("p", "east", "in")
			POLICY_OF("q", "west", "out");
	char text[2048];

	(void)state;
	// Behind what belongs to them, in front of it, or nowhere.
	snprintf(text, sizeof(text), "%spairs:\n%s%s", ends,
		"- {name: east, host: {port: a}, wire: {port: b}}\n",
		"- {name: west, host: {port: c}, wire: {port: d}}\n");
	struct fer_doc *doc = load(text);
	assert_both_ends(doc, "east", "west");
	fer_doc_destroy(doc);
	snprintf(text, sizeof(text), "pairs:\n%s%s%s",
		"- {name: west, host: {port: c}, wire: {port: d}}\n",
		"- {name: east, host: {port: a}, wire: {port: b}}\n", ends);
	doc = load(text);
	assert_both_ends(doc, "west", "east");
	fer_doc_destroy(doc);
	doc = load(ends);
	assert_both_ends(doc, "west", "east");
	assert_int_equal(doc->pairs[0].line, 0);
	fer_doc_destroy(doc);
}

static void without_names_there_is_one_pair(void **state)
{
	static const char policy[] =
		"policies: [{name: p, direction: in, src: any, dst: any, action: bypass}]\n";
	struct fer_doc *doc = load(policy);
	char text[512];

	(void)state;
	assert_int_equal(doc->n_pairs, 1);
	assert_string_equal(doc->pairs[0].name, "");
	assert_int_equal(doc->pairs[0].line, 0);
	fer_doc_destroy(doc);
	snprintf(text, sizeof(text), "%spairs: [{name: x, host: {port: c}, wire: {port: d}}]\n",
		policy);
	doc = load(text);
	assert_int_equal(doc->n_pairs, 1);
	assert_int_equal(doc->policies[0].pair, 0);
	fer_doc_destroy(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_an_sa_is_read),
		cmocka_unit_test(what_is_left_out_has_its_default),
		cmocka_unit_test(windows_and_sequences_are_read_at_their_bounds),
		cmocka_unit_test(every_key_of_a_policy_is_read),
		cmocka_unit_test(protocols_are_known_by_number_and_name),
		cmocka_unit_test(policies_find_groups_that_come_behind_them),
		cmocka_unit_test(two_receivers_may_share_a_counter_key),
		cmocka_unit_test(json_and_other_spellings_are_the_same_document),
		cmocka_unit_test(the_examples_load),
		cmocka_unit_test(a_pipe_is_read_to_its_end),
		cmocka_unit_test(a_part_names_groups_of_others),
		cmocka_unit_test(what_a_part_has_is_checked),
		cmocka_unit_test(files_that_cannot_be_read_are_named),
		cmocka_unit_test(a_file_that_is_too_large_is_refused),
		cmocka_unit_test(a_pair_for_an_external_host),
		cmocka_unit_test(every_key_of_a_daemon_is_read),
		cmocka_unit_test(what_a_daemon_is_not_told_has_its_default),
		cmocka_unit_test(sas_and_policies_belong_to_the_pair_they_name),
		cmocka_unit_test(without_names_there_is_one_pair),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
