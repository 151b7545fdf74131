// SPDX-License-Identifier: BSD-3-Clause
#include "service_parts.h"

#include <string.h>

#define EVENT_STATUS FER_MSG_EVENT_STATUS

static void answer_offload(struct fer_ctl_request *r, const struct ndis_offload *o)
{
	struct fer_msg_buf b = {0};

	fer_msg_put_offload(&b, o);
	fer_service_answer(r, &b);
}

static struct ndis_offload hardware_of(const struct fer_offload *o)
{
	return o->hardware;
}

// Of the pair that is meant; of all of them what they have in common.
static void answer_with(const struct fer_service *s, struct fer_ctl_request *r,
	struct ndis_offload (*of)(const struct fer_offload *o))
{
	const uint16_t pair = fer_ctl_request_header(r)->pair;
	struct ndis_offload o = of(&s->pairs[pair == FER_MSG_ALL_PAIRS ? 0 : pair].offload);

	for (unsigned i = 1; pair == FER_MSG_ALL_PAIRS && i < s->n_pairs; i++) {
		const struct ndis_offload other = of(&s->pairs[i].offload);

		o = fer_offload_common(&o, &other);
	}
	answer_offload(r, &o);
}

void fer_service_hardware_capabilities(
	void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	(void)data, (void)len; // a query that brings something is answered all the same
	answer_with(arg, r, hardware_of);
}

void fer_service_current_config(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	(void)data, (void)len;
	answer_with(arg, r, fer_offload_current);
}

static void indicate_offload(struct fer_ctl_server *server, const struct fer_pair *p,
	uint32_t status, const struct ndis_offload *o)
{
	struct fer_msg_buf b = {0};

	fer_msg_put_offload(&b, o);
	if (!b.failed)
		fer_ctl_indicate(server, (uint16_t)p->number, EVENT_STATUS, status, b.bytes, b.len);
	fer_msg_buf_fini(&b);
}

// Section 4: after every set that succeeds, and once it is in force.
static void indicate_config(struct fer_ctl_server *server, const struct fer_pair *p)
{
	const struct ndis_offload now = fer_offload_current(&p->offload);

	indicate_offload(server, p, NDIS_STATUS_TASK_OFFLOAD_CURRENT_CONFIG, &now);
}

static bool are_ports_there(const struct fer_pair *p)
{
	for (unsigned side = 0; side < FER_N_SIDES; side++)
		if (atomic_load_explicit(&p->port[side].is_lost, memory_order_relaxed))
			return false;
	return true;
}

// Section 4: the configuration is told for another reason only where it has changed.
void fer_service_watch_ports(struct fer_ctl_server *server, struct fer_pair *p)
{
	const struct ndis_offload before = fer_offload_current(&p->offload);

	if (!fer_offload_set_ports(&p->offload, are_ports_there(p)))
		return;
	const struct ndis_offload now = fer_offload_current(&p->offload);
	indicate_offload(
		server, p, NDIS_STATUS_TASK_OFFLOAD_HARDWARE_CAPABILITIES, &p->offload.hardware);
	if (memcmp(&before, &now, sizeof(now)) != 0)
		indicate_config(server, p);
}

static void complete_set(struct fer_ctl_request *r, uint8_t revision)
{
	const struct fer_ctl_result result = {.revision = revision};

	fer_ctl_complete(r, &result);
}

// Keeps what will be configured for the next start.  It waits for the disk: people change settings,
// and seldom.
static uint32_t keep(const struct fer_pair *p, const struct ndis_offload_parameters *params,
	const struct fer_keywords *keywords, struct fer_doc_error *err)
{
	if (p->keywords[0] == '\0' ||
		(params->flags & NDIS_OFFLOAD_PARAMETERS_SKIP_REGISTRY_UPDATE) != 0 ||
		fer_keywords_save(p->keywords, p->name, keywords, err) == 0)
		return NDIS_STATUS_SUCCESS;
	return NDIS_STATUS_FAILURE;
}

void fer_service_offload_parameters(
	void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct fer_ctl_server *server = fer_ctl_request_server(r);
	struct fer_pair *p = fer_service_pair(arg, r);
	struct ndis_offload_parameters params;
	struct fer_keywords keywords;
	struct fer_msg_fault fault;
	struct fer_doc_error err;
	const char *why;
	uint32_t status = fer_msg_get_offload_parameters(data, len, &params, &fault);

	if (status != NDIS_STATUS_SUCCESS) {
		fer_service_refuse(r, status, &fault);
		return;
	}
	status = fer_offload_read_parameters(&p->offload, &params, &keywords, &why);
	if (status == NDIS_STATUS_SUCCESS) {
		why = err.text;
		status = keep(p, &params, &keywords, &err);
	}
	if (status != NDIS_STATUS_SUCCESS) {
		fer_ctl_refuse(r, status, 0, FER_MSG_NO_ELEMENT, why);
		return;
	}
	fer_offload_configure(&p->offload, &keywords);
	complete_set(r, params.header.revision);
	indicate_config(server, p);
}

void fer_service_encapsulation(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	const struct ndis_offload_encapsulation *e =
		&fer_service_pair(arg, r)->offload.encapsulation;
	struct fer_msg_buf b = {0};

	(void)data, (void)len;
	if (e->ipv4.enabled == 0 && e->ipv6.enabled == 0) {
		fer_ctl_refuse(r, NDIS_STATUS_FAILURE, 0, FER_MSG_NO_ELEMENT, "was not set yet");
		return;
	}
	fer_msg_put_offload_encapsulation(&b, e);
	fer_service_answer(r, &b);
}

static void indicate_encapsulation(struct fer_ctl_server *server, const struct fer_pair *p)
{
	struct fer_msg_buf b = {0};

	fer_msg_put_offload_encapsulation(&b, &p->offload.encapsulation);
	if (!b.failed)
		fer_ctl_indicate(server, (uint16_t)p->number, EVENT_STATUS,
			NDIS_STATUS_OFFLOAD_ENCASPULATION_CHANGE, b.bytes, b.len);
	fer_msg_buf_fini(&b);
}

void fer_service_set_encapsulation(
	void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct fer_ctl_server *server = fer_ctl_request_server(r);
	struct fer_pair *p = fer_service_pair(arg, r);
	struct ndis_offload_encapsulation e;
	struct fer_msg_fault fault;
	const char *why = NULL;
	bool is_new = false;
	uint32_t status = fer_msg_get_offload_encapsulation(data, len, &e, &fault);

	if (status != NDIS_STATUS_SUCCESS) {
		fer_service_refuse(r, status, &fault);
		return;
	}
	status = fer_offload_encapsulate(&p->offload, &e, &is_new, &why);
	if (status != NDIS_STATUS_SUCCESS) {
		fer_ctl_refuse(r, status, 0, FER_MSG_NO_ELEMENT, why);
		return;
	}
	complete_set(r, e.header.revision);
	indicate_config(server, p);
	if (is_new)
		indicate_encapsulation(server, p);
}

void fer_service_describe(const struct fer_pair *p, struct fer_msg_pair *msg)
{
	*msg = (struct fer_msg_pair){.pair = (uint16_t)p->number,
		.host_mode = p->is_oob ? FER_MSG_HOST_OOB : FER_MSG_HOST_STACK,
		.default_offload = fer_offload_current(&p->offload)};
	fer_msg_set_string(msg->name, sizeof(msg->name), p->name[0] != '\0' ? p->name : "default");
}
