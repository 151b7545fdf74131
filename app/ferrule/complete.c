// SPDX-License-Identifier: BSD-3-Clause
#include "complete.h"

#include "fields.h"
#include "pages.h"
#include "print.h"
#include "verbs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 64

struct completion {
	struct session session;
	char *words[MAX_WORDS]; // without options
	int n;
	bool is_value; // of the option before it
	const char *prefix;
	complete_add *add;
	void *arg;
};

static void offer(const struct completion *c, const char *word)
{
	if (strncmp(word, c->prefix, strlen(c->prefix)) == 0)
		c->add(c->arg, word);
}

// Does a word of the line take the next one as its value?  Notes those that say where to ask.
static bool takes_value(struct completion *c, const char *option, const char *value)
{
	static const char *const others[] = {"-f", "--file", "--drain", "--sequence-high"};

	if (strcmp(option, "-s") == 0 || strcmp(option, "--socket") == 0)
		c->session.path = value == NULL ? c->session.path : value;
	else if (strcmp(option, "--pair") == 0)
		c->session.pair_name = value;
	else {
		for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
			if (strcmp(option, others[i]) == 0)
				return true;
		return false;
	}
	return true;
}

static void read_words(struct completion *c, int n, char *const before[])
{
	for (int i = 0; i < n; i++) {
		if (takes_value(c, before[i], i + 1 < n ? before[i + 1] : NULL)) {
			c->is_value = i + 1 == n;
			i++;
		} else if (before[i][0] != '-' && c->n < MAX_WORDS) {
			c->words[c->n++] = before[i];
		}
	}
}

// The first words of all verbs, or the second ones of those that begin alike.
static void offer_verbs(const struct completion *c)
{
	const struct verb *v;
	const char *last = "";

	for (unsigned i = 0; (v = verb_at(i)) != NULL; i++) {
		if (c->n == 1 && strcmp(v->words[0], c->words[0]) != 0)
			continue;
		if (v->words[c->n] == NULL || strcmp(v->words[c->n], last) == 0)
			continue;
		last = v->words[c->n];
		offer(c, last);
	}
}

static void offer_options(const struct completion *c, const struct verb *v)
{
	static const char *const all[] = {"--json", "--pair", "--socket", "--help"};
	char option[32];

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		offer(c, all[i]);
	if (v == NULL) {
		offer(c, "--version");
		return;
	}
	if (v->needs_file)
		offer(c, "--file");
	if (v->drains)
		offer(c, "--drain");
	if (v->needs_high)
		offer(c, "--sequence-high");
	for (size_t i = 0; v->kinds[i] != NULL; i++) {
		snprintf(option, sizeof(option), "--%s", v->kinds[i]);
		offer(c, option);
	}
}

static void take_sa(struct json_object *list, const char *pair, const void *element)
{
	const struct fer_msg_sa_info *info = element;

	if (info->name[0] != '\0')
		put_text(add_object(list), "name", info->name);
	(void)pair;
}

static void take_policy(struct json_object *list, const char *pair, const void *element)
{
	const struct fer_msg_policy *policy = element;

	put_text(add_object(list), "name", policy->name);
	(void)pair;
}

static void offer_oids(const struct completion *c)
{
	const char *name;

	for (unsigned i = 0; (name = fields_name_at(i)) != NULL; i++)
		offer(c, name);
}

static void offer_names(struct completion *c, enum verb_names names)
{
	struct json_object *list = make_list();

	c->session.is_quiet = true;
	if (session_open(&c->session) &&
		(names == NAMES_SAS ? pages_list(&c->session, FER_MSG_SA_LIST,
					      sizeof(struct fer_msg_sa_info), take_sa, list)
				    : pages_list(&c->session, FER_MSG_POLICY_LIST,
					      sizeof(struct fer_msg_policy), take_policy, list)))
		for (size_t i = 0; i < json_object_array_length(list); i++)
			offer(c, json_object_get_string(json_object_object_get(
					 json_object_array_get_idx(list, i), "name")));
	session_close(&c->session);
	json_object_put(list);
}

void complete(const struct session *defaults, int n, char *const before[], const char *prefix,
	complete_add *add, void *arg)
{
	struct completion c = {.session = *defaults, .prefix = prefix, .add = add, .arg = arg};
	const struct verb *v;
	int taken;

	read_words(&c, n, before);
	v = verb_find(c.words, c.n, &taken);
	if (c.is_value)
		return; // a file, a socket, a number
	if (prefix[0] == '-')
		offer_options(&c, v);
	else if (v == NULL && c.n < 2)
		offer_verbs(&c);
	else if (v != NULL && v->names == NAMES_OIDS) {
		if (c.n - taken == 1)
			offer_oids(&c); // behind a file
	} else if (v != NULL && v->names != NAMES_OTHER && c.n - taken < v->most)
		offer_names(&c, v->names);
}
