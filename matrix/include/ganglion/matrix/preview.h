/* ganglion/matrix/preview.h: previews of links, and what the role media_repository lends for them: a reader of HTML. */
#ifndef GANGLION_MATRIX_PREVIEW_H
#define GANGLION_MATRIX_PREVIEW_H

#include <ganglion/matrix/server.h>
#include <jansson.h>

/* What a page says of itself. */
struct mx_page {
    json_t *og;   /* members of its preview: texts, or null where nothing was found; NULL: there is no page. One reference */
    char *oembed; /* as the page writes it: where its oEmbed description (JSON) is; NULL: nowhere. free() it */
};

/* They run on a thread of the pool, several at once: no fiber, no arena. The text is UTF-8. */
struct mx_pages {
    /* Open Graph, Twitter's cards, and else title, pictures, headings and text. */
    void (*read)(struct gg_str html, struct mx_page *out);
    /* The HTML of an oEmbed answer: adds to og the first picture, where it has none, the first film and the text. */
    void (*fragment)(struct gg_str html, json_t *og);
};

/* In load() of the role: this process makes previews, with those functions (borrowed), where the configuration wants them.
 * 0, or what is wrong with the configuration. */
GG_API GG_CHECKED int mx_previews_lend(struct gg_host *host, const struct mx_pages *pages, struct gg_error *err);

#endif
