/* summary.h: a description of a page from its paragraphs. Runs on any thread. */
#ifndef MEDIA_REPOSITORY_SUMMARY_H
#define MEDIA_REPOSITORY_SUMMARY_H

#include <ganglion/buf.h>

/* Text whose white space (any of Unicode's) is collapsed: runs of it are one blank, none at the start. What exceeds the
 * bound is dropped: no longer text is ever shown. */
struct page_plain {
    struct gg_buf text;
    bool blank; /* white space that waits for a next word */
};
#define PAGE_PLAIN_INIT {GG_BUF_INIT, false}
enum { PAGE_PLAIN_MAX = 8192 }; /* bytes */
void page_plain_add(struct page_plain *plain, struct gg_str utf8);
void page_plain_clear(struct page_plain *plain);

/* Paragraphs, until there are enough of them: at least 200 characters. */
struct page_summary {
    struct gg_buf text;
    size_t chars;
};
#define PAGE_SUMMARY_INIT {GG_BUF_INIT, 0}
bool page_summary_wants(const struct page_summary *summary);
/* A collapsed paragraph; an empty one is none. */
void page_summary_add(struct page_summary *summary, struct gg_str paragraph);
/* At most 500 characters, cut between words and then with an ellipsis; "" where nothing was added. free() it; the summary is empty
 * afterwards. */
char *page_summary_take(struct page_summary *summary);

size_t page_utf8_count(struct gg_str utf8); /* code points */

#endif
