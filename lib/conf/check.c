// SPDX-License-Identifier: BSD-3-Clause
#include "conf/check.h"

#include <stdio.h>

static bool is_given(const struct fer_lines *lines, unsigned place)
{
	return lines->at[place].key != 0;
}

// Refuses a key that has no business where it stands.
static int check_absent(struct fer_trail *t, const struct fer_lines *lines, unsigned place,
	const char *field, const char *why)
{
	return is_given(lines, place) ? fer_trail_fail(t, lines->at[place].key, field, "%s", why)
				      : 0;
}

// Where a value stands, or what stands for it when it is not given.
static uint32_t line_of(const struct fer_lines *lines, unsigned place, uint32_t otherwise)
{
	return is_given(lines, place) ? lines->at[place].value : otherwise;
}

// What is the host half's is nobody's where an external host plays it.
static int check_oob(struct fer_trail *t, struct fer_doc_pair *d, const struct fer_lines *lines)
{
	static const struct {
		enum fer_pair_place place;
		const char *field;
	} stack_only[] = {{FER_PAIR_IKE, "ike"}, {FER_PAIR_LINK_CONTROL, "link_control"},
		{FER_PAIR_CLAMP_MSS, "clamp_mss"}, {FER_PAIR_NAT_KEEPALIVE, "nat_keepalive"}};
	uint32_t least = d->wire.mtu + FER_DOC_SHIM_BYTES;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(stack_only) / sizeof(stack_only[0]); i++)
		rc = check_absent(t, lines, stack_only[i].place, stack_only[i].field,
			"has a meaning in mode stack only");
	if (rc != 0)
		return rc;
	if (!is_given(lines, FER_PAIR_HOST_MTU))
		d->host.mtu = least;
	if (d->host.mtu >= least)
		return 0;
	return fer_trail_fail(t, d->host.mtu_line, "host.mtu",
		"must be at least %u: what the wire carries, and %d bytes of the shim", least,
		FER_DOC_SHIM_BYTES);
}

int fer_check_pair(struct fer_trail *t, struct fer_doc_pair *d, const struct fer_lines *lines)
{
	d->line = lines->begin;
	d->queues_line = line_of(lines, FER_PAIR_QUEUES, d->line);
	d->host.port_line = lines->at[FER_PAIR_HOST_PORT].value;
	d->wire.port_line = lines->at[FER_PAIR_WIRE_PORT].value;
	d->host.mtu_line = line_of(lines, FER_PAIR_HOST_MTU, d->host.port_line);
	d->wire.mtu_line = line_of(lines, FER_PAIR_WIRE_MTU, d->wire.port_line);
	if (d->mode == FER_DOC_OOB)
		return check_oob(t, d, lines);
	int error = check_absent(
		t, lines, FER_PAIR_COMPLETIONS, "completions", "has a meaning in mode oob only");
	if (error == 0)
		error = check_absent(t, lines, FER_PAIR_DELETE_AFTER, "delete_after_failures",
			"has a meaning in mode oob only");
	return error;
}

static int check_addresses(
	struct fer_trail *t, const struct fer_doc_sa *sa, const struct fer_lines *lines)
{
	if (sa->src.version == sa->dst.version)
		return 0;
	return fer_trail_fail(
		t, lines->at[FER_SA_DST].value, "dst", "is not of the same IP version as src");
}

static int check_suite(struct fer_trail *t, struct fer_doc_sa *sa, const struct fer_lines *lines)
{
	const struct fer_algo *tag = sa->encryption->aead ? sa->encryption : sa->integrity;
	unsigned at = is_given(lines, FER_SA_INTEGRITY) ? FER_SA_INTEGRITY : FER_SA_ESP;
	struct fer_suite suite;
	const char *why = fer_suite_init(&suite, sa->encryption, sa->integrity, 0);

	if (why != NULL)
		return fer_trail_fail(t, lines->at[at].value, "esp.integrity", "%s %s",
			sa->encryption->name, why);
	why = fer_suite_init(&suite, sa->encryption, sa->integrity, sa->icv_bytes);
	if (why != NULL)
		return fer_trail_fail(t, lines->at[FER_SA_ICV_BYTES].value, "esp.icv_bytes",
			"%s %s", tag->name, why);
	sa->icv_bytes = suite.icv_bytes;
	return 0;
}

static int fail_key_length(struct fer_trail *t, const struct fer_doc_key *key,
	const struct fer_algo *algo, uint32_t line, const char *field)
{
	char salt[64] = "";

	if (algo->salt_bytes != 0)
		snprintf(salt, sizeof(salt), ", the last %u of them the salt", algo->salt_bytes);
	return fer_trail_fail(t, line, field, "is %u bytes long, but %s takes %u%s", key->len,
		algo->name, algo->key_bytes + algo->salt_bytes, salt);
}

// algo NULL: there is none that could have a key.  It is missing where the mapping begins.
static int check_key(struct fer_trail *t, const struct fer_doc_key *key,
	const struct fer_algo *algo, const struct fer_lines *lines, unsigned place,
	unsigned mapping, const char *field)
{
	unsigned takes = algo == NULL ? 0 : algo->key_bytes + algo->salt_bytes;

	if (algo == NULL)
		return check_absent(t, lines, place, field, "belongs to no algorithm");
	if (!is_given(lines, place) && takes != 0)
		return fer_trail_fail(t, lines->at[mapping].value, field, "is missing");
	if (key->len != takes)
		return fail_key_length(t, key, algo, lines->at[place].value, field);
	const char *why = fer_algo_check_key(algo, key->bytes);
	return why == NULL ? 0 : fer_trail_fail(t, lines->at[place].value, field, "%s", why);
}

static int check_esp(struct fer_trail *t, struct fer_doc_sa *sa, const struct fer_lines *lines)
{
	if (!is_given(lines, FER_SA_ESP))
		return 0;
	int rc = check_suite(t, sa, lines);
	if (rc == 0)
		rc = check_key(t, &sa->encryption_key, sa->encryption, lines, FER_SA_ENCRYPTION_KEY,
			FER_SA_ESP, "esp.encryption_key");
	if (rc == 0)
		rc = check_key(t, &sa->integrity_key, sa->integrity, lines, FER_SA_INTEGRITY_KEY,
			FER_SA_ESP, "esp.integrity_key");
	return rc;
}

static int check_ah(struct fer_trail *t, const struct fer_doc_ah *ah, const struct fer_lines *lines)
{
	if (!is_given(lines, FER_SA_AH))
		return 0;
	if (ah->integrity == NULL)
		return fer_trail_fail(t, lines->at[FER_SA_AH_INTEGRITY].value, "ah.integrity",
			"is none, but AH is nothing else");
	return check_key(
		t, &ah->key, ah->integrity, lines, FER_SA_AH_KEY, FER_SA_AH, "ah.integrity_key");
}

static int check_protection(
	struct fer_trail *t, struct fer_doc_sa *sa, const struct fer_lines *lines)
{
	if (!is_given(lines, FER_SA_ESP) && !is_given(lines, FER_SA_AH))
		return fer_trail_fail(t, lines->begin, "esp", "is missing, and so is ah");
	int rc = check_esp(t, sa, lines);
	if (rc == 0)
		rc = check_ah(t, &sa->ah, lines);
	if (rc == 0 && is_given(lines, FER_SA_AH))
		rc = check_absent(t, lines, FER_SA_UDP, "udp", "belongs to ESP without AH");
	return rc;
}

static int check_numbers(struct fer_trail *t, struct fer_doc_sa *sa, const struct fer_lines *lines)
{
	if (sa->sequence > UINT32_MAX && !sa->esn)
		return fer_trail_fail(t, lines->at[FER_SA_SEQUENCE].value, "sequence",
			"is over 2^32-1 and needs esn");
	if (sa->direction == FER_OUT)
		return check_absent(t, lines, FER_SA_REPLAY_WINDOW, "replay_window",
			"belongs to direction in only");
	if (sa->esn && !is_given(lines, FER_SA_REPLAY_WINDOW))
		return fer_trail_fail(t, lines->begin, "replay_window",
			"is missing, and esn with direction in needs one");
	if (!is_given(lines, FER_SA_REPLAY_WINDOW))
		sa->replay_window = FER_DOC_REPLAY_WINDOW_DEFAULT;
	if (sa->esn && sa->replay_window == 0)
		return fer_trail_fail(t, lines->at[FER_SA_REPLAY_WINDOW].value, "replay_window",
			"is 0, but esn with direction in needs a window");
	return 0;
}

static int check_outer(
	struct fer_trail *t, const struct fer_doc_sa *sa, const struct fer_lines *lines)
{
	if (sa->direction == FER_OUT && sa->mode == FER_TUNNEL)
		return 0;
	return check_absent(
		t, lines, FER_SA_OUTER, "outer", "belongs to tunnels of direction out only");
}

static int check_tfc(
	struct fer_trail *t, const struct fer_doc_sa *sa, const struct fer_lines *lines)
{
	if (sa->direction == FER_OUT && sa->spi != 0)
		return 0;
	return check_absent(t, lines, FER_SA_TFC, "tfc", "belongs to ESP of direction out only");
}

static int check_limit(struct fer_trail *t, const struct fer_lines *lines, uint64_t soft,
	uint64_t hard, unsigned place, const char *field)
{
	if (soft == 0 || hard == 0 || soft <= hard)
		return 0;
	return fer_trail_fail(t, lines->at[place].value, field, "is above the hard limit");
}

static int check_lifetime(
	struct fer_trail *t, const struct fer_lifetime *l, const struct fer_lines *lines)
{
	int rc = check_limit(
		t, lines, l->soft_bytes, l->hard_bytes, FER_SA_SOFT_BYTES, "lifetime.soft_bytes");

	if (rc == 0)
		rc = check_limit(t, lines, l->soft_packets, l->hard_packets, FER_SA_SOFT_PACKETS,
			"lifetime.soft_packets");
	if (rc == 0)
		rc = check_limit(t, lines, l->soft_seconds, l->hard_seconds, FER_SA_SOFT_SECONDS,
			"lifetime.soft_seconds");
	return rc;
}

int fer_check_sa(struct fer_trail *t, struct fer_sa_draft *d, const struct fer_lines *lines)
{
	int rc = check_addresses(t, &d->sa, lines);

	if (!is_given(lines, FER_SA_GROUP))
		snprintf(d->group, sizeof(d->group), "%s", d->sa.name);
	if (rc == 0)
		rc = check_protection(t, &d->sa, lines);
	if (rc == 0)
		rc = check_numbers(t, &d->sa, lines);
	if (rc == 0)
		rc = check_outer(t, &d->sa, lines);
	if (rc == 0)
		rc = check_tfc(t, &d->sa, lines);
	if (rc == 0)
		rc = check_lifetime(t, &d->sa.lifetime, lines);
	return rc;
}

static int check_prefixes(
	struct fer_trail *t, const struct fer_doc_policy *p, const struct fer_lines *lines)
{
	uint8_t src = p->src.addr.version;
	uint8_t dst = p->dst.addr.version;

	if (src == 0 || dst == 0 || src == dst)
		return 0;
	return fer_trail_fail(
		t, lines->at[FER_POLICY_DST].value, "dst", "is not of the same IP version as src");
}

static int check_ports(
	struct fer_trail *t, const struct fer_doc_policy *p, const struct fer_lines *lines)
{
	static const char why[] = "needs protocol tcp, udp or sctp";
	int rc;

	if (p->protocol == FER_PROTO_TCP || p->protocol == FER_PROTO_UDP ||
		p->protocol == FER_PROTO_SCTP)
		return 0;
	rc = check_absent(t, lines, FER_POLICY_SPORT, "sport", why);
	if (rc == 0)
		rc = check_absent(t, lines, FER_POLICY_DPORT, "dport", why);
	return rc;
}

static int check_icmp_type(
	struct fer_trail *t, const struct fer_doc_policy *p, const struct fer_lines *lines)
{
	if (p->protocol == FER_PROTO_ICMP || p->protocol == FER_PROTO_ICMPV6)
		return 0;
	return check_absent(
		t, lines, FER_POLICY_ICMP_TYPE, "icmp_type", "needs protocol icmp or ipv6-icmp");
}

static int check_action(
	struct fer_trail *t, const struct fer_doc_policy *p, const struct fer_lines *lines)
{
	if (p->action != FER_DOC_PROTECT)
		return check_absent(
			t, lines, FER_POLICY_SAS, "sas", "belongs to action protect only");
	if (!is_given(lines, FER_POLICY_SAS))
		return fer_trail_fail(t, lines->begin, "sas", "is missing");
	if (p->n_groups == 0)
		return fer_trail_fail(t, lines->at[FER_POLICY_SAS].value, "sas", "names no group");
	return 0;
}

int fer_check_policy(
	struct fer_trail *t, const struct fer_policy_draft *d, const struct fer_lines *lines)
{
	int rc = check_prefixes(t, &d->policy, lines);

	if (rc == 0)
		rc = check_ports(t, &d->policy, lines);
	if (rc == 0)
		rc = check_icmp_type(t, &d->policy, lines);
	if (rc == 0)
		rc = check_action(t, &d->policy, lines);
	return rc;
}
