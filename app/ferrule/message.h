// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Documents to messages of the control socket.

#include "conf/document.h"
#include "ctl/codec.h"

// Keys stay those of the document.
void message_put_sa(struct fer_msg_buf *b, const struct fer_doc *doc, const struct fer_doc_sa *s);
void message_put_policy(
	struct fer_msg_buf *b, const struct fer_doc *doc, const struct fer_doc_policy *p);
