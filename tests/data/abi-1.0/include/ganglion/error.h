/* ganglion/error.h: what went wrong, for the caller, the log and the client.
 *
 * A fallible function returns a gg_status and, when it fails, fills the
 * struct gg_error that it was given (never NULL). Libraries fill, the edge (the
 * HTTP server, main) logs or answers once. */
#ifndef GANGLION_ERROR_H
#define GANGLION_ERROR_H

#include <ganglion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gg_error {
    int code;            /* enum gg_status */
    int http_status;     /* what a client is told; 500 unless set */
    char errcode[64];    /* Matrix errcode; "M_UNKNOWN" unless set */
    char message[400];   /* human text, without a trailing period or newline */
    char extra[400];     /* further members of the JSON error object, as JSON text
                            without braces, e.g. "\"retry_after_ms\":200"; or "" */
    const char *file;    /* where it was set */
    int line;
    bool inward;         /* set by gg_fail: for 5xx its message is for the log, not for clients */
};

/* All zero; use as `struct gg_error err = GG_ERROR_INIT;`. */
#define GG_ERROR_INIT {0}

/* Fills err for a failure that is not the client's; returns code, so that
 * `return gg_fail(err, GG_E_IO, "...")` is the usual form. HTTP status and
 * errcode follow from code (NOT_FOUND 404 M_NOT_FOUND, FORBIDDEN 403, INVALID
 * 400 M_INVALID_PARAM, LIMIT 413 M_TOO_LARGE, TIMEOUT and UNAVAILABLE 503, ...). */
#define gg_fail(err_, code_, ...) gg_error_set((err_), (code_), __FILE__, __LINE__, __VA_ARGS__)
GG_API int gg_error_set(struct gg_error *err, int code, const char *file, int line, const char *fmt, ...)
    GG_PRINTF(5, 6);

/* The same with the HTTP status and Matrix errcode that the specification
 * names: `return gg_refuse(err, 403, "M_FORBIDDEN", "You are not in the room")`.
 * Code follows from the status (404 NOT_FOUND, 403 and 401 FORBIDDEN, 429 LIMIT,
 * other 4xx INVALID, 5xx UNAVAILABLE or INTERNAL). */
#define gg_refuse(err_, status_, errcode_, ...) \
    gg_error_refuse((err_), (status_), (errcode_), __FILE__, __LINE__, __VA_ARGS__)
GG_API int gg_error_refuse(struct gg_error *err, int http_status, const char *errcode, const char *file, int line,
                           const char *fmt, ...) GG_PRINTF(6, 7);

/* Adds `"key":<json>` to err->extra (json is JSON text). Drops it if it does not fit. */
GG_API void gg_error_extra(struct gg_error *err, const char *key, const char *json);
/* Puts "text: " in front of the message (context while an error travels up). */
GG_API void gg_error_prefix(struct gg_error *err, const char *fmt, ...) GG_PRINTF(2, 3);
/* The JSON error object {"errcode":..,"error":..,extra} into out, NUL-terminated;
 * returns its length. out of 2048 bytes always suffices. */
GG_API size_t gg_error_json(const struct gg_error *err, char *out, size_t size);
/* A constant name such as "TIMEOUT" for logs. */
GG_API const char *gg_status_name(int code);

#ifdef __cplusplus
}
#endif
#endif
