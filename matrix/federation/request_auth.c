/* request_auth.c: signs requests. */
#include "federation/request_auth.h"

static void member(struct gg_buf *out, const char *key, const char *value)
{
    gg_buf_printf(out, ",\"%s\":", key);
    gg_buf_json_string(out, gg_str(value));
}

/* The object that is signed, in canonical form: its five keys are written in their order. A text of ours is ASCII, so
 * that its JSON form is the canonical one. */
static void signed_text(struct gg_buf *out, const char *origin, const char *destination_key, const char *destination,
                        const char *method, const char *uri, struct gg_str body)
{
    if (body.s) {
        gg_buf_lit(out, ",\"content\":");
        gg_buf_str(out, body);
    }
    member(out, destination_key, destination);
    member(out, "method", method);
    member(out, "origin", origin);
    member(out, "uri", uri);
    gg_buf_char(out, '}');
    out->data[0] = '{';
}

const char *mx_fed_authorization(const char *origin, const struct mx_signing_key *key, const char *destination_key,
                                 const char *destination, const char *method, const char *uri, struct gg_str body,
                                 struct gg_arena *arena)
{
    struct gg_buf text = GG_BUF_INIT;
    uint8_t signature[64];
    char base64[mx_base64_size(64)];
    signed_text(&text, origin, destination_key, destination, method, uri, body);
    mx_sign(key, gg_buf_view(&text), signature);
    gg_buf_done(&text);
    mx_base64(signature, sizeof(signature), false, base64);
    return gg_arena_printf(arena, "Authorization: X-Matrix origin=\"%s\",key=\"%s\",sig=\"%s\",%s=\"%s\"", origin, key->id,
                           base64, destination_key, destination);
}
