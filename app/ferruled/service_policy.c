// SPDX-License-Identifier: BSD-3-Clause
// Policies change one request at a time for each pair: the classifier is built in a thread of its
// own, from copies; the control thread publishes it, or refuses the request with the old ones in
// force.
#include "service_parts.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

static_assert(FER_MSG_POLICY_GROUPS == FER_POLICY_MAX_GROUPS, "groups are copied one by one");
static_assert((int)FER_MSG_PROTECT == FER_POLICY_PROTECT &&
		      (int)FER_MSG_BYPASS == FER_POLICY_BYPASS &&
		      (int)FER_MSG_DISCARD == FER_POLICY_DISCARD,
	"actions have one order");

struct fer_policy_job {
	STAILQ_ENTRY(fer_policy_job) link;
	struct fer_deferred deferred; // once it is published
	struct fer_service *service;
	struct fer_pair *pair;
	struct fer_ctl_request *request;
	struct fer_msg_array list; // in the request, which keeps it
	bool is_delete;
	bool is_cancelled;

	// The thread that builds.
	pthread_t thread;
	struct fer_rules *rules;
	const char *why;
	int error;
	_Atomic bool is_built;
};

struct fer_policy_queue {
	STAILQ_HEAD(fer_policy_job_list, fer_policy_job) jobs; // the first one is being built
};

// --- the new list -------------------------------------------------------------------------------

static struct fer_prefix prefix(uint8_t version, const uint8_t bytes[16], uint8_t len)
{
	struct fer_prefix p = {.addr = {.version = version}, .len = len};

	memcpy(p.addr.bytes, bytes, version == 4 ? 4 : version == 6 ? 16 : 0);
	return p;
}

static void from_message(const struct fer_msg_policy *m, struct fer_named_policy *named)
{
	*named = (struct fer_named_policy){
		.rule = {.direction = m->direction == FER_MSG_OUT ? FER_OUT : FER_IN,
			.priority = m->priority,
			.src = prefix(m->src_version, m->src, m->src_len),
			.dst = prefix(m->dst_version, m->dst, m->dst_len),
			.protocol = m->protocol == FER_MSG_ANY ? FER_PROTO_ANY : m->protocol,
			.sport = {m->sport_first, m->sport_last},
			.dport = {m->dport_first, m->dport_last},
			.icmp_type = m->icmp_type == FER_MSG_ANY ? -1 : (int16_t)m->icmp_type,
			.action = (enum fer_policy_action)m->action,
			.n_groups = m->n_groups}};
	memcpy(named->name, m->name, sizeof(named->name));
	for (unsigned g = 0; g < m->n_groups; g++)
		memcpy(named->groups[g], m->group[g], sizeof(named->groups[g]));
}

// Names of policies, each with its place in the list; to find those that are there twice.
struct places {
	struct fer_names names;
	struct fer_named *named;
};

static int places_init(struct places *p, uint32_t n)
{
	p->named = calloc(n + 1u, sizeof(p->named[0]));
	if (p->named == NULL)
		return -ENOMEM;
	int error = fer_names_init(&p->names);
	if (error != 0)
		free(p->named);
	return error;
}

static void places_fini(struct places *p)
{
	fer_names_fini(&p->names);
	free(p->named);
}

// The name stays where it is as long as there are places.
static int places_put(struct places *p, uint32_t i, const char *name)
{
	p->named[i].name = name;
	return fer_names_put(&p->names, &p->named[i]);
}

struct change {
	struct fer_named_policy *to; // the new list
	uint32_t n;
	uint32_t element; // of the request that is at fault
	const char *why;
	char text[128]; // for why
};

// How many of the first n groups of a policy, all of them there, have ESP in UDP?
static unsigned n_with_udp(const struct fer_groups *groups, const struct fer_msg_policy *m,
	enum fer_direction direction, unsigned n)
{
	unsigned found = 0;

	for (unsigned i = 0; i < n; i++)
		found += fer_groups_find(groups, m->group[i])->n_udp_sas[direction] != 0;
	return found;
}

// What documents demand of the groups they bring (conf/build.c) holds for those that are there.  A
// group without any SA, which policies in force name, is one that is there.
static const char *why_not(
	const struct fer_groups *groups, const struct fer_msg_policy *m, unsigned place)
{
	const struct fer_group *g = fer_groups_find(groups, m->group[place]);
	const enum fer_direction direction = m->direction == FER_MSG_OUT ? FER_OUT : FER_IN;

	if (g == NULL)
		return "names no group that is there";
	if (g->members != NULL && g->n_sas[direction] == 0)
		return direction == FER_OUT ? "names a group without an SA of direction out"
					    : "names a group without an SA of direction in";
	if (place > 0 && g->n_transport_sas[direction] > 0)
		return "names a group of transport mode, which only the first, innermost may be";
	if (g->n_udp_sas[direction] != 0 && n_with_udp(groups, m, direction, place) != 0)
		return "names a second group with udp, but nobody opens UDP in UDP";
	return NULL;
}

static int check_groups(
	const struct fer_policy_job *j, const struct fer_msg_policy *m, struct change *c)
{
	for (unsigned place = 0; place < m->n_groups; place++) {
		const char *why = why_not(&j->pair->groups, m, place);

		if (why == NULL)
			continue;
		snprintf(c->text, sizeof(c->text), "sas[%u]: %s", place, why);
		c->why = c->text;
		return -ENOENT;
	}
	return 0;
}

static int append(const struct fer_policy_job *j, struct places *places, struct change *c)
{
	const struct fer_rules *old = j->pair->rules;
	struct fer_msg_policy m;

	for (c->n = 0; c->n < old->n; c->n++) {
		int error = places_put(places, c->n, old->named[c->n].name);

		if (error != 0)
			return error;
		c->to[c->n] = old->named[c->n];
	}
	for (uint32_t i = 0; i < j->list.n; i++, c->n++) {
		fer_msg_list_at(&j->list, i, &m, sizeof(m));
		from_message(&m, &c->to[c->n]);
		int error = places_put(places, c->n, c->to[c->n].name);

		c->element = i;
		if (error == -EEXIST)
			c->why = "a policy of this name is there";
		else if (error == 0)
			error = check_groups(j, &m, c);
		if (error != 0)
			return error;
	}
	c->element = FER_MSG_NO_ELEMENT;
	return 0;
}

static int leave_out(const struct fer_policy_job *j, struct places *places, struct change *c)
{
	const struct fer_rules *old = j->pair->rules;
	struct fer_msg_policy_ref ref;

	for (uint32_t i = 0; i < old->n; i++) {
		int error = places_put(places, i, old->named[i].name);

		if (error != 0)
			return error;
	}
	for (uint32_t i = 0; i < j->list.n; i++) {
		fer_msg_list_at(&j->list, i, &ref, sizeof(ref));
		struct fer_named *named = fer_names_find(&places->names, ref.name);

		if (named == NULL) {
			c->element = i;
			c->why = "there is no such policy";
			return -ENOENT;
		}
		fer_names_remove(&places->names, named);
	}
	for (uint32_t i = 0; i < old->n; i++)
		if (fer_names_find(&places->names, old->named[i].name) != NULL)
			c->to[c->n++] = old->named[i];
	return 0;
}

static int make_rules(struct fer_policy_job *j, struct change *c)
{
	const struct fer_rules *old = j->pair->rules;
	const uint32_t most = old->n + (j->is_delete ? 0 : j->list.n);
	struct places places;
	int error;

	if (places_init(&places, most) != 0)
		return -ENOMEM;
	c->to = calloc(most + 1u, sizeof(c->to[0]));
	error = c->to == NULL  ? -ENOMEM
		: j->is_delete ? leave_out(j, &places, c)
			       : append(j, &places, c);
	if (error == 0) {
		j->rules = fer_rules_create(&j->pair->groups, &old->settings, c->to, c->n, &error);
		if (error == -ENOSPC)
			c->why = "there are too many groups";
	}
	free(c->to);
	places_fini(&places);
	return error;
}

// --- building -----------------------------------------------------------------------------------

static void *build(void *arg)
{
	const uint64_t one = 1;
	struct fer_policy_job *j = arg;
	const int fd = j->service->built_fd;

	j->error = fer_rules_build(j->rules, &j->why);
	atomic_store_explicit(&j->is_built, true, memory_order_release);
	(void)!write(fd, &one, sizeof(one)); // the job may be gone already
	return NULL;
}

static void end_job(struct fer_policy_job *j, int error, uint32_t element, const char *why)
{
	if (error == 0)
		fer_ctl_complete_status(j->request, NDIS_STATUS_SUCCESS);
	else
		fer_service_fail(j->request, error, element, why);
	free(j);
}

// No worker sees the old policies any more.
static void complete_job(struct fer_deferred *d)
{
	struct fer_policy_job *j =
		(struct fer_policy_job *)(void *)((char *)d -
						  offsetof(struct fer_policy_job, deferred));

	end_job(j, 0, FER_MSG_NO_ELEMENT, NULL);
}

// Starts the first job of a pair that can be started.
static void start_next(struct fer_policy_queue *q)
{
	struct fer_policy_job *j;

	while ((j = STAILQ_FIRST(&q->jobs)) != NULL) {
		struct change c = {.element = FER_MSG_NO_ELEMENT};
		int error = make_rules(j, &c);

		if (error == 0)
			error = -pthread_create(&j->thread, NULL, build, j);
		if (error == 0)
			return;
		STAILQ_REMOVE_HEAD(&q->jobs, link);
		fer_rules_destroy(j->rules);
		end_job(j, error, c.element, c.why);
	}
}

// The thread of the first job has ended.
static void finish_first(struct fer_policy_queue *q)
{
	struct fer_policy_job *j = STAILQ_FIRST(&q->jobs);

	STAILQ_REMOVE_HEAD(&q->jobs, link);
	(void)pthread_join(j->thread, NULL);
	if (j->is_cancelled)
		j->error = -ECANCELED;
	if (j->error != 0) {
		fer_rules_destroy(j->rules);
		end_job(j, j->error, FER_MSG_NO_ELEMENT, j->why);
		return;
	}
	fer_ctl_request_on_cancel(j->request, NULL, NULL); // it is done
	fer_pair_publish(j->pair, j->rules);
	fer_grace_defer(j->service->grace, &j->deferred, complete_job);
	fer_service_stir(j->service);
}

static void on_built(evutil_socket_t fd, short what, void *arg)
{
	struct fer_service *s = arg;
	uint64_t n;

	(void)what;
	(void)!read(fd, &n, sizeof(n));
	for (unsigned i = 0; i < s->n_pairs; i++) {
		struct fer_policy_queue *q = &s->policies[i];
		struct fer_policy_job *j = STAILQ_FIRST(&q->jobs);

		if (j == NULL || !atomic_load_explicit(&j->is_built, memory_order_acquire))
			continue;
		finish_first(q);
		start_next(q);
	}
}

// What is being built is dropped when it is; what waits behind it never begins.
static void cancel(struct fer_ctl_request *r, void *arg)
{
	struct fer_policy_job *j = arg;
	struct fer_policy_queue *q = &j->service->policies[j->pair->number];

	(void)r;
	j->is_cancelled = true;
	if (j == STAILQ_FIRST(&q->jobs))
		return;
	STAILQ_REMOVE(&q->jobs, j, fer_policy_job, link);
	end_job(j, -ECANCELED, FER_MSG_NO_ELEMENT, NULL);
}

static void begin(struct fer_service *s, struct fer_ctl_request *r,
	const struct fer_msg_array *list, bool is_delete)
{
	struct fer_pair *p = fer_service_pair(s, r);
	struct fer_policy_queue *q = &s->policies[p->number];
	struct fer_policy_job *j = calloc(1, sizeof(*j));
	const bool is_first = STAILQ_EMPTY(&q->jobs);

	if (j == NULL) {
		fer_service_fail(r, -ENOMEM, FER_MSG_NO_ELEMENT, NULL);
		return;
	}
	j->service = s;
	j->pair = p;
	j->request = r;
	j->list = *list;
	j->is_delete = is_delete;
	STAILQ_INSERT_TAIL(&q->jobs, j, link);
	fer_ctl_request_on_cancel(r, cancel, j);
	if (is_first)
		start_next(q);
}

void fer_service_policy_add(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct fer_msg_array list;
	struct fer_msg_fault fault;
	uint32_t status = fer_msg_get_policies(data, len, &list, &fault);

	if (fer_service_is_oob(arg, r))
		return;
	if (status != NDIS_STATUS_SUCCESS)
		fer_service_refuse(r, status, &fault);
	else
		begin(arg, r, &list, false);
}

void fer_service_policy_delete(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	struct fer_msg_array list;
	struct fer_msg_fault fault;
	uint32_t status = fer_msg_get_policy_refs(data, len, &list, &fault);

	if (fer_service_is_oob(arg, r))
		return;
	if (status != NDIS_STATUS_SUCCESS)
		fer_service_refuse(r, status, &fault);
	else
		begin(arg, r, &list, true);
}

// --- the list -----------------------------------------------------------------------------------

static struct fer_msg_policy to_message(const struct fer_named_policy *named)
{
	const struct fer_policy_rule *r = &named->rule;
	struct fer_msg_policy m = {
		.priority = r->priority,
		.src_version = r->src.addr.version,
		.dst_version = r->dst.addr.version,
		.src_len = r->src.len,
		.dst_len = r->dst.len,
		.protocol = r->protocol == FER_PROTO_ANY ? FER_MSG_ANY : r->protocol,
		.icmp_type = r->icmp_type < 0 ? FER_MSG_ANY : (uint16_t)r->icmp_type,
		.sport_first = r->sport.from,
		.sport_last = r->sport.to,
		.dport_first = r->dport.from,
		.dport_last = r->dport.to,
		.direction = r->direction == FER_OUT ? FER_MSG_OUT : FER_MSG_IN,
		.action = (uint8_t)r->action,
		.n_groups = r->n_groups,
	};

	memcpy(m.name, named->name, sizeof(m.name));
	memcpy(m.src, r->src.addr.bytes, sizeof(m.src));
	memcpy(m.dst, r->dst.addr.bytes, sizeof(m.dst));
	for (unsigned g = 0; g < r->n_groups; g++)
		memcpy(m.group[g], named->groups[g], sizeof(m.group[g]));
	return m;
}

// The cursor is the serial number of the next one.
void fer_service_policy_list(void *arg, struct fer_ctl_request *r, const void *data, size_t len)
{
	const struct fer_rules *rules = fer_service_pair(arg, r)->rules;
	const uint32_t room = fer_ctl_request_header(r)->room;
	struct fer_msg_page page;
	struct fer_msg_fault fault;
	struct fer_msg_buf b = {0};
	uint32_t n = 0, at = 0, status = fer_msg_get_page(data, len, &page, &fault);

	if (status != NDIS_STATUS_SUCCESS) {
		fer_service_refuse(r, status, &fault);
		return;
	}
	fer_msg_put_list(&b, sizeof(struct fer_msg_policy));
	while (at < rules->n && rules->named[at].serial < page.cursor)
		at++;
	for (; at < rules->n && (page.max == 0 || n < page.max); at++, n++) {
		const struct fer_msg_policy m = to_message(&rules->named[at]);

		if (b.len + sizeof(m) > room && n > 0)
			break;
		fer_msg_put_element(&b, &m, sizeof(m));
	}
	if (at < rules->n)
		fer_msg_put_cursor(&b, rules->named[at].serial);
	fer_service_answer(r, &b);
}

// --- the whole ----------------------------------------------------------------------------------

int fer_service_policy_init(struct fer_service *s)
{
	s->policies = calloc(s->n_pairs, sizeof(s->policies[0]));
	if (s->policies == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < s->n_pairs; i++)
		STAILQ_INIT(&s->policies[i].jobs);
	s->built_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->built_fd < 0)
		return -errno;
	s->built = event_new(s->base, s->built_fd, EV_READ | EV_PERSIST, on_built, s);
	if (s->built == NULL || event_add(s->built, NULL) != 0)
		return -ENOMEM;
	return 0;
}

void fer_service_policy_fini(struct fer_service *s)
{
	for (unsigned i = 0; s->policies != NULL && i < s->n_pairs; i++) {
		struct fer_policy_queue *q = &s->policies[i];
		struct fer_policy_job *j = STAILQ_FIRST(&q->jobs);

		if (j != NULL)
			(void)pthread_join(j->thread, NULL);
		while ((j = STAILQ_FIRST(&q->jobs)) != NULL) {
			STAILQ_REMOVE_HEAD(&q->jobs, link);
			fer_rules_destroy(j->rules);
			end_job(j, -ECANCELED, FER_MSG_NO_ELEMENT, NULL);
		}
	}
	if (s->built != NULL)
		event_free(s->built);
	if (s->built_fd >= 0)
		(void)close(s->built_fd);
	free(s->policies);
}
