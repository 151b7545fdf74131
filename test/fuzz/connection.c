// SPDX-License-Identifier: BSD-3-Clause
#include "connection.h"

#include "box.h"
#include "plain.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

// --- documents ----------------------------------------------------------------------------------

static const char *text_of(const struct ref_addr *a, char text[INET6_ADDRSTRLEN])
{
	return inet_ntop(a->version == 4 ? AF_INET : AF_INET6, a->bytes, text, INET6_ADDRSTRLEN);
}

static void write_key(FILE *f, const char *field, const struct ref_algo *a, const uint8_t *key)
{
	if (a->key_bytes + a->salt_bytes == 0)
		return;
	fprintf(f, ", %s: \"", field);
	for (unsigned i = 0; i < a->key_bytes + a->salt_bytes; i++)
		fprintf(f, "%02x", key[i]);
	fputs("\"", f);
}

static void write_esp(FILE *f, const struct ref_transform *t)
{
	if (!t->used)
		return;
	fprintf(f, ", esp: {spi: %#" PRIx32 ", encryption: %s", t->spi, t->cipher->name);
	write_key(f, "encryption_key", t->cipher, t->cipher_key);
	if (t->integrity != NULL) {
		fprintf(f, ", integrity: %s", t->integrity->name);
		write_key(f, "integrity_key", t->integrity, t->integrity_key);
	} else {
		fprintf(f, ", icv_bytes: %u", t->icv_bytes);
	}
	fputs("}", f);
}

static void write_ah(FILE *f, const struct ref_transform *t)
{
	if (!t->used)
		return;
	fprintf(f, ", ah: {spi: %#" PRIx32 ", integrity: %s", t->spi, t->integrity->name);
	write_key(f, "integrity_key", t->integrity, t->integrity_key);
	fputs("}", f);
}

static void write_outer(FILE *f, const struct ref_sa *sa)
{
	static const char *const dfs[] = {"copy", "set", "clear"};

	fprintf(f, ", outer: {ttl: %u, df: %s", sa->ttl, dfs[sa->df]);
	if (sa->dscp != REF_COPY)
		fprintf(f, ", dscp: %d", sa->dscp);
	if (sa->flow_label != REF_COPY)
		fprintf(f, ", flow_label: %d", sa->flow_label);
	fputs("}", f);
}

static void write_sa(FILE *f, const struct connection *c, unsigned k, bool sender)
{
	const struct ref_sa *sa = &c->sa[k];
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

	fprintf(f, "  - {name: c%u.%u, direction: %s, mode: %s, src: \"%s\", dst: \"%s\"",
		c->number, k, sender ? "out" : "in", sa->tunnel ? "tunnel" : "transport",
		text_of(&sa->src, src), text_of(&sa->dst, dst));
	write_esp(f, &sa->esp);
	write_ah(f, &sa->ah);
	fprintf(f, ", esn: %s, sequence: %" PRIu64, sa->esn ? "true" : "false", c->sequence[k]);
	if (sa->udp)
		fprintf(f, ", udp: {sport: %u, dport: %u}", sa->sport, sa->dport);
	if (sender && c->pad_to[k] != 0)
		fprintf(f, ", tfc: {pad_to: %" PRIu32 "}", c->pad_to[k]);
	if (!sender)
		fprintf(f, ", replay_window: %" PRIu32, c->window[k]);
	else if (sa->tunnel)
		write_outer(f, sa);
	fputs("}\n", f);
}

static void write_policy(FILE *f, const struct connection *c, unsigned v6, bool sender)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];
	unsigned len = (v6 ? 128 : 32) - (c->one_host ? 0 : 16);

	fprintf(f,
		"  - {name: c%u.%s, direction: %s, src: \"%s/%u\", dst: \"%s/%u\", "
		"action: protect, sas: [",
		c->number, v6 ? "v6" : "v4", sender ? "out" : "in", text_of(&c->net[v6][0], src),
		len, text_of(&c->net[v6][1], dst), len);
	for (unsigned k = 0; k < c->n_sas; k++)
		fprintf(f, "%sc%u.%u", k > 0 ? ", " : "", c->number, k);
	fputs("]}\n", f);
}

char *connections_document(
	const struct connection *c, unsigned n, const struct features *features, bool sender)
{
	char *text;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (f == NULL)
		abort();
	if (features->legacy)
		fputs("legacy_algorithms: true\n", f);
	fputs("sas:\n", f);
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < c[i].n_sas; k++)
			write_sa(f, &c[i], k, sender);
	fputs("policies:\n", f);
	for (unsigned i = 0; i < n; i++)
		for (unsigned v6 = 0; v6 < 2; v6++)
			if (c[i].carries[v6])
				write_policy(f, &c[i], v6, sender);
	fclose(f);
	return text;
}

// --- random -------------------------------------------------------------------------------------

// Addresses of connection number; what tells its networks and tunnels apart.
static struct ref_addr address(uint8_t version, unsigned number, unsigned what, unsigned side)
{
	struct ref_addr a = {.version = version};

	if (version == 4) {
		a.bytes[0] = 10;
		a.bytes[1] = (uint8_t)(number * 8 + what * 2 + side);
	} else {
		memcpy(a.bytes, (const uint8_t[]){0xfd, 0, (uint8_t)number, (uint8_t)what}, 4);
		a.bytes[8] = (uint8_t)side;
	}
	return a;
}

static const struct ref_algo *pick(struct rng *r, const bool has[],
	const struct ref_algo *(*row)(unsigned), const struct ref_algo *cipher)
{
	for (;;) {
		unsigned i = rng_below(r, 32);

		// GMAC in ESP stands for no encryption: RFC 4543 section 3.
		if (has[i] &&
			(cipher == NULL || cipher->kind == REF_PLAIN || row(i)->kind != REF_GMAC))
			return row(i);
	}
}

static void make_esp(struct rng *r, const struct features *f, struct ref_transform *t)
{
	t->used = true;
	t->spi = 256 + rng_below(r, UINT32_MAX - 256);
	t->cipher = pick(r, f->cipher, ref_cipher, NULL);
	if (!t->cipher->aead)
		t->integrity = pick(r, f->integrity, ref_integrity, t->cipher);
	const struct ref_algo *icv = t->cipher->aead ? t->cipher : t->integrity;
	t->icv_bytes = icv->icv_least + 4 * rng_below(r, (icv->icv_bytes - icv->icv_least) / 4 + 1);
	rng_fill(r, t->cipher_key, sizeof(t->cipher_key));
	rng_fill(r, t->integrity_key, sizeof(t->integrity_key));
}

static void make_ah(struct rng *r, const struct features *f, struct ref_transform *t)
{
	t->used = true;
	t->spi = 256 + rng_below(r, UINT32_MAX - 256);
	t->integrity = pick(r, f->integrity, ref_integrity, NULL);
	t->icv_bytes = t->integrity->icv_bytes;
	rng_fill(r, t->integrity_key, sizeof(t->integrity_key));
}

static void make_transforms(struct rng *r, const struct features *f, struct ref_sa *sa)
{
	switch (rng_below(r, 5)) {
	case 0:
		if (f->ah) {
			make_ah(r, f, &sa->ah);
			return;
		}
		break;
	case 1:
		if (f->both)
			make_ah(r, f, &sa->ah);
		break;
	case 2:
		sa->udp = f->udp;
		sa->sport = (uint16_t)(rng_below(r, 2) ? 4500 : 10000 + rng_below(r, 50000));
		sa->dport = 4500;
		break;
	default:
		break;
	}
	make_esp(r, f, &sa->esp);
}

static void make_tunnel(struct rng *r, unsigned number, unsigned k, struct ref_sa *sa)
{
	uint8_t version = rng_below(r, 2) ? 4 : 6;

	sa->tunnel = true;
	sa->src = address(version, number, 1 + k, 0);
	sa->dst = address(version, number, 1 + k, 1);
	sa->dscp = rng_below(r, 2) ? REF_COPY : (int)rng_below(r, 64);
	sa->flow_label = rng_below(r, 2) ? REF_COPY : (int)rng_below(r, 1 << 20);
	sa->df = (enum ref_df)rng_below(r, 3);
	sa->ttl = (uint8_t)(1 + rng_below(r, 255));
}

// Where numbers start: with ESN often close to the end of a low half.
static uint64_t first_number(struct rng *r, bool esn)
{
	if (rng_below(r, 2))
		return rng_below(r, 1000);
	if (!esn)
		return rng_below(r, UINT32_MAX - 1000000);
	return ((rng_next(r) >> (2 + rng_below(r, 32))) | UINT32_MAX) - rng_below(r, 300);
}

static void make_networks(struct connection *c)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		c->carries[v6] = true;
		for (unsigned side = 0; side < 2; side++)
			c->net[v6][side] = address(v6 ? 6 : 4, c->number, 0, side);
	}
}

// Transport mode: one pair of hosts.
static void make_hosts(struct rng *r, struct connection *c, struct ref_sa *sa)
{
	unsigned v6 = rng_below(r, 2);

	c->carries[!v6] = false;
	c->one_host = true;
	for (unsigned side = 0; side < 2; side++)
		c->net[v6][side].bytes[v6 ? 15 : 3] = (uint8_t)(1 + rng_below(r, 254));
	sa->src = c->net[v6][0];
	sa->dst = c->net[v6][1];
}

void connection_make(struct rng *r, const struct features *f, unsigned number, struct connection *c)
{
	static const uint32_t windows[] = {256, 300, 1024, 1024, 4096, 65536};

	*c = (struct connection){.number = number, .n_sas = rng_once_in(r, 4) ? 2 : 1};
	make_networks(c);
	for (unsigned k = 0; k < c->n_sas; k++) {
		struct ref_sa *sa = &c->sa[k];
		bool inside = c->n_sas == 2 && k == 0;

		make_transforms(r, f, sa);
		if (c->sa[0].udp && k > 0) // the contract knows no UDP in UDP
			sa->udp = false;
		sa->esn = rng_below(r, 2);
		if (k == 0 && (rng_below(r, 2) || (inside && !f->nested_tunnels)))
			make_hosts(r, c, sa);
		else
			make_tunnel(r, number, k, sa);
		if (f->tfc && sa->esp.used && rng_once_in(r, 4))
			c->pad_to[k] = 4 + rng_below(r, rng_below(r, 2) ? 100 : 2000);
		c->window[k] = windows[rng_below(r, sizeof(windows) / sizeof(windows[0]))];
		c->sequence[k] = first_number(r, sa->esn);
		c->sent[k] = c->made[k] = c->sequence[k];
	}
}

// --- features -----------------------------------------------------------------------------------

static const struct features all = {.ah = true, .both = true, .udp = true, .nested_tunnels = true};

// A connection of one tunnel with null and the first HMAC.
static struct connection simple(unsigned number)
{
	struct connection c = {.number = number, .n_sas = 1, .window = {256, 256}};

	make_networks(&c);
	c.sa[0].tunnel = true;
	c.sa[0].ttl = 64;
	c.sa[0].src = address(4, number, 1, 0);
	c.sa[0].dst = address(4, number, 1, 1);
	c.sa[0].esp = (struct ref_transform){.used = true,
		.spi = 256 + number,
		.cipher = ref_cipher(0),
		.integrity = ref_integrity(0),
		.icv_bytes = ref_integrity(0)->icv_bytes};
	return c;
}

static bool is_supported(const struct connection *c, bool legacy)
{
	struct features f = all;
	char error[BOX_ERROR_BYTES];
	bool ok = true;

	f.legacy = legacy;
	for (unsigned sender = 0; ok && sender < 2; sender++) {
		char *text = connections_document(c, 1, &f, sender);
		struct box *b = box_open(text, error);

		ok = b != NULL;
		if (!ok && strstr(error, "not supported by this version") == NULL) {
			fprintf(stderr, "refused: %s\n%s", error, text);
			exit(EXIT_FAILURE);
		}
		box_close(b);
		free(text);
	}
	return ok;
}

static bool has_ah(bool and_esp)
{
	struct connection c = simple(0);

	c.sa[0].ah = c.sa[0].esp;
	c.sa[0].ah.cipher = NULL;
	c.sa[0].esp.used = and_esp;
	c.sa[0].ah.spi = 4096;
	return is_supported(&c, false);
}

static bool has_nested_tunnels(void)
{
	struct connection c = simple(0);

	c.n_sas = 2;
	c.sa[1] = simple(1).sa[0];
	return is_supported(&c, false);
}

static bool has_tfc(void)
{
	struct connection c = simple(0);

	c.pad_to[0] = 64;
	return is_supported(&c, false);
}

static bool has_udp(void)
{
	struct connection c = simple(0);

	c.sa[0].udp = true;
	c.sa[0].sport = c.sa[0].dport = 4500;
	return is_supported(&c, false);
}

static bool has_algo(const struct ref_algo *cipher, const struct ref_algo *integrity, bool legacy)
{
	struct connection c = simple(0);

	c.sa[0].esp.cipher = cipher;
	c.sa[0].esp.integrity = cipher->aead ? NULL : integrity;
	c.sa[0].esp.icv_bytes = cipher->aead ? cipher->icv_bytes : integrity->icv_bytes;
	for (unsigned i = 0; i < REF_MAX_KEY; i++) // no weak key of DES
		c.sa[0].esp.cipher_key[i] = (uint8_t)(i * 37 + 2);
	return is_supported(&c, legacy);
}

void connection_plain(
	struct rng *r, const struct connection *c, uint32_t most, struct ref_packet *p)
{
	unsigned v6 = rng_below(r, 2);
	struct ref_addr ends[2];

	v6 = c->carries[v6] ? v6 : !v6;
	for (unsigned side = 0; side < 2; side++) {
		ends[side] = c->net[v6][side];
		if (!c->one_host)
			rng_fill(r, ends[side].bytes + (v6 ? 14 : 2), 2);
	}
	const struct plain_wish wish = {
		.src = &ends[0],
		.dst = &ends[1],
		.most = most,
		.may_be_fragment = c->sa[0].tunnel,
	};
	plain_make(r, &wish, p);
}

struct features features_find(void)
{
	struct connection c = simple(0);
	struct features f = {.legacy = is_supported(&c, true)};

	for (unsigned i = 0; ref_cipher(i) != NULL; i++)
		f.cipher[i] = has_algo(ref_cipher(i), ref_integrity(0), f.legacy);
	for (unsigned i = 0; ref_integrity(i) != NULL; i++)
		f.integrity[i] = has_algo(ref_cipher(0), ref_integrity(i), f.legacy);
	f.ah = has_ah(false);
	f.both = has_ah(true);
	f.udp = has_udp();
	f.nested_tunnels = has_nested_tunnels();
	f.tfc = has_tfc();
	return f;
}

unsigned features_print(const struct features *f, FILE *to)
{
	unsigned n = 0;

	for (unsigned i = 0; ref_cipher(i) != NULL; i++)
		if (!f->cipher[i] && ++n > 0)
			fprintf(to, " %s", ref_cipher(i)->name);
	for (unsigned i = 0; ref_integrity(i) != NULL; i++)
		if (!f->integrity[i] && ++n > 0)
			fprintf(to, " %s", ref_integrity(i)->name);
	if (!f->ah && ++n > 0)
		fputs(" AH", to);
	if (!f->both && ++n > 0)
		fputs(" ESP-inside-AH", to);
	if (!f->udp && ++n > 0)
		fputs(" UDP", to);
	if (!f->nested_tunnels && ++n > 0)
		fputs(" tunnel-in-tunnel", to);
	if (!f->tfc && ++n > 0)
		fputs(" TFC", to);
	fputs(n == 0 ? " nothing\n" : "\n", to);
	return n;
}
