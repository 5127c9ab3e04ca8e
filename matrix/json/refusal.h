/* matrix/json/refusal.h: what another server refused, handed on to the client who waits for its answer. */
#ifndef MX_JSON_REFUSAL_H
#define MX_JSON_REFUSAL_H

#include <ganglion/arena.h>
#include <ganglion/error.h>

/* Fills err with the status and errcode of the other server's answer and returns err->code. What is no refusal (4xx)
 * becomes 502, what is no errcode M_UNKNOWN. Nothing that would tell the client that its own session has ended: a 401
 * becomes 400, M_UNKNOWN_TOKEN M_UNKNOWN. body may be any bytes; its "error" stands in for text where it has one. */
int mx_refusal_relay(int status, struct gg_str body, const char *text, struct gg_arena *arena, struct gg_error *err);

#endif
