/* matrix/storage/relations.h: which events relate to which (tables event_relations and threads). */
#ifndef MX_STORAGE_RELATIONS_H
#define MX_STORAGE_RELATIONS_H

#include <ganglion/matrix/store.h>

/* What an event has, as bits. */
enum mx_related { MX_HAS_THREAD = 1, MX_HAS_REFERENCE = 2, MX_HAS_EDIT = 4 };

/* Of each parent: what relates to it at all; one look into an index for each. */
GG_YIELDS GG_CHECKED int mx_relations_kinds(struct mx_server *server, const struct gg_str *parents, size_t n,
                                            struct gg_arena *arena, uint8_t *out, struct gg_error *err);
/* Of each parent: the edit that stands (spec "Event replacements": same room, sender and type; the newest by
 * origin_server_ts); s NULL: none. */
GG_YIELDS GG_CHECKED int mx_relations_edits(struct mx_server *server, const struct gg_str *parents, size_t n,
                                            struct gg_arena *arena, struct gg_str *out, struct gg_error *err);

struct mx_id_list {
    const struct gg_str *ids;
    size_t n;
};
/* Of each parent: what refers to it, in the room's order, without the senders in `ignored`; at most 1000. */
GG_YIELDS GG_CHECKED int mx_relations_references(struct mx_server *server, const struct gg_str *parents, size_t n,
                                                 const struct mx_id_list *ignored, struct gg_arena *arena,
                                                 struct mx_id_list *out, struct gg_error *err);

struct mx_thread_summary {
    int64_t count;          /* events in the thread besides its root; 0: none */
    struct gg_str latest;   /* s NULL: none */
    bool participated;      /* the user has sent one of them */
};
/* Of each root: its thread without the senders in `ignored`. */
GG_YIELDS GG_CHECKED int mx_relations_threads(struct mx_server *server, const struct gg_str *roots, size_t n,
                                              struct gg_str user_id, const struct mx_id_list *ignored,
                                              struct gg_arena *arena, struct mx_thread_summary *out,
                                              struct gg_error *err);

/* Of each parent: does something relate to it that is of one of these types (n 0: of any) and by one of these senders
 * (n 0: by anybody)? */
GG_YIELDS GG_CHECKED int mx_relations_by(struct mx_server *server, const struct gg_str *parents, size_t n,
                                         const struct mx_id_list *rel_types, const struct mx_id_list *senders,
                                         struct gg_arena *arena, bool *out, struct gg_error *err);

/* ---- questions about one event ---- */

/* Does anything relate to it? */
GG_YIELDS GG_CHECKED int mx_relations_any(struct mx_server *server, struct gg_str parent, bool *out, struct gg_error *err);
/* Has the sender annotated it with this key already, by an event of this type? */
GG_YIELDS GG_CHECKED int mx_relations_annotated(struct mx_server *server, struct gg_str parent, struct gg_str event_type,
                                                struct gg_str key, struct gg_str sender, bool *out, struct gg_error *err);
/* May a receipt for the thread ("main": none) stand at the event? It stands in a thread through what it relates to, five
 * steps up; the root of a thread, and what relates to that otherwise, belong to the thread and to "main". */
GG_YIELDS GG_CHECKED int mx_relations_in_thread(struct mx_server *server, struct gg_str event_id, struct gg_str thread_id,
                                                bool *out, struct gg_error *err);

/* ---- pages ---- */

struct mx_relation_query {
    struct gg_str room_id, parent;
    struct gg_str rel_type, event_type;  /* s NULL: any */
    bool backwards, recurse;             /* recurse: what relates to what relates, three steps down */
    bool has_from, has_to;
    int64_t from_depth, from_stream;     /* exclusive forwards, inclusive backwards; depth -1: of the stream alone */
    int64_t to_depth, to_stream;         /* the other way round */
    size_t limit;
};
struct mx_related_row {
    struct gg_str event_id, sender;
    int64_t depth, stream;
};
/* In the room's order, or backwards through it. */
GG_YIELDS GG_CHECKED int mx_relations_page(struct mx_server *server, const struct mx_relation_query *query,
                                           struct gg_arena *arena, struct mx_related_row **out, size_t *n_out,
                                           struct gg_error *err);

struct mx_thread_query {
    struct gg_str room_id;
    struct gg_str participant;           /* s NULL: all threads of the room */
    bool has_from;
    int64_t from_depth, from_stream;     /* of a thread's latest event; exclusive */
    size_t limit;
};
struct mx_thread_row {
    struct gg_str root;
    int64_t depth, stream;               /* of its latest event */
};
/* Those whose latest event is newest come first. */
GG_YIELDS GG_CHECKED int mx_threads_page(struct mx_server *server, const struct mx_thread_query *query,
                                         struct gg_arena *arena, struct mx_thread_row **out, size_t *n_out,
                                         struct gg_error *err);

#endif
