// SPDX-License-Identifier: BSD-3-Clause
#include "service_parts.h"

#include "sa/dummy.h"

#include "base/verdict.h"
#include "sa/udp.h"

#include <errno.h>
#include <inttypes.h>
#include <rte_ethdev.h>
#include <rte_mempool.h>
#include <stdio.h>
#include <string.h>

// --- ports --------------------------------------------------------------------------------------

static bool is_asked(const struct fer_ctl_request *r, unsigned pair)
{
	const uint16_t asked = fer_ctl_request_header(r)->pair;

	return asked == FER_MSG_ALL_PAIRS || asked == pair;
}

static struct fer_msg_port describe_port(const struct fer_pair *p, enum fer_side side)
{
	const struct fer_port *port = &p->port[side];
	struct fer_msg_port m = {.pair = (uint16_t)p->number,
		.mtu = port->mtu,
		.role = side == FER_HOST_SIDE ? FER_MSG_PORT_HOST : FER_MSG_PORT_WIRE};
	struct rte_ether_addr mac;
	struct rte_eth_link link;

	fer_msg_set_string(m.name, sizeof(m.name), port->name);
	if (rte_eth_macaddr_get(port->id, &mac) == 0)
		memcpy(m.mac, mac.addr_bytes, sizeof(m.mac));
	m.link = fer_carrier_look(&port->carrier) == FER_CARRIER_UP;
	if (rte_eth_link_get_nowait(port->id, &link) == 0)
		m.mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
	return m;
}

void fer_service_port_list(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	const struct fer_service *s = arg;
	struct fer_msg_buf b = {0};

	(void)data, (void)len;
	fer_msg_put_list(&b, sizeof(struct fer_msg_port));
	for (unsigned i = 0; i < s->n_pairs; i++)
		for (unsigned side = 0; is_asked(r, i) && side < FER_N_SIDES; side++) {
			const struct fer_msg_port m =
				describe_port(&s->pairs[i], (enum fer_side)side);

			fer_msg_put_element(&b, &m, sizeof(m));
		}
	fer_service_answer(r, &b);
}

// --- SAs ----------------------------------------------------------------------------------------

struct sa_numbers {
	uint64_t sequence;
	uint64_t packets;
	uint64_t bytes;
	uint64_t dummies;
	uint64_t verdicts[FER_N_SA_VERDICTS];
	uint64_t drops;
};

static uint64_t count_dummies(const struct fer_pair *p, const struct fer_sa *sa)
{
	return sa->out.dummy == 0 ? 0
				  : atomic_load_explicit(&fer_dummy_at(p->sas, sa->out.dummy)->made,
					    memory_order_relaxed);
}

// Workers count meanwhile: each number is right, not all of one moment.
static struct sa_numbers count_sa(const struct fer_pair *p, const struct fer_pair_sa *known)
{
	const struct fer_sa *sa = fer_sa_at(p->sas, (uint32_t)known->handle);
	struct sa_numbers n = {0};

	if (sa->direction == FER_OUT) {
		n.sequence = fer_seq_last(&sa->out.seq);
		n.packets = fer_seq_packets(&sa->out.seq);
		n.bytes = fer_seq_bytes(&sa->out.seq);
		n.dummies = count_dummies(p, sa);
	} else {
		n.sequence = fer_replay_top(&sa->in.replay);
		n.packets = __atomic_load_n(&sa->in.packets, __ATOMIC_RELAXED);
		n.bytes = __atomic_load_n(&sa->in.bytes, __ATOMIC_RELAXED);
	}
	for (unsigned v = 0; v < FER_N_SA_VERDICTS; v++) {
		n.verdicts[v] = fer_sa_drops(p->sas, sa, (enum fer_verdict)v);
		n.drops += n.verdicts[v];
	}
	return n;
}

static uint32_t flags_of(const struct fer_pair *p, const struct fer_pair_sa *sa)
{
	const struct fer_sa *block = fer_pair_sa_block(sa);
	const bool is_active = block->direction == FER_OUT && sa->group != FER_NO_GROUP &&
			       fer_group_active(p->sas, sa->group) == sa->handle;
	const unsigned life = atomic_load_explicit(&block->life, memory_order_relaxed);

	return ((life & FER_LIFE_SOFT) != 0 ? FER_MSG_SA_SOFT : 0) |
	       ((life & (FER_LIFE_HARD | FER_LIFE_NUMBERS)) != 0 ? FER_MSG_SA_STOPPED : 0) |
	       (block->suite.esn ? FER_MSG_SA_ESN : 0) | (is_active ? FER_MSG_SA_ACTIVE : 0) |
	       (sa->is_draining ? FER_MSG_SA_DRAINING : 0);
}

// What only outbound SAs have.
static void describe_out(
	const struct fer_pair *p, const struct fer_sa *sa, struct fer_msg_sa_info *m)
{
	const struct fer_outer_rules *outer = &sa->out.template.rules;

	m->pad_to = sa->out.pad_to;
	if (sa->out.dummy != 0)
		m->dummy_rate = fer_dummy_at(p->sas, sa->out.dummy)->rate;
	if (sa->mode == FER_TUNNEL)
		m->outer = (struct fer_msg_outer){.flow_label = outer->flow_label,
			.dscp = outer->dscp,
			.df = outer->df,
			.ttl = outer->ttl};
}

static void set_algorithm(char name[FER_MSG_ALGORITHM_BYTES], uint8_t number)
{
	if (number != FER_PAIR_NO_ALGO)
		fer_msg_set_string(name, FER_MSG_ALGORITHM_BYTES, fer_algo_row(number)->name);
}

static struct fer_msg_sa_info describe_sa(const struct fer_pair *p, const struct fer_pair_sa *sa)
{
	const struct fer_sa *block = fer_pair_sa_block(sa);
	const struct fer_lifetime lifetime = fer_sa_lifetime(p->sas, block);
	const struct sa_numbers n = count_sa(p, sa);
	struct fer_peer peer;
	struct fer_msg_sa_info m = {
		.flags = flags_of(p, sa),
		.handle = sa->handle,
		.esp_spi = rte_cpu_to_be_32(fer_pair_sa_spi(sa, FER_PROTO_ESP)),
		.ah_spi = rte_cpu_to_be_32(fer_pair_sa_spi(sa, FER_PROTO_AH)),
		.sequence = n.sequence,
		.packets = n.packets,
		.bytes = n.bytes,
		.drops = n.drops,
		.added_ns = sa->added_ns,
		.direction = block->direction == FER_OUT ? FER_MSG_OUT : FER_MSG_IN,
		.mode = block->mode == FER_TUNNEL ? FER_MSG_TUNNEL : FER_MSG_TRANSPORT,
		.version = block->version,
		.icv_bytes = block->suite.icv_bytes,
		.dummies = n.dummies,
	};

	if (block->direction == FER_OUT)
		describe_out(p, block, &m);
	else
		m.replay_window = block->in.replay.n_pkts;
	if (fer_sa_peer(p->sas, sa->handle, &peer)) {
		m.udp_sport = sa->udp->asked.sport;
		m.udp_dport = sa->udp->asked.dport;
		m.peer_port = peer.port;
		memcpy(m.peer, peer.addr.bytes, sizeof(m.peer));
	}
	memcpy(&m.lifetime, &lifetime, sizeof(m.lifetime));
	fer_msg_set_string(m.name, sizeof(m.name), sa->named.name);
	if (sa->group != FER_NO_GROUP)
		fer_msg_set_string(
			m.group, sizeof(m.group), fer_groups_name(&p->groups, sa->group));
	set_algorithm(m.esp_encryption, sa->encryption);
	set_algorithm(m.esp_integrity, sa->integrity);
	set_algorithm(m.ah_integrity, sa->ah_integrity);
	memcpy(m.src, fer_sa_src(block), sizeof(m.src));
	memcpy(m.dst, block->dst, sizeof(m.dst));
	return m;
}

// A walk over the live SAs of a pair; the cursor is the next index of the table.
struct sa_walk {
	const struct fer_pair *pair;
	struct fer_msg_page page;
	uint32_t at;
	uint32_t n;
};

// The next one, unless the page has been filled or another element of that size finds no room in
// the answer.  NULL: no more.
static const struct fer_pair_sa *next_sa(
	struct sa_walk *w, const struct fer_msg_buf *b, size_t bytes, uint32_t room)
{
	const uint32_t capacity = fer_sa_capacity(w->pair->sas);

	while (w->at < capacity && w->pair->by_index[w->at] == NULL)
		w->at++;
	if (w->at == capacity || (w->page.max != 0 && w->n == w->page.max) ||
		(w->n > 0 && b->len + bytes > room))
		return NULL;
	w->n++;
	return w->pair->by_index[w->at++];
}

static void end_walk(const struct sa_walk *w, struct fer_msg_buf *b)
{
	if (w->at < fer_sa_capacity(w->pair->sas))
		fer_msg_put_cursor(b, w->at);
}

// False: the request is refused.
static bool begin_walk(const struct fer_service *s, struct fer_ctl_request *r, const void *data,
	size_t len, struct sa_walk *w)
{
	struct fer_msg_fault fault;
	uint32_t status;

	*w = (struct sa_walk){.pair = fer_service_pair(s, r)};
	status = fer_msg_get_page(data, len, &w->page, &fault);
	if (status != NDIS_STATUS_SUCCESS) {
		fer_service_refuse(r, status, &fault);
		return false;
	}
	w->at = w->page.cursor < fer_sa_capacity(w->pair->sas) ? (uint32_t)w->page.cursor
							       : fer_sa_capacity(w->pair->sas);
	return true;
}

void fer_service_sa_list(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	const uint32_t room = fer_ctl_request_header(r)->room;
	const struct fer_pair_sa *sa;
	struct fer_msg_buf b = {0};
	struct sa_walk w;

	if (!begin_walk(arg, r, data, len, &w))
		return;
	fer_msg_put_list(&b, sizeof(struct fer_msg_sa_info));
	while ((sa = next_sa(&w, &b, sizeof(struct fer_msg_sa_info), room)) != NULL) {
		const struct fer_msg_sa_info m = describe_sa(w.pair, sa);

		fer_msg_put_element(&b, &m, sizeof(m));
	}
	end_walk(&w, &b);
	fer_service_answer(r, &b);
}

void fer_service_sa_show(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	const struct fer_pair *p = fer_service_pair(arg, r);
	struct fer_msg_array list;
	struct fer_msg_sa_ref ref;
	struct fer_msg_fault fault;
	struct fer_msg_buf b = {0};
	uint32_t status = fer_msg_get_sa_refs(data, len, &list, &fault);

	if (status != NDIS_STATUS_SUCCESS) {
		fer_service_refuse(r, status, &fault);
		return;
	}
	fer_msg_put_list(&b, sizeof(struct fer_msg_sa_info));
	for (uint32_t i = 0; i < list.n; i++) {
		fer_msg_list_at(&list, i, &ref, sizeof(ref));
		const struct fer_pair_sa *sa = fer_service_find(p, &ref);

		if (sa == NULL) {
			fer_msg_buf_fini(&b);
			fer_service_fail(r, -ENOENT, i, "there is no such SA");
			return;
		}
		const struct fer_msg_sa_info m = describe_sa(p, sa);
		fer_msg_put_element(&b, &m, sizeof(m));
	}
	fer_service_answer(r, &b);
}

// --- numbers ------------------------------------------------------------------------------------

#define SA_FIXED 5

void fer_service_stats_sa(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	const uint32_t room = fer_ctl_request_header(r)->room;
	const char *columns[SA_FIXED + FER_N_SA_VERDICTS] = {
		"handle", "sequence", "packets", "bytes", "dummies"};
	uint64_t row[SA_FIXED + FER_N_SA_VERDICTS];
	const uint32_t n_columns = SA_FIXED + FER_N_SA_VERDICTS - 1; // without OK
	const struct fer_pair_sa *sa;
	struct fer_msg_buf b = {0};
	struct sa_walk w;

	static_assert(FER_OK == 0, "the first verdict is no drop");
	if (!begin_walk(arg, r, data, len, &w))
		return;
	for (unsigned v = 1; v < FER_N_SA_VERDICTS; v++)
		columns[SA_FIXED + v - 1] = fer_verdict_name((enum fer_verdict)v);
	fer_msg_put_table(&b, columns, n_columns);
	while ((sa = next_sa(&w, &b, FER_MSG_NAME_BYTES + sizeof(row), room)) != NULL) {
		const struct sa_numbers n = count_sa(w.pair, sa);
		const uint64_t fixed[SA_FIXED] = {
			sa->handle, n.sequence, n.packets, n.bytes, n.dummies};

		memcpy(row, fixed, sizeof(fixed));
		memcpy(row + SA_FIXED, n.verdicts + 1, sizeof(n.verdicts) - sizeof(n.verdicts[0]));
		fer_msg_put_row(&b, sa->named.name, row, n_columns);
	}
	end_walk(&w, &b);
	fer_service_answer(r, &b);
}

// Refuses a page that makes no sense.  What follows is short: it is told in one page.
static bool is_page(struct fer_ctl_request *r, const void *data, size_t len)
{
	struct fer_msg_page page;
	struct fer_msg_fault fault;
	uint32_t status = fer_msg_get_page(data, len, &page, &fault);

	if (status != NDIS_STATUS_SUCCESS)
		fer_service_refuse(r, status, &fault);
	return status == NDIS_STATUS_SUCCESS;
}

static struct fer_port_counters count_port(
	const struct fer_service *s, unsigned pair, enum fer_side side)
{
	struct fer_port_counters sum = {0};

	for (unsigned w = 0; w < s->workers->n; w++)
		fer_workers_count(s->workers, w, pair, side, &sum);
	return sum;
}

void fer_service_stats_port(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	static const char *const columns[] = {"rx_packets", "rx_bytes", "tx_packets", "tx_bytes",
		"rx_missed", "rx_errors", "rx_no_buffer", "tx_errors", "mbufs_in_use", "mbufs"};
	const struct fer_service *s = arg;
	struct fer_msg_buf b = {0};

	if (!is_page(r, data, len))
		return;
	fer_msg_put_table(&b, columns, RTE_DIM(columns));
	for (unsigned i = 0; i < s->n_pairs; i++)
		for (unsigned side = 0; is_asked(r, i) && side < FER_N_SIDES; side++) {
			const struct fer_port *port = &s->pairs[i].port[side];
			const struct rte_mempool *pool = s->pairs[i].pool; // of both
			const struct fer_port_counters c = count_port(s, i, (enum fer_side)side);
			struct rte_eth_stats e = {0};

			(void)rte_eth_stats_get(port->id, &e); // what it does not know is 0
			const uint64_t row[] = {c.rx_packets, c.rx_bytes, c.tx_packets, c.tx_bytes,
				e.imissed, e.ierrors, e.rx_nombuf, e.oerrors,
				rte_mempool_in_use_count(pool), pool->size};
			fer_msg_put_row(&b, port->name, row, RTE_DIM(row));
		}
	fer_service_answer(r, &b);
}

void fer_service_stats_worker(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	static const char *const columns[] = {
		"lcore", "queues", "rounds", "rx_packets", "rx_bytes", "tx_packets", "tx_bytes"};
	const struct fer_service *s = arg;
	struct fer_msg_buf b = {0};

	if (!is_page(r, data, len))
		return;
	fer_msg_put_table(&b, columns, RTE_DIM(columns));
	for (unsigned w = 0; w < s->workers->n; w++) {
		const struct fer_worker *worker = &s->workers->worker[w];
		struct fer_port_counters c = {0};
		char label[32];

		for (unsigned i = 0; i < s->n_pairs; i++)
			for (unsigned side = 0; is_asked(r, i) && side < FER_N_SIDES; side++)
				fer_workers_count(s->workers, w, i, (enum fer_side)side, &c);
		const uint64_t row[] = {worker->lcore, worker->n_lanes,
			atomic_load_explicit(&worker->beat, memory_order_relaxed), c.rx_packets,
			c.rx_bytes, c.tx_packets, c.tx_bytes};
		snprintf(label, sizeof(label), "worker-%u", worker->id);
		fer_msg_put_row(&b, label, row, RTE_DIM(row));
	}
	fer_service_answer(r, &b);
}

void fer_service_stats_drop(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	const char *columns[FER_N_VERDICTS];
	const struct fer_service *s = arg;
	struct fer_msg_buf b = {0};

	if (!is_page(r, data, len))
		return;
	for (unsigned v = 0; v < FER_N_VERDICTS; v++)
		columns[v] = fer_verdict_name((enum fer_verdict)v);
	fer_msg_put_table(&b, columns, FER_N_VERDICTS);
	for (unsigned i = 0; i < s->n_pairs; i++)
		for (unsigned side = 0; is_asked(r, i) && side < FER_N_SIDES; side++) {
			const struct fer_port_counters c = count_port(s, i, (enum fer_side)side);

			static_assert(
				sizeof(c.outcomes.packets) == FER_N_VERDICTS * sizeof(uint64_t),
				"one number for each verdict");
			fer_msg_put_row(&b, s->pairs[i].port[side].name, c.outcomes.packets,
				FER_N_VERDICTS);
		}
	fer_service_answer(r, &b);
}
