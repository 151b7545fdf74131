// SPDX-License-Identifier: BSD-3-Clause
#include "html.h"

#include "../common/outfile.h"
#include "compare.h"
#include "nic/batch.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#define LABEL_WIDTH 320
#define PLOT_WIDTH 620
#define SPREAD_WIDTH 60 // of what is wider than the plot
#define BAR_HEIGHT 16
#define ROW_HEIGHT 22

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
	"<title>ferrule-bench path</title>\n"
	"<style>\n"
	"body{font:14px/1.4 sans-serif;margin:2em;color:#222}\n"
	"table{border-collapse:collapse}td,th{padding:.15em "
	".6em;text-align:right;white-space:nowrap}\n"
	"td:first-child,th:first-child,.l{text-align:left}tr:nth-child(even){background:#f4f4f4}\n"
	"h3{font-size:1em;margin:1.2em 0 .2em}th{border-bottom:1px solid #888}\n"
	".slower{color:#b00;font-weight:bold}.faster{color:#070;font-weight:bold}\n"
	"svg text{font:12px sans-serif}\n"
	"</style>\n<h1>ferrule-bench path</h1>\n";

// Texts come from a command line and from files.
static void put_text(FILE *f, const char *text)
{
	for (; *text != '\0'; text++)
		switch (*text) {
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '&':
			fputs("&amp;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			fputc(*text, f);
		}
}

static const char *text_of(struct json_object *o, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(o, name, &value) ? json_object_get_string(value) : "";
}

static double number_of(struct json_object *o, const char *name)
{
	struct json_object *value;

	return json_object_object_get_ex(o, name, &value) ? json_object_get_double(value) : 0;
}

static double ticks_of(struct json_object *row, const char *name)
{
	struct json_object *ticks;

	return json_object_object_get_ex(row, "ticks", &ticks) ? number_of(ticks, name) : 0;
}

static void put_versions(FILE *f, struct json_object *libraries)
{
	const char *between = "";

	json_object_object_foreach(libraries, name, version)
	{
		fputs(between, f);
		put_text(f, name);
		fputs(": ", f);
		put_text(f, json_object_get_string(version));
		between = ", ";
	}
}

static void put_machine(FILE *f, struct json_object *machine)
{
	fputs("<table>\n", f);
	json_object_object_foreach(machine, name, value)
	{
		fputs("<tr><td>", f);
		put_text(f, name);
		fputs("<td class=l>", f);
		if (json_object_is_type(value, json_type_object))
			put_versions(f, value);
		else
			put_text(f, json_object_get_string(value));
		fputc('\n', f);
	}
	fputs("</table>\n", f);
}

// --- plot ---------------------------------------------------------------------------------------

// Rows that one plot compares; it has a scale of its own.
static bool is_of_one_plot(struct json_object *a, struct json_object *b)
{
	static const char *const same[] = {"direction", "algorithm", "size"};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		if (strcmp(text_of(a, same[i]), text_of(b, same[i])) != 0)
			return false;
	return true;
}

// Of the plot to which a row belongs.
static size_t rows_beside(struct json_object *rows, struct json_object *row, double *largest)
{
	size_t n = 0;

	*largest = 1;
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		struct json_object *other = json_object_array_get_idx(rows, i);
		double median = ticks_of(other, "median");

		if (!is_of_one_plot(row, other))
			continue;
		n++;
		*largest = median > *largest ? median : *largest;
	}
	return n;
}

static void put_label(FILE *f, struct json_object *row)
{
	fputs("bursts of ", f);
	put_text(f, text_of(row, "burst"));
	if (number_of(row, "sas") > 1)
		fprintf(f, " %s SAs", text_of(row, "sas"));
	if (number_of(row, "workers") > 1)
		fprintf(f, " %s workers", text_of(row, "workers"));
	if (number_of(row, "policies") > 1)
		fprintf(f, " %s policies", text_of(row, "policies"));
	if (strcmp(text_of(row, "shape"), "overlapping") == 0)
		fputs(", overlapping", f);
	if (number_of(row, "flows") > 1)
		fprintf(f, " %s flows", text_of(row, "flows"));
	if (strcmp(text_of(row, "packets"), "cold") == 0)
		fputs(" cold", f);
}

static void put_bar(FILE *f, unsigned y, double from, double to, double scale, const char *color)
{
	fprintf(f, "<rect x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>",
		LABEL_WIDTH + from * scale, y, to > from ? (to - from) * scale : 0, BAR_HEIGHT,
		color);
}

// Bare crypto, what comes on top of it, and the spread.
static void put_bars(FILE *f, struct json_object *row, unsigned y, double scale)
{
	double median = ticks_of(row, "median"), crypto = number_of(row, "crypto_ticks");

	fprintf(f, "<text x=\"%d\" y=\"%u\" text-anchor=\"end\">", LABEL_WIDTH - 8, y + 12);
	put_label(f, row);
	fputs("</text>", f);
	put_bar(f, y, 0, crypto, scale, "#468");
	put_bar(f, y, crypto, median, scale, "#9bd");
	double from = ticks_of(row, "p10") * scale, to = ticks_of(row, "p90") * scale;

	to = to < PLOT_WIDTH + SPREAD_WIDTH ? to : PLOT_WIDTH + SPREAD_WIDTH;
	fprintf(f,
		"<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%u\" y2=\"%u\" stroke=\"#222\"/>"
		"<text x=\"%.1f\" y=\"%u\">%.0f</text>\n",
		LABEL_WIDTH + from, LABEL_WIDTH + to, y + BAR_HEIGHT / 2, y + BAR_HEIGHT / 2,
		LABEL_WIDTH + to + 6, y + 12, median);
}

// That of the rows to which the one at first belongs, unless an earlier one has been it.
static void put_plot(FILE *f, struct json_object *rows, size_t first)
{
	struct json_object *row = json_object_array_get_idx(rows, first);
	unsigned y = 0;
	double largest;

	for (size_t i = 0; i < first; i++)
		if (is_of_one_plot(row, json_object_array_get_idx(rows, i)))
			return;
	size_t n = rows_beside(rows, row, &largest);
	fputs("<h3>", f);
	put_text(f, text_of(row, "direction"));
	fputs(", ", f);
	put_text(f, text_of(row, "algorithm"));
	fputs(", ", f);
	put_text(f, text_of(row, "size"));
	fprintf(f,
		"%s</h3>\n<svg width=\"%d\" height=\"%zu\" "
		"xmlns=\"http://www.w3.org/2000/svg\">\n",
		strcmp(text_of(row, "size"), "imix") == 0 ? "" : " bytes",
		LABEL_WIDTH + PLOT_WIDTH + SPREAD_WIDTH + 80, n * ROW_HEIGHT);
	for (size_t i = first; i < json_object_array_length(rows); i++) {
		struct json_object *other = json_object_array_get_idx(rows, i);

		if (is_of_one_plot(row, other)) {
			put_bars(f, other, y, PLOT_WIDTH / largest);
			y += ROW_HEIGHT;
		}
	}
	fputs("</svg>\n", f);
}

static void put_plots(FILE *f, struct json_object *rows)
{
	fputs("<h2>Ticks per packet</h2>\n<p>Dark: bare crypto; light: everything else; line: 10th "
	      "to 90th percentile. Each plot has a scale of its own.</p>\n",
		f);
	for (size_t i = 0; i < json_object_array_length(rows); i++)
		put_plot(f, rows, i);
}

// --- table --------------------------------------------------------------------------------------

static const char *const columns[] = {"direction", "algorithm", "size", "packets", "burst", "sas",
	"order", "spis", "workers", "policies", "shape", "flows"};

static const char *const stages[] = {
#define STAGE_NAME(name, text) text,
	FER_STAGES(STAGE_NAME)
#undef STAGE_NAME
};

#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))
#define N_STAGES (sizeof(stages) / sizeof(stages[0]))

static void put_stages(FILE *f, struct json_object *row)
{
	struct json_object *all = NULL, *ticks;

	(void)json_object_object_get_ex(row, "stages", &all);
	for (size_t i = 0; i < N_STAGES; i++)
		if (json_object_object_get_ex(all, stages[i], &ticks))
			fprintf(f, "<td>%.1f", json_object_get_double(ticks));
		else
			fputs("<td>", f);
}

static void put_compare(FILE *f, struct json_object *row)
{
	struct json_object *compare;

	if (json_object_object_get_ex(row, "compare", &compare))
		fprintf(f, "<td>%s<td class=\"%s\">%s", text_of(compare, "ticks"),
			text_of(compare, "flag"), text_of(compare, "adjusted"));
}

static void put_row(FILE *f, struct json_object *row)
{
	fputs("<tr>", f);
	for (size_t i = 0; i < N_COLUMNS; i++) {
		fputs(i < 2 ? "<td class=l>" : "<td>", f);
		put_text(f, text_of(row, columns[i]));
	}
	double median = ticks_of(row, "median"), crypto = number_of(row, "crypto_ticks");
	fprintf(f, "<td>%.1f<td>%.1f<td>%.1f<td>%.1f<td>%.1f<td>%s<td>%s", median,
		ticks_of(row, "p10"), ticks_of(row, "p90"), crypto, median - crypto,
		text_of(row, "repeats"), text_of(row, "dropped"));
	put_stages(f, row);
	put_compare(f, row);
	fputc('\n', f);
}

// What the comparison came to, if there was one.
static void put_sums(FILE *f, struct json_object *sums)
{
	fprintf(f, "<p>Compared with a report of before: %s rows, %s slower and %s faster by more ",
		text_of(sums, "compared"), text_of(sums, "slower"), text_of(sums, "faster"));
	fprintf(f,
		"than %.0f %%; %s are new. Ratio: ticks now to then; adjusted: the same, divided "
		"by that of bare crypto.</p>\n",
		FER_BENCH_TOLERANCE * 100, text_of(sums, "missing"));
}

static void put_table(FILE *f, struct json_object *rows, struct json_object *sums)
{
	fputs("<h2>Rows</h2>\n<p>Ticks per packet: median, 10th and 90th percentile over repeats; "
	      "bare crypto; what comes on top of it; repeats that counted, and those that were "
	      "disturbed and dropped; then by stage, measured in repeats of their own.</p>\n",
		f);
	if (sums != NULL)
		put_sums(f, sums);
	fputs("<table>\n<tr>", f);
	for (size_t i = 0; i < N_COLUMNS; i++)
		fprintf(f, "<th%s>%s", i < 2 ? " class=l" : "", columns[i]);
	fputs("<th>ticks<th>p10<th>p90<th>crypto<th>overhead<th>repeats<th>dropped", f);
	for (size_t i = 0; i < N_STAGES; i++)
		fprintf(f, "<th>%s", stages[i]);
	fputs(sums != NULL ? "<th>ratio<th>adjusted\n" : "\n", f);
	for (size_t i = 0; i < json_object_array_length(rows); i++)
		put_row(f, json_object_array_get_idx(rows, i));
	fputs("</table>\n</html>\n", f);
}

static void put_all(FILE *f, struct json_object *all)
{
	struct json_object *machine = NULL, *rows = NULL, *sums = NULL;

	fputs(head, f);
	if (json_object_object_get_ex(all, "machine", &machine))
		put_machine(f, machine);
	if (json_object_object_get_ex(all, "rows", &rows)) {
		put_plots(f, rows);
		(void)json_object_object_get_ex(all, "compare", &sums);
		put_table(f, rows, sums);
	}
}

int fer_bench_html_check(const char *path)
{
	struct fer_outfile out;
	int rc = fer_outfile_open(&out, path);

	if (rc == 0)
		fer_outfile_abort(&out);
	return rc;
}

int fer_bench_html_write(const char *path, struct json_object *all)
{
	struct fer_outfile out;
	int rc = fer_outfile_open(&out, path);

	if (rc != 0)
		return rc;
	put_all(out.file, all);
	return fer_outfile_finish(&out);
}
