/* media/preview/oembed.h: sites that describe their pages in JSON (oembed.com): which they are, and what they answer. */
#ifndef MX_MEDIA_PREVIEW_OEMBED_H
#define MX_MEDIA_PREVIEW_OEMBED_H

#include <ganglion/config.h>
#include <ganglion/matrix/preview.h>

struct mx_oembed;
/* `oembed` of the configuration: disable_default_providers, and additional_providers: files in the format of
 * https://oembed.com/providers.json. err: which is wrong. Reads the files: at load only. */
GG_CHECKED int mx_oembed_new(const struct gg_node *node, struct mx_oembed **out, struct gg_error *err);
void mx_oembed_free(struct mx_oembed *oembed); /* NULL is fine */
/* Where to ask about a link, in the arena; NULL: nowhere. */
const char *mx_oembed_url(const struct mx_oembed *oembed, const char *url, struct gg_arena *arena);

struct mx_oembed_answer {
    json_t *og;          /* one reference; empty where the answer is none */
    char *author;        /* free(); NULL: not said */
    int64_t cache_ms;    /* how long it holds; -1: not said */
};
/* On a thread. url: the link that was asked about. */
void mx_oembed_read(const struct mx_pages *pages, const char *url, struct gg_str body, struct mx_oembed_answer *out);

#endif
