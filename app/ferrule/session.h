// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// A connection to the daemon, and what the command line says about it.  What goes wrong is told
// here, in one line on standard error; those who call give up then.

#include "ctl/client.h"

#include <stdbool.h>

#define EXIT_USAGE 2

struct session {
	const char *path;      // of the socket
	const char *pair_name; // NULL: none was chosen
	bool json;
	bool is_quiet;             // nothing is complained of when it cannot be reached
	struct fer_client *client; // NULL until session_open()
};

// False: it cannot be reached.
__attribute__((warn_unused_result)) bool session_open(struct session *s);
void session_close(struct session *s);

uint32_t session_n_pairs(const struct session *s);
struct fer_msg_pair session_pair(const struct session *s, uint32_t i);

// Is that pair chosen?  All are where none was.
bool session_is_chosen(const struct session *s, uint32_t i);

// The pair that a request is for: the one of that name, else the one that was chosen, else the only
// one.  False: there is none, or it is not clear which.
__attribute__((warn_unused_result)) bool session_choose(
	const struct session *s, const char *name, uint16_t *pair);

// Sends what b holds (NULL: nothing) and empties it.  False unless it succeeded; the reply is then
// empty, and told why.
__attribute__((warn_unused_result)) bool session_call(struct session *s, enum fer_msg_type type,
	uint32_t oid, uint16_t pair, struct fer_msg_buf *b, struct fer_client_reply *reply);

// The words of a command line that the elements of a request were made of.
struct session_words {
	char *const *words;
	uint32_t n;
};

// The same; a refusal is told of the word that it is about.
__attribute__((warn_unused_result)) bool session_call_about(struct session *s,
	const struct session_words *about, enum fer_msg_type type, uint32_t oid, uint16_t pair,
	struct fer_msg_buf *b, struct fer_client_reply *reply);

// The same without telling why a refusal came: the reply is the caller's.  False: there is none.
__attribute__((warn_unused_result)) bool session_try(struct session *s, enum fer_msg_type type,
	uint32_t oid, uint16_t pair, struct fer_msg_buf *b, struct fer_client_reply *reply);

// One line: "ferrule: ...".  Returns false.
__attribute__((format(printf, 1, 2))) bool complain(const char *format, ...);
