/* matrix/api/params.c: bodies as the domain folders take them. */
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
