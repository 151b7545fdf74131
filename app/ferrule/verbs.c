// SPDX-License-Identifier: BSD-3-Clause
#include "verbs.h"

#include <string.h>

#define MANY 65536

static const struct verb verbs[] = {
	{.words = {"sa", "add"},
		.usage = "-f DOC",
		.help = "Adds the SAs of a document: all or none.",
		.needs_file = true,
		.run = verb_sa_add},
	{.words = {"sa", "swap"},
		.usage = "-f DOC [--drain SECONDS]",
		.help = "Adds the SAs of a document, makes its outbound ones the active ones of "
			"their groups,\nand deletes what those groups had before: outbound SAs at "
			"once, inbound ones after the\ndrain (5 seconds).",
		.needs_file = true,
		.drains = true,
		.run = verb_sa_swap},
	{.words = {"sa", "list"}, .usage = "", .help = "Lists the SAs.", .run = verb_sa_list},
	{.words = {"sa", "show"},
		.usage = "NAME|HANDLE",
		.help = "Shows one SA.",
		.names = NAMES_SAS,
		.least = 1,
		.most = 1,
		.run = verb_sa_show},
	{.words = {"sa", "activate"},
		.usage = "NAME|HANDLE",
		.help = "Makes an outbound SA the one its group sends with.",
		.names = NAMES_SAS,
		.least = 1,
		.most = 1,
		.answers_nothing = true,
		.run = verb_sa_activate},
	{.words = {"sa", "update"},
		.usage = "NAME|HANDLE --sequence-high N",
		.help = "Moves the upper half of the numbers of an SA with ESN forward "
			"(UPDATE_SA).",
		.names = NAMES_SAS,
		.needs_high = true,
		.least = 1,
		.most = 1,
		.answers_nothing = true,
		.run = verb_sa_update},
	{.words = {"sa", "delete"},
		.usage = "NAME|HANDLE...",
		.help = "Deletes SAs: all or none.  When it comes back their keys are wiped.",
		.names = NAMES_SAS,
		.least = 1,
		.most = MANY,
		.answers_nothing = true,
		.run = verb_sa_delete},
	{.words = {"policy", "add"},
		.usage = "-f DOC",
		.help = "Adds the policies of a document: all or none.",
		.needs_file = true,
		.answers_nothing = true,
		.run = verb_policy_add},
	{.words = {"policy", "list"},
		.usage = "",
		.help = "Lists the policies.",
		.run = verb_policy_list},
	{.words = {"policy", "delete"},
		.usage = "NAME...",
		.help = "Deletes policies: all or none.",
		.names = NAMES_POLICIES,
		.least = 1,
		.most = MANY,
		.answers_nothing = true,
		.run = verb_policy_delete},
	{.words = {"caps"},
		.usage = "[--hardware|--current|--default]",
		.help = "Shows what can be offloaded: by the hardware, as it is configured (the "
			"default), or as\na client is told when it connects.",
		.kinds = {"hardware", "current", "default"},
		.run = verb_caps},
	{.words = {"offload", "set"},
		.usage = "ipsec=disabled|ah|esp|ah+esp",
		.help = "Configures the offload (OID_TCP_OFFLOAD_PARAMETERS); what is forbidden "
			"is dropped.",
		.least = 1,
		.most = 1,
		.answers_nothing = true,
		.run = verb_offload_set},
	{.words = {"encapsulation"},
		.usage = "on|off [--ipv4|--ipv6]",
		.help = "Begins or ends all offloads of both IP versions or of one "
			"(OID_OFFLOAD_ENCAPSULATION).",
		.kinds = {"ipv4", "ipv6"},
		.least = 1,
		.most = 1,
		.answers_nothing = true,
		.run = verb_encapsulation},
	{.words = {"reset"},
		.usage = "",
		.help = "Resets a pair: what is asked of it at the moment is aborted, its ports "
			"begin "
			"anew, and\nits SAs, policies and settings stay.",
		.answers_nothing = true,
		.run = verb_reset},
	{.words = {"oid"},
		.usage = "FILE|- [OID [set|query] [room=N]]",
		.help = "Sends information buffers of OID requests as they are, and shows each "
			"completion field by\nfield.  A text has a line \"OID [set|query] "
			"[room=N]\" in front of each buffer, which is hex\nas people, dump "
			"programs and debuggers write it; bytes are one buffer, or messages "
			"of\nthe control socket.  Next is an offset from the start of the buffer.",
		.names = NAMES_OIDS,
		.least = 1,
		.most = 4,
		.run = verb_oid},
	{.words = {"stats"},
		.usage = "[--port|--sa|--worker|--drops]",
		.help = "Shows counters: of ports (the default), of SAs, of workers, or what "
			"became "
			"of the\npackets that came in at each port.",
		.kinds = {"port", "sa", "worker", "drops"},
		.run = verb_stats},
	{.words = {"ports"}, .usage = "", .help = "Lists the ports.", .run = verb_ports},
	{.words = {"watch"},
		.usage = "",
		.help = "Prints indications as they come, one a line.",
		.run = verb_watch},
	{.words = {"version"},
		.usage = "",
		.help = "Shows the versions of this program and of the daemon.",
		.run = verb_version},
};

#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

const struct verb *verb_at(unsigned place)
{
	return place < N_VERBS ? &verbs[place] : NULL;
}

const struct verb *verb_find(char *const words[], int n, int *taken)
{
	for (size_t i = 0; i < N_VERBS; i++) {
		*taken = verbs[i].words[1] == NULL ? 1 : 2;
		if (n >= *taken && strcmp(words[0], verbs[i].words[0]) == 0 &&
			(*taken == 1 || strcmp(words[1], verbs[i].words[1]) == 0))
			return &verbs[i];
	}
	return NULL;
}

bool verb_begins(const char *word)
{
	for (size_t i = 0; i < N_VERBS; i++)
		if (verbs[i].words[1] != NULL && strcmp(word, verbs[i].words[0]) == 0)
			return true;
	return false;
}

bool verb_takes_kind(const struct verb *v, const char *kind)
{
	for (size_t i = 0; v->kinds[i] != NULL; i++)
		if (strcmp(v->kinds[i], kind) == 0)
			return true;
	return false;
}
