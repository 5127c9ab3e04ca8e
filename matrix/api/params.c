/* matrix/api/params.c: parameters and bodies as the domain folders take them. */
#include "api/params.h"

#include <ganglion/matrix/json.h>

int mx_api_object_body(struct gg_request *rq, struct gg_str *out, struct gg_error *err)
{
    *out = gg_request_body(rq);
    while (out->n > 0 && strchr(" \t\r\n", out->s[0]) != NULL) {
        out->s++;
        out->n--;
    }
    if (out->n == 0)
        *out = GG_STR("{}");
    int rc = mx_json_check(*out, 200, err);
    if (rc == 0 && !mx_json_is_object(*out))
        rc = gg_refuse(err, 400, "M_BAD_JSON", "Content must be a JSON object.");
    return rc;
}

int mx_api_content_body(struct gg_request *rq, struct gg_str *out, struct gg_error *err)
{
    return gg_request_body(rq).n > 0 ? mx_api_object_body(rq, out, err) : gg_refuse(err, 400, "M_NOT_JSON", "Content not JSON.");
}

int mx_api_query_natural(const struct gg_request *rq, const char *key, int64_t fallback, int64_t *out, struct gg_error *err)
{
    int rc = gg_request_query_i64(rq, key, fallback, out, err);
    if (rc == 0 && gg_request_query(rq, key) != NULL && *out < 0)
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter %s must be a positive integer.", key);
    return rc;
}
