/* repl/lines_internal.h: shared by the files that deal with lines. */
#ifndef GANGLION_HOST_REPL_LINES_INTERNAL_H
#define GANGLION_HOST_REPL_LINES_INTERNAL_H

#include "repl/ids.h"
#include "repl/lines.h"
#include "repl/lines_parse.h"
#include "repl/redis.h"

#include <ganglion/list.h>
#include <ganglion/map.h>

/* One writer of one stream, as a reader of it sees it. */
struct gg_line_writer {
    struct gg_list link;
    bool connected;         /* we have all of it up to its position, and what it says next follows on that */
    struct gg_arena *arena; /* rows whose token has not come yet; NULL: none */
    struct gg_row *rows;
    size_t n, cap;
    char name[];
};

/* A stream, as far as lines are concerned. */
struct gg_line_stream {
    struct gg_lines *lines;
    struct gg_stream *stream;
    bool everybody; /* every process writes it */
    /* reader */
    struct gg_list writers; /* struct gg_line_writer */
    size_t n_writers;
    struct gg_list queue; /* lines that came while rows are fetched */
    size_t queued, queued_bytes;
    bool busy;      /* rows are fetched */
    unsigned epoch; /* counts the times that lines may have been lost */
    /* announcer */
    int64_t last; /* what we last said */
    bool reading; /* a fiber reads rows that are to be announced */
    /* comparing with the database */
    struct gg_stmt highest; /* of each writer; for streams without stream_positions */
    int64_t compared;
};

struct gg_lines {
    struct gg_host *host;
    struct gg_streams *streams;
    struct gg_redis *redis; /* NULL: not enabled */
    struct gg_scope *scope;
    char *channel, *ip_channel, *own_channel; /* everybody's, for last-seen data, for what only we know */
    const char *channels[GG_REDIS_CHANNELS];
    struct gg_map *commands;    /* name -> struct gg_list of handlers */
    struct gg_line_stream *all; /* those that everybody writes first: their rows must arrive before positions */
    size_t n;
    struct gg_arena *arena;
    struct gg_buf text; /* the line that is being written */
    bool announcing;    /* gg_lines_announce was called */
    bool twin;          /* somebody with our name is alive */
    bool announce_due, turn_due;
    struct gg_cond came; /* Redis is there, or a twin */
    int64_t compare_ms;  /* between two looks for lost lines; 30 s, tests want less */
    int64_t warned;      /* when something about a line was last said */
    size_t unsaid;
};

struct gg_lines *gg_lines_of(struct gg_host *host);
bool gg_lines_connected(const struct gg_lines *lines);
void gg_lines_publish(struct gg_lines *lines, const char *channel, struct gg_str line);
/* Streams and commands with a dot in their name are no part of Synapse, and a stream that it does not know tears down
 * its subscribers: they travel on a channel of their own. */
const char *gg_lines_channel_for(const struct gg_lines *lines, struct gg_str name);
/* At most one line of log in a while: what others send must not fill it. */
void gg_lines_complain(struct gg_lines *lines, const char *what, struct gg_str line);

/* lines_read.c: a POSITION or RDATA. */
void gg_lines_read(struct gg_lines *lines, struct gg_str text, const struct gg_line *line);
/* The database says that a writer is at token, further than its lines have told: reads the rows, unless others of the
 * stream are being read. */
void gg_lines_heal(struct gg_line_stream *s, struct gg_str writer, int64_t token);
/* Lines may have been lost: all must tell us anew where they stand. */
void gg_lines_forget_connections(struct gg_lines *lines);
void gg_lines_forget_writers(struct gg_line_stream *s);

/* lines_catch_up.c: reads rows of (from, to], then works off what came meanwhile. follows_on: with them we have all up to
 * a line of the writer, so that its next line follows on that. */
void gg_lines_catch_up(struct gg_line_stream *s, struct gg_line_writer *writer, int64_t from, int64_t to, bool follows_on);
void gg_lines_wait_its_turn(struct gg_line_stream *s, struct gg_str text);
void gg_lines_drop_queue(struct gg_line_stream *s);
bool gg_lines_handle(struct gg_line_stream *s,
                     const struct gg_line *line); /* lines_read.c; false: now rows are fetched */
void gg_lines_drop_batch(struct gg_line_writer *writer);

/* lines_announce.c: may be called at any time; what is due is said at the end of this turn. */
void gg_lines_poke(void *lines);
void gg_lines_announce_all(struct gg_lines *lines); /* POSITION of every stream that we write */

/* lines_compare.c: a fiber that looks for lines that were lost. */
void gg_lines_compare_main(void *lines);
void gg_lines_prepare_compare(struct gg_line_stream *s);

#endif
