/* matrix/accounts/filter.c: stored filters, as other parts ask for them. */
#include "storage/accounts.h"

#include <ganglion/matrix/accounts.h>
#include <stdlib.h>

int mx_user_filter_get(struct mx_server *server, struct gg_str user_id, const char *filter_id, struct gg_arena *arena,
                       struct gg_str *json_out, struct gg_error *err)
{
    char *end;
    long long id = strtoll(filter_id, &end, 10);
    if (*end != '\0' || end == filter_id || id < 0)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid filter ID");
    return mx_filters_get(server, user_id, id, arena, json_out, err);
}
