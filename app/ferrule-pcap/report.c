// SPDX-License-Identifier: BSD-3-Clause
#include "report.h"

#include "nic/oob.h"
#include "sa/udp.h"

#include <json-c/json.h>

static void add_u64(struct json_object *o, const char *name, uint64_t v)
{
	json_object_object_add(o, name, json_object_new_uint64(v));
}

static void add_text(struct json_object *o, const char *name, const char *text)
{
	json_object_object_add(o, name, json_object_new_string(text));
}

static bool put_line(FILE *to, struct json_object *o)
{
	const char *text =
		o == NULL ? NULL
			  : json_object_to_json_string_ext(
				    o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	bool ok = text != NULL && fprintf(to, "%s\n", text) > 0;

	json_object_put(o);
	return ok;
}

static struct json_object *start_line(uint64_t number, enum fer_verdict v)
{
	struct json_object *o = json_object_new_object();

	if (o == NULL)
		return NULL;
	add_u64(o, "packet", number);
	add_text(o, "verdict", fer_verdict_name(v));
	return o;
}

static void add_receive_words(struct json_object *o, struct rte_mbuf *m)
{
	const struct fer_oob *w = fer_oob_of(m);
	bool known = (w->header & FER_OOB_HEADER_INFO_SET) != 0;

	add_u64(o, "crypto_done", (w->ipsec & FER_OOB_CRYPTO_DONE) != 0);
	add_u64(o, "next_crypto_done", (w->ipsec & FER_OOB_NEXT_CRYPTO_DONE) != 0);
	add_u64(o, "crypto_status", fer_oob_crypto_status(w));
	add_u64(o, "sa_delete_req", (w->ipsec & FER_OOB_SA_DELETE_REQ) != 0);
	if (known) {
		add_u64(o, "next_header", fer_oob_next_header(w));
		add_u64(o, "pad_length", fer_oob_pad_length(w));
	}
	add_u64(o, "header_info_set", known);
}

// A number that the window refused was never completed: with ESN only its low half is known.
static bool number_is_known(const struct fer_layer *layer, const struct fer_sa *sa)
{
	if (layer->verdict == FER_BAD_SYNTAX && layer->seq == 0)
		return false; // the packet ends before it
	return layer->verdict != FER_REPLAY || layer->verified || !sa->suite.esn;
}

// Layers from the outermost inwards; on the way out they stand the other way round.
static void add_layers(struct json_object *o, const struct fer_report_names *names,
	const struct fer_batch *b, unsigned i, bool protect)
{
	unsigned n = b->pkt[i].n_layers;
	struct json_object *sas = json_object_new_array(), *seqs = json_object_new_array();
	bool all_known = true;

	for (unsigned k = 0; k < n; k++) {
		const struct fer_layer *layer = &b->round[protect ? n - 1 - k : k][i];
		struct fer_sa *sa = fer_sa_at(names->sas, layer->sa);
		const char *name = names->by_index[fer_sa_head(names->sas, sa)->index];
		bool known = number_is_known(layer, sa);

		all_known = all_known && known;
		json_object_array_add(sas, json_object_new_string(name));
		json_object_array_add(seqs, json_object_new_uint64(layer->seq));
		if (k == 0)
			add_text(o, "sa", name);
		if (k == 0 && known)
			add_u64(o, "seq", layer->seq);
	}
	json_object_object_add(o, "sas", sas);
	if (all_known)
		json_object_object_add(o, "seqs", seqs);
	else
		json_object_put(seqs);
}

bool fer_report_packet(FILE *to, const struct fer_report_names *names, const struct fer_batch *b,
	unsigned i, uint64_t number, bool protect)
{
	const struct fer_pkt *p = &b->pkt[i];
	struct json_object *o = start_line(number, (enum fer_verdict)p->verdict);

	if (o == NULL)
		return false;
	if (!protect && b->m[i] != NULL)
		add_receive_words(o, b->m[i]);
	if (p->n_layers > 0)
		add_layers(o, names, b, i, protect);
	add_u64(o, "out_packets", fer_pkt_alive(p));
	return put_line(to, o);
}

bool fer_report_refused(FILE *to, uint64_t number, enum fer_verdict v)
{
	struct json_object *o = start_line(number, v);

	if (o != NULL)
		add_u64(o, "out_packets", 0);
	return put_line(to, o);
}

static struct json_object *sa_sums(const struct fer_report_names *names, uint64_t handle)
{
	const struct fer_sa *sa = fer_sa_at(names->sas, (uint32_t)handle);
	struct json_object *o = json_object_new_object();
	bool out = sa->direction == FER_OUT;
	char text[FER_ADDR_TEXT_BYTES];
	struct fer_peer peer;

	add_text(o, "name", names->by_index[sa->index]);
	add_u64(o, "packets", out ? fer_seq_packets(&sa->out.seq) : sa->in.packets);
	add_u64(o, "bytes", out ? fer_seq_bytes(&sa->out.seq) : sa->in.bytes);
	add_u64(o, "sequence", out ? fer_seq_last(&sa->out.seq) : sa->in.replay.top);
	if (fer_sa_peer(names->sas, handle, &peer)) {
		add_text(o, "peer", fer_addr_text(&peer.addr, text));
		add_u64(o, "peer_port", peer.port);
	}
	return o;
}

bool fer_report_sums(FILE *to, const struct fer_report_names *names, const uint64_t handles[],
	uint32_t n_sas, const struct fer_outcomes *outcomes)
{
	struct json_object *o = json_object_new_object();
	struct json_object *verdicts = json_object_new_object(), *sas = json_object_new_array();
	uint64_t n = 0;

	for (int v = 0; v < FER_N_VERDICTS; v++) {
		n += outcomes->packets[v];
		if (outcomes->packets[v] != 0)
			add_u64(verdicts, fer_verdict_name((enum fer_verdict)v),
				outcomes->packets[v]);
	}
	for (uint32_t i = 0; i < n_sas; i++)
		if (handles[i] != 0)
			json_object_array_add(sas, sa_sums(names, handles[i]));
	add_u64(o, "in_packets", n);
	add_u64(o, "out_packets", outcomes->packets[FER_OK]);
	json_object_object_add(o, "verdicts", verdicts);
	json_object_object_add(o, "sas", sas);
	return put_line(to, o);
}
