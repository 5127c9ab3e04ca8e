/* pages/sanitize.h: what other people wrote, as markup that a mail may hold. */
#ifndef MX_PAGES_SANITIZE_H
#define MX_PAGES_SANITIZE_H

#include <ganglion/buf.h>

/* HTML of a message (client-server API, "m.room.message msgtypes") reduced to a table of harmless elements: no script, no
 * style, no picture, links to http, https and mailto only; every element is closed. Pure. */
void mx_html_clean(struct gg_str html, struct gg_buf *out);
/* Plain text as HTML; addresses of the web become links. Pure. */
void mx_html_of_text(struct gg_str text, struct gg_buf *out);

#endif
