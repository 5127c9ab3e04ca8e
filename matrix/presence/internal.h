/* matrix/presence/internal.h: what the files of this folder share. */
#ifndef MX_PRESENCE_INTERNAL_H
#define MX_PRESENCE_INTERNAL_H

#include "presence/presence.h"
#include "storage/presence.h"

#include <ganglion/fiber.h>
#include <ganglion/list.h>
#include <ganglion/map.h>

struct mx_presence_book;
struct mx_presence_writer; /* NULL in processes that do not decide */
struct mx_presence_visits;
struct mx_presence_servers;

/* server->who_is_there */
struct mx_presences {
    struct mx_server *server;
    bool enabled, tracked, busy;
    struct mx_presence_times times;
    struct gg_scope *scope;      /* of fibers in the background; NULL once stopped */
    struct mx_presence_book *book;
    struct mx_presence_writer *writer;
    struct mx_presence_visits *visits;
    struct mx_presence_servers *servers; /* where the writer is */
};

/* ---- book.c ---- */

struct mx_presence_book *mx_presence_book_new(void);
void mx_presence_book_free(struct mx_presence_book *book);
void mx_presence_book_start(struct mx_presence_book *book, int64_t position); /* changes after it will be known */
gg_stream_apply_fn mx_presence_apply;
/* What is remembered of a user; NULL: nothing. Borrowed until the next yield. */
const struct mx_presence_state *mx_presence_book_get(const struct mx_presence_book *book, struct gg_str user_id);
/* The user does something now: is it worth telling the writer? Not if they are known to be active, or were told to be,
 * within the last `part` ms: one more sign changes nothing that is shown. Notes that it is told. */
bool mx_presence_book_active(struct mx_presence_book *book, struct gg_str user_id, int64_t part);
/* Copies of all who changed after `from`, oldest first; false: the book does not reach back so far. */
bool mx_presence_book_since(const struct mx_presence_book *book, int64_t from, struct gg_arena *arena,
                            struct mx_presence_seen **out, size_t *n_out);

/* ---- visits.c ---- */

struct mx_presence_visits *mx_presence_visits_new(struct mx_presences *p);
void mx_presence_visits_free(struct mx_presence_visits *visits);
void mx_presence_visits_stop(struct mx_presences *p); /* tells the writer that nobody is here any more */
/* Does a device sync with this process now? key as mx_presence_key makes it. */
bool mx_presence_visits_here(const struct mx_presence_visits *visits, struct gg_str key);
/* user, newline, device (user ids hold no newline). */
struct gg_str mx_presence_key(struct gg_arena *arena, struct gg_str user_id, struct gg_str device_id);

/* ---- writer.c ---- */

struct mx_presence_writer *mx_presence_writer_new(struct mx_presences *p);
void mx_presence_writer_free(struct mx_presence_writer *writer);
GG_YIELDS GG_CHECKED int mx_presence_writer_start(struct mx_presences *p, struct gg_error *err);
GG_YIELDS void mx_presence_writer_stop(struct mx_presences *p);
/* A device of this process has begun or ended to sync. */
void mx_presence_writer_visit(struct mx_presences *p, struct gg_str user_id, struct gg_str device_id, bool syncing);
/* The same of another process (its instance id), by a line on the channel. */
void mx_presence_writer_line(struct mx_presences *p, struct gg_str instance, struct gg_str user_id, struct gg_str device_id,
                             bool syncing, int64_t at);
void mx_presence_writer_clear(struct mx_presences *p, struct gg_str instance);

/* ---- servers.c: beside the writer ---- */

struct mx_presence_servers *mx_presence_servers_new(struct mx_server *server);
void mx_presence_servers_free(struct mx_presence_servers *servers);
GG_CHECKED int mx_presence_servers_start(struct mx_presences *p, struct gg_error *err);
/* Other servers shall hear again, some time soon, that the user is there. Does not wait. */
void mx_presence_servers_repeat(struct mx_presences *p, struct gg_str user_id);

/* seen.c: does who shares this room see each other's presence (exclude_rooms_from_presence)? */
bool mx_presence_room_counts(struct mx_server *server, struct gg_str room_id);

/* ---- save.c: rows that wait to be written ---- */

struct mx_presence_pending {
    struct gg_list link;      /* in save.due */
    struct gg_str user_id;
    struct mx_presence_state state;
    bool writing;             /* its memory must stay until the write has ended */
};
struct mx_presence_save {
    struct mx_server *server;
    struct gg_list due;       /* of pending */
    struct gg_mutex writing;
};
void mx_presence_save_init(struct mx_presence_save *save, struct mx_server *server);
void mx_presence_save_add(struct mx_presence_save *save, struct mx_presence_pending *pending);
/* Until all that was due at the call is written. What could not be stays due. */
GG_YIELDS GG_CHECKED int mx_presence_save_now(struct mx_presence_save *save, struct gg_error *err);

#endif
