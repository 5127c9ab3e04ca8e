/* repl/lines_parse.h: from the text of a line to its parts (facts replication 3.1). Pure. */
#ifndef GANGLION_HOST_REPL_LINES_PARSE_H
#define GANGLION_HOST_REPL_LINES_PARSE_H

#include <ganglion/base.h>

enum gg_line_kind { GG_LINE_COMMAND, GG_LINE_POSITION, GG_LINE_RDATA };

/* Everything points into the text. */
struct gg_line {
    int kind;
    struct gg_str name, rest;       /* "USER_SYNC" and what follows its first space */
    struct gg_str stream, instance; /* of POSITION and RDATA; neither empty nor long, no NUL inside */
    int64_t prev, token;            /* RDATA: token only; 0 in a batch */
    bool batch;                     /* rows of the same token follow */
    struct gg_str row;              /* of RDATA: JSON text */
};

enum { GG_LINE_MAX_WORD = 255 };

/* False: it is no line, or not one that makes sense. */
bool gg_line_parse(struct gg_str text, struct gg_line *out);

#endif
