/* media/preview/blocked.h: links that are not previewed (url_preview_url_blacklist). */
#ifndef MX_MEDIA_PREVIEW_BLOCKED_H
#define MX_MEDIA_PREVIEW_BLOCKED_H

#include <ganglion/config.h>

struct mx_blocked;
/* A list of maps, each from the name of a part of an address (Python's urlsplit: scheme, netloc, path, query, fragment, username,
 * password, hostname, port) to a pattern: a glob, or a regular expression where it begins with "^". node NULL: nothing is blocked.
 * err: which entry is wrong. */
GG_CHECKED int mx_blocked_new(const struct gg_node *node, struct mx_blocked **out, struct gg_error *err);
void mx_blocked_free(struct mx_blocked *blocked); /* NULL is fine */
/* Does an entry match with all that it names? A pattern that takes too long counts as matching. */
bool mx_blocked_has(const struct mx_blocked *blocked, struct gg_str url);

#endif
