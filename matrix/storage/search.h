/* matrix/storage/search.h: the full text index (table event_search), which the event writer fills. */
#ifndef MX_STORAGE_SEARCH_H
#define MX_STORAGE_SEARCH_H

#include <ganglion/matrix/store.h>

struct mx_text_query {
    struct gg_str term;            /* as people type it: words, "phrases", or, -not; without NUL */
    const struct gg_str *rooms;
    size_t n_rooms;
    const struct gg_str *keys;     /* "content.body", "content.name", "content.topic" */
    size_t n_keys;
};
struct mx_text_hit {
    struct gg_str event_id, rank;  /* rank: a JSON number */
    int64_t ts, stream;            /* origin_server_ts and stream ordering */
};
/* Those that fit best, at most limit. */
GG_YIELDS GG_CHECKED int mx_search_best(struct mx_server *server, const struct mx_text_query *query, size_t limit,
                                        struct gg_arena *arena, struct mx_text_hit **out, size_t *n_out, struct gg_error *err);
/* The newest before (ts, stream); from the end where ts is INT64_MAX. */
GG_YIELDS GG_CHECKED int mx_search_newest(struct mx_server *server, const struct mx_text_query *query, int64_t ts, int64_t stream,
                                          size_t limit, struct gg_arena *arena, struct mx_text_hit **out, size_t *n_out,
                                          struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_search_count(struct mx_server *server, const struct mx_text_query *query, int64_t *out, struct gg_error *err);
/* The words of the texts that the term matched, in lower case, each once. */
GG_YIELDS GG_CHECKED int mx_search_words(struct mx_server *server, struct gg_str term, const struct gg_str *texts, size_t n,
                                         struct gg_arena *arena, const struct gg_str **out, size_t *n_out, struct gg_error *err);

#endif
