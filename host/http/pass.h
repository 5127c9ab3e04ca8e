/* http/pass.h: one request handed to another server, and its answer handed back, piece by piece. */
#ifndef GG_HTTP_PASS_H
#define GG_HTTP_PASS_H

#include <ganglion/buf.h>
#include <ganglion/error.h>
#include <ganglion/http.h>

struct gg_peer; /* config/topology.h */

struct gg_passage {
    struct gg_request *rq;
    const struct gg_peer *peer;
    bool plain;       /* as to any HTTP server: no forwarding path, no headers of ours */
    int64_t stall_ms; /* how long the peer may be silent, also before it answers; 0: as long as the fiber may wait */
    int status;       /* of the answer; 0: none came */
    bool arrived;     /* bytes of the request may have reached the peer */
    bool hurried;     /* this process ends: a long poll was broken off, and is asked to answer at once */
};

/* Bodies that are known to be small are waited for before anything is sent: a slow client then holds nobody but us, and
 * the request can be sent again. Larger ones are streamed, with no more read ahead than the server's bounds allow.
 * 0: answered, with whatever status. GG_E_UNAVAILABLE: nothing was sent; GG_E_CLOSED: the peer closed; others as
 * client/internal.h has them; or the client's own failure. Where nothing has been replied, it may be passed to another
 * peer as long as gg_passage_repeatable(). */
GG_YIELDS GG_CHECKED int gg_pass(struct gg_passage *p, struct gg_error *err);
/* The head that goes out, up to and with its empty line. */
void gg_pass_head(const struct gg_passage *p, struct gg_buf *out);
/* Is the request one that may be carried out twice (RFC 9110, 9.2.2), or did it never arrive? And is its body still whole? */
bool gg_passage_repeatable(const struct gg_passage *p);

#endif
