// SPDX-License-Identifier: BSD-3-Clause
#include "html.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#define LABEL_WIDTH 380
#define PLOT_WIDTH 620
#define BAR_HEIGHT 16
#define ROW_HEIGHT 22

static const char head[] =
	"<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
	"<title>ferrule-bench path</title>\n"
	"<style>\n"
	"body{font:14px/1.4 sans-serif;margin:2em auto;max-width:70em;color:#222}\n"
	"table{border-collapse:collapse}td,th{padding:.15em .6em;text-align:right}\n"
	"td:first-child,th:first-child,.l{text-align:left}tr:nth-child(even){background:#f4f4f4}\n"
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

static void put_machine(FILE *f, struct json_object *machine)
{
	fputs("<table>\n", f);
	json_object_object_foreach(machine, name, value)
	{
		fputs("<tr><td>", f);
		put_text(f, name);
		fputs("<td class=l>", f);
		put_text(f, json_object_get_string(value));
		fputc('\n', f);
	}
	fputs("</table>\n", f);
}

// --- plot ---------------------------------------------------------------------------------------

static double largest_of(struct json_object *rows)
{
	double largest = 1;

	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		double p90 = ticks_of(json_object_array_get_idx(rows, i), "p90");

		largest = p90 > largest ? p90 : largest;
	}
	return largest;
}

static void put_label(FILE *f, struct json_object *row)
{
	put_text(f, text_of(row, "direction"));
	fputc(' ', f);
	put_text(f, text_of(row, "algorithm"));
	fprintf(f, " %s b%s", text_of(row, "size"), text_of(row, "burst"));
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
	fprintf(f,
		"<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%u\" y2=\"%u\" stroke=\"#222\"/>"
		"<text x=\"%.1f\" y=\"%u\">%.0f</text>\n",
		LABEL_WIDTH + ticks_of(row, "p10") * scale,
		LABEL_WIDTH + ticks_of(row, "p90") * scale, y + BAR_HEIGHT / 2, y + BAR_HEIGHT / 2,
		LABEL_WIDTH + ticks_of(row, "p90") * scale + 6, y + 12, median);
}

static void put_plot(FILE *f, struct json_object *rows)
{
	size_t n = json_object_array_length(rows);
	double scale = PLOT_WIDTH / largest_of(rows);

	fprintf(f,
		"<h2>Ticks per packet</h2>\n<p>Dark: bare crypto; light: everything else; line: "
		"10th to 90th percentile.</p>\n<svg width=\"%d\" height=\"%zu\" "
		"xmlns=\"http://www.w3.org/2000/svg\">\n",
		LABEL_WIDTH + PLOT_WIDTH + 80, n * ROW_HEIGHT);
	for (size_t i = 0; i < n; i++)
		put_bars(f, json_object_array_get_idx(rows, i), (unsigned)(i * ROW_HEIGHT), scale);
	fputs("</svg>\n", f);
}

// --- table --------------------------------------------------------------------------------------

static const char *const columns[] = {"direction", "algorithm", "size", "packets", "burst", "sas",
	"order", "spis", "workers", "policies", "shape", "flows"};

static void put_compare(FILE *f, struct json_object *row)
{
	struct json_object *compare;

	if (!json_object_object_get_ex(row, "compare", &compare))
		return;
	fprintf(f, "<td class=\"%s\">%s", text_of(compare, "flag"), text_of(compare, "adjusted"));
}

static void put_row(FILE *f, struct json_object *row)
{
	fputs("<tr>", f);
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		fputs(i < 2 ? "<td class=l>" : "<td>", f);
		put_text(f, text_of(row, columns[i]));
	}
	double median = ticks_of(row, "median"), crypto = number_of(row, "crypto_ticks");
	fprintf(f, "<td>%.1f<td>%.1f<td>%.1f<td>%.1f<td>%.1f<td>%s<td>%s", median,
		ticks_of(row, "p10"), ticks_of(row, "p90"), crypto, median - crypto,
		text_of(row, "repeats"), text_of(row, "dropped"));
	put_compare(f, row);
	fputc('\n', f);
}

static void put_table(FILE *f, struct json_object *rows)
{
	fputs("<h2>Rows</h2>\n<table>\n<tr>", f);
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		fprintf(f, "<th>%s", columns[i]);
	fputs("<th>ticks<th>p10<th>p90<th>crypto<th>overhead<th>repeats<th>dropped<th>\n", f);
	for (size_t i = 0; i < json_object_array_length(rows); i++)
		put_row(f, json_object_array_get_idx(rows, i));
	fputs("</table>\n</html>\n", f);
}

bool fer_bench_html_write(const char *path, struct json_object *all)
{
	struct json_object *machine = NULL, *rows = NULL;
	FILE *f = fopen(path, "we");

	if (f == NULL)
		return false;
	fputs(head, f);
	if (json_object_object_get_ex(all, "machine", &machine))
		put_machine(f, machine);
	if (json_object_object_get_ex(all, "rows", &rows)) {
		put_plot(f, rows);
		put_table(f, rows);
	}
	bool ok = !ferror(f);
	return fclose(f) == 0 && ok;
}
