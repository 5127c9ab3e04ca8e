/* repl/lines.h: the lines of the channel (facts replication 3 and 4): reading what others say, announcing what we did. */
#ifndef GANGLION_HOST_REPL_LINES_H
#define GANGLION_HOST_REPL_LINES_H

#include "repl/ids.h"
#include "repl/redis.h"

struct gg_lines;

/* Needs the streams to be loaded. Connects when Redis is enabled; waits a moment for a live process of the same name:
 * GG_E_CONFLICT, the process must not start. Redis that cannot be reached does not fail: it is tried on. */
GG_YIELDS GG_CHECKED int gg_lines_start(struct gg_host *host, struct gg_error *err);
GG_YIELDS void gg_lines_stop(struct gg_host *host); /* says what is left to say, disconnects */
void gg_lines_free(struct gg_lines *lines);

/* Is there Redis, and are we subscribed to it? True without Redis. */
bool gg_lines_connected(const struct gg_host *host);

/* ---- between the files of this part ---- */

struct gg_line_stream {          /* hangs at the stream (gg_stream_set_lines) */
    struct gg_stream *stream;
    /* reader */
    struct gg_list queue;        /* struct line, while a fetch runs */
    size_t queued;
    bool connected, busy;
    struct gg_list batches;      /* struct batch: rows before the one that carries the token */
    /* announcer */
    int64_t last;                /* what we last said */
};

struct gg_lines {
    struct gg_host *host;
    struct gg_streams *streams;
    struct gg_redis *redis;      /* NULL: not enabled */
    struct gg_scope *scope;
    char *channel, *ip_channel;
    const char *channels[2];
    struct gg_map *commands;     /* name -> struct gg_list of struct handler */
    struct gg_line_stream *all;
    size_t n;
    bool started;                /* we may announce */
    bool twin;                   /* somebody with our name is alive */
    bool announce_due, turn_due, fetching;
    struct gg_cond subscribed;
};

struct gg_lines *gg_lines_of(struct gg_host *host);
/* lines_read.c */
void gg_lines_read_line(struct gg_lines *lines, struct gg_str line);
void gg_lines_forget_connections(struct gg_lines *lines);
/* lines_announce.c: may be called at any time; what is due is said at the end of this turn. */
void gg_lines_poke(void *lines);
void gg_lines_announce_all(struct gg_lines *lines); /* POSITION of every stream that we write */

#endif
