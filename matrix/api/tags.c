/* matrix/api/tags.c: tags of rooms (client-server API, "Room Tagging"). */
#include "api/params.h"
#include "api/userdata.h"

#include "userdata/route.h"
#include "userdata/tags.h"

#include <ganglion/matrix/id.h>
#include <ganglion/matrix/json.h>

static int check_request(struct gg_request *rq, const char *what, struct gg_error *err)
{
    int rc = mx_api_only_oneself(rq, what, err);
    if (rc == 0 && !mx_room_id_valid(mx_api_param(rq, "room_id")))
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "%s is not a valid room ID", gg_request_param(rq, "room_id"));
    return rc;
}

int mx_api_get_tags(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct gg_str tags;
    int rc = check_request(rq, "get tags for", err);
    if (rc == 0)
        rc = mx_tags_get(mx_server_of_request(rq), mx_api_param(rq, "user_id"), mx_api_param(rq, "room_id"), gg_request_arena(rq), &tags, err);
    if (rc != 0)
        return rc;
    struct gg_buf buf = GG_BUF_INIT;
    gg_buf_lit(&buf, "{\"tags\":");
    gg_buf_str(&buf, tags);
    gg_buf_char(&buf, '}');
    return gg_reply_buf(rq, 200, &buf);
}

/* content NULL: takes the tag away. */
static int set_here_or_there(struct gg_request *rq, json_t *content, struct gg_error *err)
{
    return mx_tag_put(mx_server_of_request(rq), mx_api_param(rq, "user_id"), mx_api_param(rq, "room_id"), mx_api_param(rq, "tag"),
                      content != NULL ? gg_request_body(rq) : (struct gg_str){0}, err);
}

/* What goes into the database's index must fit there. */
enum { MAX_TAG = 255 };

/* A tag is of a room that the user has something to do with. */
static int check_tag(struct gg_request *rq, struct gg_error *err)
{
    bool allowed = true;
    if (mx_api_param(rq, "tag").n > MAX_TAG)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "tag parameter's length is over %d bytes", MAX_TAG);
    int rc = mx_tags_allowed(mx_server_of_request(rq), mx_api_param(rq, "user_id"), mx_api_param(rq, "room_id"),
                             gg_request_arena(rq), &allowed, err);
    if (rc == 0 && !allowed)
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "User %s has no membership in room %s", gg_request_param(rq, "user_id"),
                       gg_request_param(rq, "room_id"));
    return rc;
}

int mx_api_put_tag(void *self, struct gg_request *rq, struct gg_error *err)
{
    json_t *content = mx_api_json(rq, err);
    if (content == NULL)
        return err->code;
    if (!json_is_object(content))
        return gg_refuse(err, 400, "M_BAD_JSON", "Content must be a JSON object.");
    int rc = check_request(rq, "add tags for", err);
    if (rc == 0)
        rc = check_tag(rq, err);
    if (rc == 0)
        rc = set_here_or_there(rq, content, err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

int mx_api_delete_tag(void *self, struct gg_request *rq, struct gg_error *err)
{
    int rc = check_request(rq, "add tags for", err);
    if (rc == 0)
        rc = set_here_or_there(rq, NULL, err);
    return rc != 0 ? rc : gg_reply_empty_object(rq);
}

/* ---- what another process hands to the writer (facts replication 8.4) ---- */

static int answer_position(struct mx_server *server, json_t **answer)
{
    *answer = json_pack("{s:I}", "max_stream_id", (json_int_t)gg_stream_upto(server->account_data));
    return 0;
}

int mx_method_add_tag(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err)
{
    int64_t stream_id;
    char *text = json_dumps(json_object_get(call->body, "content"), JSON_COMPACT);
    if (text == NULL)
        return gg_refuse(err, 400, "M_BAD_JSON", "content is missing");
    int rc = mx_tag_set(self, gg_str(call->args[0]), gg_str(call->args[1]), gg_str(call->args[2]), gg_str(text), &stream_id, err);
    free(text);
    return rc != 0 ? rc : answer_position(self, answer);
}

int mx_method_remove_tag(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err)
{
    int64_t stream_id;
    int rc = mx_tag_set(self, gg_str(call->args[0]), gg_str(call->args[1]), gg_str(call->args[2]), (struct gg_str){0}, &stream_id, err);
    return rc != 0 ? rc : answer_position(self, answer);
}
