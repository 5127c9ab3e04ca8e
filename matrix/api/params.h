/* matrix/api/params.h: parameters and bodies as the domain folders take them. */
#ifndef MX_API_PARAMS_H
#define MX_API_PARAMS_H

#include <ganglion/http.h>

/* A {name} of the route; s NULL where this route has none. Lives as long as the request. */
static inline struct gg_str mx_api_param(const struct gg_request *rq, const char *name)
{
    const char *value = gg_request_param(rq, name);
    return value != NULL ? gg_str(value) : (struct gg_str){0};
}

/* A text of the query; NULL where it is not given, or nothing is given. */
static inline const char *mx_api_query_text(const struct gg_request *rq, const char *key)
{
    const char *value = gg_request_query(rq, key);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* The body as the text of a JSON object, for content that must not be changed on its way; none is "{}". 0, or 400
 * M_NOT_JSON, M_BAD_JSON. */
GG_CHECKED int mx_api_object_body(struct gg_request *rq, struct gg_str *out, struct gg_error *err);
/* The same where nothing at all is no content: 400 M_NOT_JSON. */
GG_CHECKED int mx_api_content_body(struct gg_request *rq, struct gg_str *out, struct gg_error *err);

/* A whole number of the query that is not negative, or the fallback where it has none. 0, or 400 M_INVALID_PARAM. */
GG_CHECKED int mx_api_query_natural(const struct gg_request *rq, const char *key, int64_t fallback, int64_t *out,
                                    struct gg_error *err);

/* The body as JSON where nothing at all is no content; borrowed; NULL: 400 M_NOT_JSON. */
static inline json_t *mx_api_json(struct gg_request *rq, struct gg_error *err)
{
    if (gg_request_body(rq).n > 0)
        return gg_request_json(rq, err);
    (void)gg_refuse(err, 400, "M_NOT_JSON", "Content not JSON.");
    return NULL;
}

#endif
