// SPDX-License-Identifier: BSD-3-Clause
// The library's calls for one job at a time: what it computes side by side it returns late, in
// another call.
//
// Of some algorithms it reads the last block of a text whole, however little of it is text.  What
// it reads there does not count, and harms nobody as long as it lies in the page in which the text
// ends; where it does not, the text is worked on elsewhere.
#include "crypto/imb.h"

#include "base/secret.h"

#define PAGE_BYTES 4096
#define BLOCK_BYTES 16

static size_t text_bytes(const IMB_JOB *j)
{
	return j->msg_len_to_cipher_in_bytes > j->msg_len_to_hash_in_bytes
		       ? j->msg_len_to_cipher_in_bytes
		       : j->msg_len_to_hash_in_bytes;
}

static bool leaves_the_page(const IMB_JOB *j)
{
	size_t last = text_bytes(j) - 1;
	uintptr_t text = (uintptr_t)j->src;

	return (text + last) / PAGE_BYTES != (text + (last | (BLOCK_BYTES - 1))) / PAGE_BYTES;
}

static void finish(const IMB_JOB *done)
{
	*(IMB_STATUS *)done->user_data = done->status;
}

static void submit(IMB_MGR *m)
{
	for (const IMB_JOB *done = IMB_SUBMIT_JOB_NOCHECK(m); done != NULL;
		done = IMB_GET_COMPLETED_JOB(m))
		finish(done);
}

static void flush(IMB_MGR *m)
{
	const IMB_JOB *done;

	while ((done = IMB_FLUSH_JOB(m)) != NULL)
		finish(done);
}

__attribute__((noinline)) static void submit_in_scratch(
	struct fer_engine *e, IMB_MGR *m, IMB_JOB *job)
{
	const size_t len = text_bytes(job);
	uint8_t *dst = job->dst;

	memcpy(e->scratch, job->src, len);
	job->src = job->dst = e->scratch;
	submit(m);
	flush(m);
	if (dst != NULL)
		memcpy(dst, e->scratch, len);
	fer_secret_wipe(e->scratch, len);
}

void fer_imb_job_submit(struct fer_engine *e, IMB_MGR *m, IMB_JOB *job, IMB_STATUS *status)
{
	*status = IMB_STATUS_BEING_PROCESSED;
	job->user_data = status;
	if (job->src != e->scratch && leaves_the_page(job))
		submit_in_scratch(e, m, job);
	else
		submit(m);
}

void fer_imb_jobs_end(IMB_MGR *m)
{
	flush(m);
}

void fer_imb_jobs_run(struct fer_engine *e, IMB_MGR *m, IMB_JOB *jobs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		IMB_JOB *next = IMB_GET_NEXT_JOB(m);

		*next = jobs[i];
		fer_imb_job_submit(e, m, next, &jobs[i].status);
	}
	fer_imb_jobs_end(m);
}
