/* What strangers send while they prove who they are: bodies of interactive authentication, forms, guests' tokens, mail
 * addresses, and templates that operators write. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/access_token.h"
#include "accounts/macaroon.h"
#include "accounts/threepid.h"
#include "accounts/uia.h"
#include "pages/pages.h"

/* The parts of a body that are read before anything is known of its session. */
static void read_body(struct gg_str text)
{
    json_t *body = json_loadb(text.s, text.n, 0, NULL);
    const json_t *auth = json_object_get(body, "auth"), *creds = json_object_get(auth, "threepid_creds");
    struct gg_error err = GG_ERROR_INIT;
    mx_uia_stage_find(mx_text(auth, "type"));
    struct gg_str secret = mx_text(creds, "client_secret");
    if (secret.s && mx_client_secret_check(secret, &err) == 0 && memchr(secret.s, 0, secret.n))
        abort();
    json_decref(body);
}

static void read_address(struct gg_str text, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_str out, again;
    if (mx_mail_canonical(text, arena, &out, &err) != 0)
        return;
    for (size_t i = 0; i < out.n; i++) /* it becomes part of a command to a mail server */
        if ((unsigned char)out.s[i] <= ' ' || strchr("<>\"", out.s[i]))
            abort();
    if (mx_mail_canonical(out, arena, &again, &err) == 0 && !gg_str_eq(out, again))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str text = gg_strn((const char *)data, size);
    const struct mx_page_value values[] = {{"a", GG_STR("<>")}, {"b", GG_STR("")}};
    struct gg_buf page = GG_BUF_INIT;
    struct gg_error err = GG_ERROR_INIT;
    read_body(text);
    read_address(text, arena);
    mx_form_get(text, "session", arena);
    mx_refresh_token_valid(text);
    if (mx_guest_token_user(arena, GG_STR("unguessable"), text).s)
        abort();
    int status = mx_page_render_text(text, true, values, 2, &page, &err);
    if (status > 0)
        abort();
    gg_buf_done(&page);
    gg_arena_free(arena);
    return 0;
}
