// SPDX-License-Identifier: BSD-3-Clause
#include "files.h"

#include "../ferrule-pcap/capture.h"
#include "nic/segment.h"

#include <pcap/dlt.h>
#include <stdio.h>
#include <string.h>

#define FIRST_SECOND 1 // some programs take 0 for no time at all

static_assert(FER_GEN_ERROR_BYTES >= FER_CAPTURE_ERROR_BYTES, "errors of files are passed on");

static int write_burst(struct fer_capture_out *out, struct rte_mbuf *m[], unsigned n,
	uint64_t first, char error[FER_GEN_ERROR_BYTES])
{
	int rc = 0;

	for (unsigned i = 0; i < n; i++) {
		uint64_t us = first + i;
		const struct fer_capture_packet c = {
			.bytes = rte_pktmbuf_mtod(m[i], const uint8_t *),
			.cap_len = m[i]->pkt_len,
			.len = m[i]->pkt_len,
			.when = {.tv_sec = (time_t)(us / 1000000 + FIRST_SECOND),
				.tv_nsec = (long)(us % 1000000) * 1000},
		};

		if (rc == 0)
			rc = fer_capture_out_write(out, &c, error);
		rte_pktmbuf_free(m[i]);
	}
	return rc;
}

static int write_all(struct fer_gen_source *s, struct fer_capture_out *out, uint64_t n,
	const volatile sig_atomic_t *stop, char error[FER_GEN_ERROR_BYTES])
{
	struct rte_mbuf *m[FER_GEN_BURST];
	int rc = 0;

	for (uint64_t done = 0; done < n && rc == 0;) {
		unsigned part = (unsigned)RTE_MIN(n - done, (uint64_t)FER_GEN_BURST);

		if (*stop != 0)
			return fer_gen_fail(error, "interrupted: there is no file");
		rc = fer_gen_source_next(s, part, m, error);
		if (rc == 0)
			rc = write_burst(out, m, part, done, error);
		done += part;
	}
	return rc;
}

int fer_gen_write_file(struct fer_gen_source *s, uint64_t n, const char *path,
	const volatile sig_atomic_t *stop, char error[FER_GEN_ERROR_BYTES])
{
	const struct fer_capture_format format = {.link_type = DLT_EN10MB};
	struct fer_capture_out *out = fer_capture_out_open(path, format, error);

	if (out == NULL)
		return -1;
	if (write_all(s, out, n, stop, error) == 0)
		return fer_capture_out_finish(out, error);
	fer_capture_out_abort(out);
	return -1;
}

static int take(struct fer_gen_receiver *r, struct rte_mempool *pool, enum fer_link link,
	const struct fer_capture_packet *c, char error[FER_GEN_ERROR_BYTES])
{
	struct rte_mbuf *m = fer_segment_make(c->bytes, c->cap_len, pool);

	if (m != NULL && fer_gen_receive(r, &m, 1, link))
		return 0;
	return fer_gen_fail(error, "no memory for packets");
}

int fer_gen_read_file(struct fer_gen_receiver *r, struct rte_mempool *pool, const char *path,
	const volatile sig_atomic_t *stop, char error[FER_GEN_ERROR_BYTES])
{
	struct fer_capture *in = fer_capture_open(path, error);
	struct fer_capture_packet c;
	int more = 0, rc = 0;

	if (in == NULL)
		return -1;
	enum fer_link link = fer_capture_format(in).link_type == DLT_EN10MB ? FER_LINK_ETHERNET
									    : FER_LINK_RAW_IP;
	while (rc == 0 && (more = fer_capture_read(in, &c, error)) > 0)
		rc = *stop != 0 ? fer_gen_fail(error, "interrupted: not all was read")
				: take(r, pool, link, &c, error);
	fer_capture_close(in);
	return rc != 0 || more < 0 ? -1 : 0;
}
