// SPDX-License-Identifier: BSD-3-Clause
#include "html.h"

#include "../common/outfile.h"
#include "compare.h"
#include "nic/batch.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#define LABEL_WIDTH 320
#define PLOT_WIDTH 560
#define SPREAD_WIDTH 60 // of what is wider than the plot
#define VALUE_WIDTH 80
#define BAR_HEIGHT 16
#define ROW_HEIGHT 22
#define AXIS_HEIGHT 20
#define WIDTH (LABEL_WIDTH + PLOT_WIDTH + SPREAD_WIDTH + VALUE_WIDTH)
#define AXIS_STEPS 5 // of a scale, about

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
	"<meta name=\"viewport\" content=\"width=device-width\">\n"
	"<title>ferrule-bench path</title>\n"
	"<style>\n"
	":root{color-scheme:light dark;--ink:#222;--paper:#fff;--stripe:#f3f4f6;--rule:#888;"
	"--grid:#ddd;--crypto:#36618e;--rest:#93b9dd;--slower:#b00020;--faster:#067a2c}\n"
	"@media(prefers-color-scheme:dark){:root{--ink:#e2e2e2;--paper:#16181c;--stripe:#20242a;"
	"--rule:#777;--grid:#3a3f47;--crypto:#6a9fd4;--rest:#36536f;--slower:#ff8a8a;"
	"--faster:#6fd08c}}\n"
	"body{font:14px/1.4 sans-serif;margin:2em;color:var(--ink);background:var(--paper)}\n"
	"p{max-width:60em}.wide{overflow-x:auto}table{border-collapse:collapse}\n"
	"td,th{padding:.15em .6em;text-align:right;white-space:nowrap}"
	"td{font-variant-numeric:tabular-nums}\n"
	"td:first-child,th:first-child,.l{text-align:left}"
	"tr:nth-child(even){background:var(--stripe)}\n"
	"h2{margin-top:1.6em}h3{font-size:1em;margin:1.4em 0 .3em}"
	"th{border-bottom:1px solid var(--rule)}\n"
	".slower{color:var(--slower);font-weight:bold}.faster{color:var(--faster);font-weight:bold}"
	"\n"
	"svg{display:block;max-width:100%;height:auto}svg text{font:12px "
	"sans-serif;fill:var(--ink)}"
	"\n"
	".crypto{fill:var(--crypto)}.rest{fill:var(--rest)}.spread{stroke:var(--ink)}"
	".grid{stroke:var(--grid)}\n"
	".key{display:inline-block;width:1em;height:.8em;margin:0 .4em 0 1em}"
	".key.crypto{background:var(--crypto);margin-left:0}.key.rest{background:var(--rest)}"
	".key.spread{height:0;vertical-align:middle;border-top:1px solid var(--ink)}\n"
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
	static const struct {
		const char *name, *title;
	} members[] = {{"cpu", "CPU"}, {"cpus", "CPUs"}, {"tsc_hz", "time stamp counter"},
		{"isa", "instruction set"}, {"libraries", "libraries"}, {"pages", "pages"}};
	struct json_object *value;

	fputs("<table>\n", f);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		if (!json_object_object_get_ex(machine, members[i].name, &value))
			continue;
		fprintf(f, "<tr><td>%s<td class=l>", members[i].title);
		if (json_object_is_type(value, json_type_object))
			put_versions(f, value);
		else if (strcmp(members[i].name, "tsc_hz") == 0)
			fprintf(f, "%.2f GHz", json_object_get_double(value) / 1e9);
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

// How a row differs from others of its plot, as far as it is more than one of something.
static void put_label(FILE *f, struct json_object *row)
{
	static const struct {
		const char *member, *title;
	} counts[] = {{"sas", "SAs"}, {"workers", "workers"}, {"helpers", "helpers"},
		{"policies", "policies"}, {"flows", "flows"}};

	fputs("bursts of ", f);
	put_text(f, text_of(row, "burst"));
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		if (number_of(row, counts[i].member) > 1)
			fprintf(f, ", %s %s", text_of(row, counts[i].member), counts[i].title);
	if (strcmp(text_of(row, "shape"), "overlapping") == 0)
		fputs(", overlapping", f);
	if (strcmp(text_of(row, "packets"), "cold") == 0)
		fputs(", cold", f);
}

static void put_bar(FILE *f, unsigned y, double from, double to, double scale, const char *what)
{
	fprintf(f, "<rect class=%s x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"%d\"/>", what,
		LABEL_WIDTH + from * scale, y, to > from ? (to - from) * scale : 0, BAR_HEIGHT);
}

// Bare crypto, what comes on top of it, and the spread.
static void put_bars(FILE *f, struct json_object *row, unsigned y, double scale)
{
	double median = ticks_of(row, "median"), crypto = number_of(row, "crypto_ticks");

	fprintf(f, "<text x=\"%d\" y=\"%u\" text-anchor=\"end\">", LABEL_WIDTH - 8, y + 12);
	put_label(f, row);
	fputs("</text>", f);
	put_bar(f, y, 0, crypto < median ? crypto : median, scale, "crypto");
	put_bar(f, y, crypto, median, scale, "rest");
	double from = ticks_of(row, "p10") * scale, to = ticks_of(row, "p90") * scale;

	to = to < PLOT_WIDTH + SPREAD_WIDTH ? to : PLOT_WIDTH + SPREAD_WIDTH;
	fprintf(f,
		"<line class=spread x1=\"%.1f\" x2=\"%.1f\" y1=\"%u\" y2=\"%u\"/>"
		"<text x=\"%.1f\" y=\"%u\">%.0f</text>\n",
		LABEL_WIDTH + from, LABEL_WIDTH + to, y + BAR_HEIGHT / 2, y + BAR_HEIGHT / 2,
		LABEL_WIDTH + (to > median * scale ? to : median * scale) + 6, y + 12, median);
}

// 1, 2 or 5 times a power of ten, so that a scale up to largest has some of them.
static double axis_step(double largest)
{
	double power = 1;

	while (power * 10 * AXIS_STEPS <= largest)
		power *= 10;
	if (power * 5 * AXIS_STEPS <= largest)
		return power * 5;
	return power * 2 * AXIS_STEPS <= largest ? power * 2 : power;
}

// Below bars of that height.
static void put_axis(FILE *f, unsigned height, double largest)
{
	double step = axis_step(largest);

	for (unsigned i = 0; i * step <= largest; i++) {
		double x = LABEL_WIDTH + i * step * PLOT_WIDTH / largest;

		fprintf(f,
			"<line class=grid x1=\"%.1f\" x2=\"%.1f\" y1=\"0\" y2=\"%u\"/>"
			"<text x=\"%.1f\" y=\"%u\" text-anchor=\"middle\">%.0f</text>",
			x, x, height, x, height + 14, i * step);
	}
	fprintf(f, "<text x=\"%d\" y=\"%u\">ticks</text>\n",
		LABEL_WIDTH + PLOT_WIDTH + SPREAD_WIDTH / 2, height + 14);
}

static void put_title(FILE *f, struct json_object *row)
{
	put_text(f, text_of(row, "direction"));
	fputs(", ", f);
	put_text(f, text_of(row, "algorithm"));
	fputs(", ", f);
	put_text(f, text_of(row, "size"));
	fputs(strcmp(text_of(row, "size"), "imix") == 0 ? "" : " bytes", f);
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
	unsigned height = (unsigned)rows_beside(rows, row, &largest) * ROW_HEIGHT;
	fputs("<h3>", f);
	put_title(f, row);
	fprintf(f,
		"</h3>\n<svg role=img width=\"%d\" height=\"%u\" viewBox=\"0 0 %d %u\" "
		"xmlns=\"http://www.w3.org/2000/svg\">\n<title>",
		WIDTH, height + AXIS_HEIGHT, WIDTH, height + AXIS_HEIGHT);
	put_title(f, row);
	fputs("</title>\n", f);
	put_axis(f, height, largest);
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
	fputs("<h2>Ticks per packet</h2>\n<p><span class=\"key crypto\"></span>bare crypto"
	      "<span class=\"key rest\"></span>everything else"
	      "<span class=\"key spread\"></span>10th to 90th percentile. "
	      "Each plot has a scale of its own.</p>\n",
		f);
	for (size_t i = 0; i < json_object_array_length(rows); i++)
		put_plot(f, rows, i);
}

// --- table --------------------------------------------------------------------------------------

static const char *const columns[] = {"direction", "algorithm", "size", "packets", "burst", "sas",
	"order", "spis", "workers", "helpers", "policies", "shape", "flows"};

static const char *const stages[] = {
#define STAGE_NAME(name, text) text,
	FER_STAGES(STAGE_NAME)
#undef STAGE_NAME
};

#define ALWAYS 3 // columns; the others are there where rows differ in them
#define N_COLUMNS (sizeof(columns) / sizeof(columns[0]))
#define N_STAGES (sizeof(stages) / sizeof(stages[0]))

static bool is_column(struct json_object *rows, size_t column)
{
	const char *first = text_of(json_object_array_get_idx(rows, 0), columns[column]);

	for (size_t i = 1; i < json_object_array_length(rows); i++)
		if (strcmp(text_of(json_object_array_get_idx(rows, i), columns[column]), first) !=
			0)
			return true;
	return column < ALWAYS;
}

// What is the same in all rows is said once.
static void put_common(FILE *f, struct json_object *rows)
{
	const char *between = "<p>All rows: ";

	for (size_t i = 0; i < N_COLUMNS; i++) {
		if (is_column(rows, i))
			continue;
		fprintf(f, "%s%s ", between, columns[i]);
		put_text(f, text_of(json_object_array_get_idx(rows, 0), columns[i]));
		between = ", ";
	}
	fputs(between[0] == '<' ? "" : ".</p>\n", f);
}

// The ticks of a row in a stage; NULL: its packets have no such stage.
static struct json_object *stage_of(struct json_object *row, size_t stage)
{
	struct json_object *all = NULL, *ticks = NULL;

	(void)json_object_object_get_ex(row, "stages", &all);
	(void)json_object_object_get_ex(all, stages[stage], &ticks);
	return ticks;
}

static bool is_stage(struct json_object *rows, size_t stage)
{
	for (size_t i = 0; i < json_object_array_length(rows); i++)
		if (stage_of(json_object_array_get_idx(rows, i), stage) != NULL)
			return true;
	return false;
}

static void put_stages(FILE *f, struct json_object *rows, struct json_object *row)
{
	for (size_t i = 0; i < N_STAGES; i++) {
		struct json_object *ticks = stage_of(row, i);

		if (ticks != NULL)
			fprintf(f, "<td>%.1f", json_object_get_double(ticks));
		else if (is_stage(rows, i))
			fputs("<td>", f);
	}
}

static void put_compare(FILE *f, struct json_object *row)
{
	struct json_object *compare;

	if (json_object_object_get_ex(row, "compare", &compare))
		fprintf(f, "<td>%s<td class=\"%s\">%s", text_of(compare, "ticks"),
			text_of(compare, "flag"), text_of(compare, "adjusted"));
}

static void put_row(FILE *f, struct json_object *rows, struct json_object *row)
{
	fputs("<tr>", f);
	for (size_t i = 0; i < N_COLUMNS; i++) {
		if (!is_column(rows, i))
			continue;
		fputs(i < 2 ? "<td class=l>" : "<td>", f);
		put_text(f, text_of(row, columns[i]));
	}
	double median = ticks_of(row, "median"), crypto = number_of(row, "crypto_ticks");
	fprintf(f, "<td>%.1f<td>%.1f<td>%.1f<td>%.1f<td>%.1f<td>%s<td>%s", median,
		ticks_of(row, "p10"), ticks_of(row, "p90"), crypto, median - crypto,
		text_of(row, "repeats"), text_of(row, "dropped"));
	put_stages(f, rows, row);
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
	put_common(f, rows);
	fputs("<div class=wide><table>\n<tr>", f);
	for (size_t i = 0; i < N_COLUMNS; i++)
		if (is_column(rows, i))
			fprintf(f, "<th%s>%s", i < 2 ? " class=l" : "", columns[i]);
	fputs("<th>ticks<th>p10<th>p90<th>crypto<th>overhead<th>repeats<th>dropped", f);
	for (size_t i = 0; i < N_STAGES; i++)
		if (is_stage(rows, i))
			fprintf(f, "<th>%s", stages[i]);
	fputs(sums != NULL ? "<th>ratio<th>adjusted\n" : "\n", f);
	for (size_t i = 0; i < json_object_array_length(rows); i++)
		put_row(f, rows, json_object_array_get_idx(rows, i));
	fputs("</table></div>\n</html>\n", f);
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
