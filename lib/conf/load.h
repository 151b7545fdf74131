// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// Walks the events of a document under the schema and fills the document.

#include "conf/document.h"

// doc is empty but for its name, and the caller's to destroy whatever comes back.  is_part: groups
// may be named that the document does not have.
// Returns 0, or -errno with err set.
__attribute__((warn_unused_result)) int fer_load(struct fer_doc *doc, const void *bytes, size_t len,
	bool is_part, struct fer_doc_error *err);
